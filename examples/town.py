"""A server for three towns: one Morepath application, mounted once for each.

Each town is an application id, and has the jobs that OneGov Cloud runs for
every municipality (nineteen of `org`, one of `fsi`), with their schedules.
One more is due every minute, without an offset, so that there is something
to see. Run it with `python examples/run.py`.
"""

from __future__ import annotations

import logging
import os

from cronsched.morepath import CronApp

TOWNS = ('zug', 'uri', 'glarus')

log = logging.getLogger('town')


class Server(CronApp):
    """What the WSGI server calls; it has no jobs of its own."""


class Town(CronApp):
    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name

    @property
    def application_id(self) -> str:
        return f'towns/{self.name}'


@Server.mount(path='{name}', app=Town)
def get_town(name: str) -> Town | None:
    return Town(name) if name in TOWNS else None


@Town.path(path='')
class Page:
    pass


@Town.view(model=Page)
def view_page(self, request):
    return f'Welcome to {request.app.name}.'


# With a base URL the jobs need no visitor to start them. Without it, the
# host of the first visitor is taken, if it is the loopback.
@Server.setting(section='cronjobs', name='base_url')
@Town.setting(section='cronjobs', name='base_url')
def get_base_url():
    return os.environ.get('TOWNS_URL')


def serve() -> Server:
    """What a WSGI server starts: `gunicorn 'town:serve()'`."""
    Server.commit()
    server = Server()
    # Nobody visits Glarus: it is started by its path.
    if os.environ.get('TOWNS_URL'):
        server.start_cronjobs('/glarus')
    return server


def say(request, text: str) -> None:
    log.info('%s: %s', request.app.name, text)


@Town.cronjob(hour='*', minute='*', timezone='UTC', max_offset=0)
def look_at_the_clock(request):
    say(request, f'it is {request.cron_run.scheduled:%H:%M} UTC')


@Town.cronjob(hour='*', minute=0, timezone='UTC')
def hourly_maintenance_tasks(request):
    say(request, 'published what was due, threw away what was old')


@Town.cronjob(hour='*', minute='*/15', timezone='UTC')
def cancel_stale_open_saferpay_transactions(request):
    say(request, 'no payment was left open')


@Town.cronjob(hour=23, minute=45, timezone='Europe/Zurich')
def process_resource_rules(request):
    say(request, 'opened the rooms for another day')


@Town.cronjob(hour=8, minute=30, timezone='Europe/Zurich')
def send_daily_ticket_statistics(request):
    say(request, 'told the clerks about their tickets')


@Town.cronjob(hour=8, minute=45, timezone='Europe/Zurich')
def send_weekly_ticket_statistics(request):
    say(request, 'told the clerks about their week')


@Town.cronjob(hour=9, minute=0, timezone='Europe/Zurich')
def send_monthly_ticket_statistics(request):
    say(request, 'told the clerks about their month')


@Town.cronjob(hour='*', minute='*/5', timezone='Europe/Zurich')
def send_daily_resource_usage_overview(request):
    say(request, 'told the caretakers who comes')


@Town.cronjob(hour='6', minute='56', timezone='Europe/Zurich')
def send_daily_reservation_reminders(request):
    say(request, 'reminded those who come today')


@Town.cronjob(hour='*', minute='*/30', timezone='UTC')
def end_chats_and_create_tickets(request):
    say(request, 'turned silent chats into tickets')


@Town.cronjob(hour=4, minute=30, timezone='Europe/Zurich')
def archive_old_tickets(request):
    say(request, 'archived tickets')


@Town.cronjob(hour=5, minute=30, timezone='Europe/Zurich')
def delete_old_tickets(request):
    say(request, 'deleted tickets')


@Town.cronjob(hour=9, minute=30, timezone='Europe/Zurich')
def send_monthly_mtan_statistics(request):
    say(request, 'counted the text messages')


@Town.cronjob(hour=9, minute=45, timezone='Europe/Zurich')
def send_monthly_signing_service_statistics(request):
    say(request, 'counted the signatures')


@Town.cronjob(hour=4, minute=0, timezone='Europe/Zurich')
def delete_content_marked_deletable(request):
    say(request, 'deleted what was marked')


@Town.cronjob(hour=7, minute=0, timezone='Europe/Zurich')
def update_newsletter_email_bounce_statistics(request):
    say(request, 'noted which letters came back')


@Town.cronjob(hour=4, minute=30, timezone='Europe/Zurich')
def delete_unconfirmed_newsletter_subscriptions(request):
    say(request, 'forgot who never confirmed')


@Town.cronjob(hour='*', minute='*/10', timezone='UTC')
def send_push_notifications_for_news(request):
    say(request, 'pushed the news')


@Town.cronjob(hour=3, minute=0, timezone='Europe/Zurich')
def normalize_adjacency_list_order(request):
    say(request, 'put the pages in order')


@Town.cronjob(hour='03', minute='02', timezone='Europe/Zurich')
def wil_daily_event_import(request):
    say(request, 'imported the events')


@Town.cronjob(hour=8, minute=30, timezone='Europe/Zurich')
def send_reminder_mails(request):
    say(request, 'reminded those who have a course')
