"""The way of a run through the Python layer, where things go wrong."""

from __future__ import annotations

import _thread
import threading
import time
from types import SimpleNamespace
from urllib.parse import quote

import dectate
import pytest
from framework import make_app
from processes import run_python
from servers import served, wait_for
from webtest import TestApp as Client

from cronsched._cronsched import sign_headers
from cronsched.jobs.settings import Settings
from cronsched.ledger import Run, open_ledger
from cronsched.morepath import CronApp
from cronsched.morepath.delivery import RequestCall
from cronsched.morepath.job import Job
from cronsched.scheduler import process as scheduler
from cronsched.scheduler.reporter import Reporter
from cronsched.scheduler.site import Site
from cronsched.scheduler.telling import Telling
from cronsched.web.address import is_trusted
from cronsched.web.receive import accept

SECRET = 'not much of a secret'


@pytest.fixture
def ledger(tmp_path):
    ledger = open_ledger(f'sqlite://{tmp_path}/ledger.sqlite3')
    yield ledger
    ledger.close()


@pytest.fixture
def site(ledger):
    return Site(Settings(secret=SECRET, previous_secret=SECRET), (SECRET,), ledger)


def run(function, site, scheduled=1_792_000_000):
    """A signed request for a job of this function."""
    job = Job(function, 8, 0, 'UTC', name='cleanup')
    headers = sign_headers(
        'org/zug', job.name, scheduled, key=site.key('org/zug'), now=int(time.time()), attempt=1,
    )
    host = SimpleNamespace(application_id='org/zug', site=site, jobs={job.name: job})
    with (execution := accept(host, job.name, headers)):
        job.function(SimpleNamespace(headers=headers))
    return execution.outcome


# -- how a run ends ---------------------------------------------------------------


class Unspeakable(Exception):
    def __str__(self):
        raise RuntimeError('no words')


@pytest.mark.parametrize(
    ('error', 'detail'),
    [
        (ValueError('file \udcff'), 'ValueError: file \\udcff'),
        (Unspeakable(), 'Unspeakable'),
    ],
)
def test_a_failure_that_cannot_be_written_as_text_ends_its_run(site, ledger, error, detail):
    def fail(request):
        raise error

    with pytest.raises(type(error)):
        run(fail, site)
    assert [(row.state, row.detail) for row in ledger.history()] == [('failed', detail)]
    assert run(lambda request: None, site, 1_792_000_060) == 'ok'


# -- secrets ----------------------------------------------------------------------


def test_no_representation_shows_a_secret(site):
    call = RequestCall('http://127.0.0.1/', 'org/zug', 'cleanup', 'POST', site.key('org/zug'), 9)
    assert SECRET not in repr(site)
    assert SECRET not in repr(site.settings)
    assert repr(call.key) not in repr(call)


# -- switched off -----------------------------------------------------------------


@pytest.mark.parametrize('base', [make_app, lambda: CronApp])
def test_nothing_starts_where_a_test_switches_it_off_after_the_commit(base):
    class App(base()):
        pass

    App.cronjob(hour=8, minute=0, timezone='UTC')(lambda request: None)
    App.commit()
    app = App()
    app.settings.cronjobs = SimpleNamespace(enabled=False)
    Client(app).get('/', expect_errors=True)
    assert not app.config.cronjob_registry.cronjob_threads


def test_a_mounted_application_may_be_switched_off_alone():
    class Town(CronApp):
        pass

    class Root(CronApp):
        pass

    Town.cronjob(hour=8, minute=0, timezone='UTC')(lambda request: None)
    Town.setting(section='cronjobs', name='enabled')(lambda: False)
    Root.setting(section='cronjobs', name='base_url')(lambda: 'http://127.0.0.1:1')
    Root.mount(path='town', app=Town)(lambda: Town())
    Town.path(path='page', model=dict)(lambda: {})
    Town.view(model=dict)(lambda self, request: 'here')
    Root.commit()
    root = Root()
    Client(root).get('/town/page')
    root.start_cronjobs('/town')
    assert not Town.config.cronjob_registry.cronjob_threads


# -- greenlets --------------------------------------------------------------------


class Quiet:
    """A native scheduler with nothing to tell, and a reporter that hears it."""

    def __init__(self, *trouble):
        self.waits = []
        self.trouble = [*trouble]
        self.reporter = Reporter(SimpleNamespace(
            native=self, apps={}, jobs={}, telling=Telling()))

    def events(self, timeout):
        self.waits.append(timeout)
        if self.trouble:
            raise self.trouble.pop()
        return []

    def changes(self, after, most):
        return []


def test_where_threads_are_greenlets_nobody_waits_in_native_code(monkeypatch):
    monkeypatch.setattr(_thread, 'start_new_thread', lambda function, arguments: None)
    quiet = Quiet()
    quiet.reporter._turn()
    assert quiet.waits == [0.0]


def test_no_trouble_ends_the_reporter():
    quiet = Quiet(MemoryError())
    quiet.reporter._turn()
    quiet.reporter._turn()
    assert len(quiet.waits) == 2


def test_a_server_of_greenlets_answers_while_jobs_run():
    pytest.importorskip('gevent')
    assert run_python(GREENLETS) == 'answered\n'


GREENLETS = """
    from gevent import monkey
    monkey.patch_all()
    import time, urllib.request
    from gevent.pywsgi import WSGIServer
    from cronsched.morepath import CronApp

    runs = []

    class App(CronApp):
        pass

    @App.cronjob('* * * * * *', timezone='UTC', max_offset=0)
    def each_second(request):
        runs.append(request.cron_run)

    @App.path(path='')
    class Root:
        pass

    App.view(model=Root)(lambda self, request: 'hello')
    App.commit()
    server = WSGIServer(('127.0.0.1', 0), App(), log=None)
    server.start()
    url = f'http://127.0.0.1:{server.server_port}'
    while len(runs) < 2:
        assert urllib.request.urlopen(url, timeout=20).read() == b'hello'
        time.sleep(0.05)
    print('answered')
"""


# -- forks ------------------------------------------------------------------------


def test_a_child_finds_free_what_another_thread_of_its_parent_had():
    assert run_python(FORKED) == 'free free free\n'


FORKED = """
    import os, signal, threading
    from cronsched.morepath import bound
    from cronsched.morepath import directives
    from cronsched.scheduler import site

    locks = directives._starting, bound._binding, site._lock
    held, done = threading.Event(), threading.Event()

    def hold():
        with locks[0], locks[1], locks[2]:
            held.set()
            done.wait()

    thread = threading.Thread(target=hold)
    thread.start()
    held.wait()
    import warnings
    warnings.simplefilter('ignore')   # the thread is one of the test's own
    child = os.fork()
    if child == 0:
        signal.alarm(5)
        for lock in locks:
            with lock:
                pass
        print(*['free' for lock in locks])
        os.sys.stdout.flush()
        os._exit(0)
    _, status = os.waitpid(child, 0)
    done.set()
    thread.join()
    assert status == 0, status
"""


def test_who_comes_second_is_not_waited_for_by_a_fork_and_warned_once(caplog):
    first, second = Settings(), Settings(max_concurrency=7)
    scheduler.service(first)
    found = []
    with scheduler._lock:   # as a fork has it while the reporter ends
        thread = threading.Thread(
            target=lambda: found.extend(scheduler.service(second) for _ in range(2))
        )
        thread.start()
        thread.join(10)
        assert len(found) == 2
    # By identity: a record may be captured by two handlers.
    told = {id(each) for each in caplog.records if 'max_concurrency' in each.getMessage()}
    assert len(told) == 1


# -- several threads --------------------------------------------------------------


def test_ends_that_two_threads_write_at_once_are_written(ledger):
    """The first to write takes the end of the other along."""
    claims = [ledger.claim(Run('org/zug', 'tidy', 1_792_000_000 + each), overlap='allow')
              for each in range(2)]
    kept = ledger._own_kept()
    written_elsewhere = []

    class Racing(list):
        def __contains__(self, end):
            return True

        def remove(self, end):
            written_elsewhere.append(end)
            raise ValueError('another thread has removed it')

    ledger._kept = Racing(kept)
    ledger.finish(claims[0], 'ok', took=0.1)
    assert len(written_elsewhere) == 1
    assert [row.state for row in ledger.history()] == ['running', 'ok']


# -- wrong uses -------------------------------------------------------------------


@pytest.mark.parametrize('base', [make_app, lambda: CronApp])
@pytest.mark.parametrize(
    ('said', 'says'),
    [
        ({'name': ''}, 'write text'),
        ({'name': 'a\0b'}, 'write text'),
        ({'name': '\ud800'}, 'write text'),
        ({'name': 5}, 'has no name'),
        ({'once': 'no'}, 'write True or False'),
        ({'hour': None, 'minute': None, 'expression': 5}, "write text like '0 8"),
    ],
)
def test_what_could_never_run_is_an_error_with_file_and_line(base, said, says):
    class App(base()):
        pass

    App.cronjob(**({'hour': 8, 'minute': 0, 'timezone': 'UTC'} | said))(lambda request: None)
    with pytest.raises(dectate.DirectiveReportError, match=says) as caught:
        App.commit()
    assert f'File "{__file__}"' in str(caught.value)


# -- where the application is reached ---------------------------------------------


@pytest.mark.parametrize('host', [
    'evil.com\\@127.0.0.1', '127.0.0.1#@evil.com', 'evil@127.0.0.1', '127.0.0.1/x', '127.0.0.1?x',
    '127.0.0.1:', '127.0.0.1:x', '127.0.0.1:0', '127.0.0.1:65536', '127.0.0.1\t', 'localhost\n',
    '[::1%25eth0]', '[::1', '',
])
def test_a_host_that_could_be_read_in_two_ways_is_not_trusted(host):
    assert not is_trusted(host, ())
    assert not is_trusted(host, ['evil.com'])


@pytest.mark.parametrize(
    'host', ['127.0.0.1', 'LocalHost:80', '[::1]:8080', '[::1]', 'my_app.localhost'],
)
def test_the_loopback_is_trusted(host):
    assert is_trusted(host, ())


@pytest.mark.parametrize(
    ('base_url', 'start', 'prefix'),
    [
        ('http+unix://%2Frun%2Fapp.sock', '', 'http+unix://%2Frun%2Fapp.sock/cronjobs/'),
        ('http+unix://%2Frun%2Fapp.sock/pre', '', 'http+unix://%2Frun%2Fapp.sock/pre/cronjobs/'),
        ('https://[::1]:8443/pre/', '/town', 'https://[::1]:8443/pre/town/cronjobs/'),
        ('http://127.0.0.1:8080/', '/town', 'http://127.0.0.1:8080/town/cronjobs/'),
    ],
)
@pytest.mark.parametrize('begin', ['by a visitor', 'by itself'])
def test_jobs_are_called_where_base_url_says(base_url, start, prefix, begin):
    class Town(CronApp):
        pass

    class Root(CronApp):
        pass

    class Page:
        pass

    App = Town if start else Root
    App.path(path='page', model=Page)(lambda: Page())
    App.view(model=Page)(lambda self, request: 'here')
    App.cronjob('0 0 1 1 *', timezone='UTC')(lambda request: None)
    Root.setting(section='cronjobs', name='base_url')(lambda: base_url)
    Root.mount(path='town', app=Town)(lambda: Town())
    Root.commit()
    root = Root()
    if begin == 'by itself':
        root.start_cronjobs('/town')
    else:
        Client(root).get(f'{start}/page')
    (bound,) = App.config.cronjob_registry.cronjob_threads.values()
    assert bound.urls[0].startswith(prefix)
    assert bound.base_url + '/cronjobs/' == prefix


def test_jobs_are_called_over_a_socket(tmp_path):
    runs = []

    class App(CronApp):
        pass

    path = str(tmp_path / 'app.sock')
    App.cronjob('* * * * * *', timezone='UTC', max_offset=0)(runs.append)
    App.setting(section='cronjobs', name='base_url')(lambda: f'http+unix://{quote(path, safe="")}')
    App.commit()
    app = App()
    with served(app, unix_socket=path):
        app.start_cronjobs()
        wait_for(lambda: len(runs) >= 2)
