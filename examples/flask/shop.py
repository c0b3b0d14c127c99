"""A shop with a page and two jobs, in Flask.

    flask --app shop run
    gunicorn -w 4 'shop:create_app()'

What its jobs did: `flask --app shop cron history`.
"""

import logging

from flask import Flask

from cronsched.flask import Cron

log = logging.getLogger('shop')
cron = Cron('shop', timezone='Europe/Zurich')


@cron.job('* * * * * *')
def tick(run):
    log.info('tick %s', run.scheduled.isoformat())


@cron.job('0 8 * * MON-FRI', retries=2)
def send_invoices():
    log.info('invoices are on their way')


def create_app():
    logging.basicConfig(
        level=logging.INFO, format='%(asctime)s %(process)d %(name)s %(message)s'
    )
    app = Flask(__name__)
    # Each second counts here: none is spread, and what a deploy missed is made up for.
    app.config.update(
        CRONSCHED_MAX_OFFSET=0, CRONSCHED_CATCH_UP=60, CRONSCHED_COALESCE=False
    )
    app.add_url_rule('/', view_func=lambda: 'Welcome to the shop.\n', endpoint='page')
    cron.init_app(app)
    return app
