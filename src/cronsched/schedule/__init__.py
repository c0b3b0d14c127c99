"""Schedules: cron expressions in time zones, and their meaning in English.

Example::

    Schedule('0 8 * * MON-FRI', timezone='Europe/Zurich').next()
"""

from cronsched.schedule.schedule import FIELDS, Schedule, expression_of

__all__ = ['FIELDS', 'Schedule', 'expression_of']
