"""When the tween asks for the start of jobs, and when it is out of the way."""

from __future__ import annotations

import os
from types import SimpleNamespace

import pytest

from cronsched.jobs.registry import StartedHere
from cronsched.morepath import CronApp
from cronsched.morepath.tween import make_tween


def make(base=CronApp, jobs=True):
    class App(base):
        pass

    if jobs:
        App.cronjob(hour=8, minute=0, timezone='UTC')(lambda request: None)
    App.commit()
    return App()


class Tenants(CronApp):
    """One application object, told who it is before each request."""

    application_id = 'nobody'


class Begun(list):
    """Who began, as `begin`; what has begun is started."""

    def __call__(self, request):
        app = request.app
        self.append(app.application_id)
        threads = app.config.cronjob_registry.cronjob_threads
        if app.application_id not in threads:
            threads[app.application_id] = object()


def visitors(app, begun, status=200):
    tween = make_tween(app, lambda request: SimpleNamespace(status_code=status), begun)

    def visit(count=1):
        for _ in range(count):
            tween(SimpleNamespace(app=app, environ={'PATH_INFO': '/page'}))

    return visit


def test_without_jobs_there_is_no_tween():
    def handler(request):
        pass

    assert make_tween(make(jobs=False), handler, pytest.fail) is handler
    assert make_tween(make(), handler, pytest.fail) is not handler


@pytest.mark.parametrize('base', [CronApp, Tenants])
def test_only_the_first_visitor_is_asked_for(base):
    app, begun = make(base), Begun()
    visitors(app, begun)(5)
    assert begun == [app.application_id]


def test_a_path_where_nothing_is_begins_nothing():
    begun = Begun()
    visitors(make(), begun, status=404)(3)
    assert begun == []


def test_what_fails_begins_all_the_same():
    app, begun = make(), Begun()

    def fail(request):
        raise LookupError

    tween = make_tween(app, fail, begun)
    with pytest.raises(LookupError):
        tween(SimpleNamespace(app=app, environ={'PATH_INFO': '/page'}))
    assert len(begun) == 1


def test_each_application_id_of_one_object_is_begun():
    app, begun = make(Tenants), Begun()
    visit = visitors(app, begun)
    for name in ('zug', 'uri', 'zug', 'uri'):
        app.application_id = name
        visit(2)
    assert begun == ['zug', 'uri']


@pytest.mark.parametrize('base', [CronApp, Tenants])
def test_what_was_forgotten_is_begun_again(base):
    app, begun = make(base), Begun()
    visit = visitors(app, begun)
    visit(5)
    app.config.cronjob_registry.cronjob_threads = StartedHere()
    visit(5)
    assert len(begun) == 2


@pytest.mark.parametrize('base', [CronApp, Tenants])
def test_a_forked_process_begins_for_itself(base):
    app, begun = make(base), Begun()
    visit = visitors(app, begun)
    visit(5)
    child = os.fork()
    if child == 0:
        visit(5)
        os._exit(len(begun) != 2)
    assert os.waitpid(child, 0)[1] == 0
    visit(5)
    assert len(begun) == 1


def test_a_forked_process_begins_also_where_another_host_has_looked_first():
    """What was inherited is forgotten as a whole, by whoever looks first."""
    app, begun = make(CronApp), Begun()
    visit = visitors(app, begun)
    visit(5)
    child = os.fork()
    if child == 0:
        assert 'another' not in StartedHere()
        visit(5)
        os._exit(len(begun) != 2)
    assert os.waitpid(child, 0)[1] == 0
