"""A shop with a page and two jobs, in Pyramid.

    gunicorn -w 4 'shop:main({})'
    waitress-serve --call shop:main

What its jobs did: `cronsched history`.
"""

import logging

from pyramid.config import Configurator
from pyramid.response import Response

from cronsched.pyramid import cronjob

log = logging.getLogger('shop')


@cronjob('* * * * * *')
def tick(run):
    log.info('tick %s', run.scheduled.isoformat())


@cronjob('0 8 * * MON-FRI', retries=2)
def send_invoices():
    log.info('invoices are on their way')


def main(global_config=None, **settings):
    logging.basicConfig(
        level=logging.INFO, format='%(asctime)s %(process)d %(name)s %(message)s'
    )
    # Each second counts here: none is spread, and what a deploy missed is made up for.
    own = {'timezone': 'Europe/Zurich', 'max_offset': 0, 'catch_up': 60, 'coalesce': False}
    settings = {f'cronsched.{name}': value for name, value in own.items()} | settings
    with Configurator(settings=settings) as config:
        config.include('cronsched.pyramid')
        config.add_route('page', '/')
        config.add_view(lambda request: Response('Welcome to the shop.\n'), route_name='page')
        config.scan()
        return config.make_wsgi_app()
