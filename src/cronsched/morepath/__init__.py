"""Cron jobs for Morepath applications; see `cronsched.morepath.app`."""

from cronsched.morepath.app import CronApp

__all__ = ['CronApp']
