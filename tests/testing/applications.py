"""An application of each framework with these jobs: pairs of options and
function.

Example::

    app = in_flask([({'hour': 8, 'minute': 0}, cleanup)], retries=1)
"""

from __future__ import annotations

import flask
import gateways
from fastapi import FastAPI
from pyramid.config import Configurator
from starlette.applications import Starlette

from cronsched import Cron
from cronsched.fastapi import Cron as FastAPICron
from cronsched.flask import Cron as FlaskCron
from cronsched.starlette import Cron as StarletteCron


def in_flask(jobs, **settings):
    cron = FlaskCron('shop', timezone='UTC', **settings)
    app = flask.Flask('shop')
    cron.init_app(app)
    return added(cron, jobs, app)


def in_starlette(jobs, make=StarletteCron, app=Starlette, **settings):
    cron = make('shop', timezone='UTC', **settings)
    app = app()
    cron.mount(app)
    return added(cron, jobs, app)


def in_fastapi(jobs, **settings):
    return in_starlette(jobs, FastAPICron, FastAPI, **settings)


def in_pyramid(jobs, **settings):
    settings = {'application_id': 'shop', 'timezone': 'UTC', **settings}
    config = Configurator(settings={f'cronsched.{key}': each for key, each in settings.items()})
    config.include('cronsched.pyramid')
    for options, function in jobs:
        config.add_cronjob(function, **options)
    return config.make_wsgi_app()


def in_wsgi(jobs, **settings):
    cron = Cron('shop', timezone='UTC', **settings)
    return added(cron, jobs, cron.wsgi(gateways.wsgi_page))


def in_asgi(jobs, **settings):
    cron = Cron('shop', timezone='UTC', **settings)
    return added(cron, jobs, cron.asgi(gateways.asgi_page))


def in_a_cron(jobs, **settings):
    cron = Cron('shop', timezone='UTC', **settings)
    return added(cron, jobs, cron)


def added(cron, jobs, app):
    for options, function in jobs:
        cron.add(function, **{'timezone': 'UTC'} | options)
    return app


#: By the name of the framework.
MAKERS = {
    'flask': in_flask, 'fastapi': in_fastapi, 'starlette': in_starlette, 'pyramid': in_pyramid,
    'wsgi': in_wsgi, 'asgi': in_asgi,
}
