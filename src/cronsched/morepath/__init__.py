"""Cron jobs for Morepath applications; see `cronsched.morepath.app`."""

from cronsched.base.extras import requires

with requires('morepath'):
    from cronsched.morepath.app import CronApp

__all__ = ['CronApp']
