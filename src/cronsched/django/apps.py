"""The application `cronsched.django`: it finds the jobs, and arms the process.

Example::

    INSTALLED_APPS += ['cronsched.django']
"""

from __future__ import annotations

from django.apps import AppConfig
from django.core.checks import register
from django.core.signals import request_started, setting_changed
from django.utils.module_loading import autodiscover_modules

__all__ = ['CronschedConfig']


class CronschedConfig(AppConfig):  # type: ignore[misc]
    name = 'cronsched.django'
    label = 'cronsched'
    verbose_name = 'Cron jobs'

    def ready(self) -> None:
        from cronsched.django import checks, starting

        checks.register_all(register)
        setting_changed.connect(starting.settings_changed)
        # An error in such a module goes through, as with admin.py.
        autodiscover_modules('cron')
        if starting.may_serve():
            starting.arm()
            request_started.connect(starting.first_request)
