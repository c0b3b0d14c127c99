"""Checks like those of healthchecks.io, with a server of our own."""

from __future__ import annotations

import re
import socket
import threading
import time
import uuid
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace

import pytest
from processes import run_python, thread_names
from telemetry_stage import NOW, error_of

from cronsched._cronsched import run_id
from cronsched.jobs.options import check
from cronsched.jobs.settings import Settings
from cronsched.telemetry import ping
from cronsched.telemetry.events import RunEvent

RID = str(uuid.UUID(run_id('shop', 'tidy', NOW)[4:]))


class Server:
    def __init__(self, status=200, headers=()):
        self.heard = []
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers['Content-Length'] or 0)).decode()
                server.heard.append((self.path, body))
                self.send_response(status)
                for name, value in headers:
                    self.send_header(name, value)
                self.end_headers()

            def do_GET(self):
                server.heard.append(('GET', self.path))

            def log_message(self, *arguments):
                pass

        self._server = ThreadingHTTPServer(('127.0.0.1', 0), Handler)
        self._server.daemon_threads = True
        self.url = f'http://127.0.0.1:{self._server.server_port}'
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def close(self):
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def server():
    server = Server()
    yield server
    server.close()


def send(pings, url, kind='ended', outcome='ok', **said):
    pings.tell(event(kind, outcome, **said), url)
    pings.flush(10)


def event(kind='ended', outcome='ok', attempt=1, error=None):
    return RunEvent(
        kind, 'shop', 'tidy', run_id('shop', 'tidy', NOW), None, None, None, attempt=attempt,
        outcome=outcome, error=error)


@pytest.fixture
def pings():
    pings = ping.Pings()
    yield pings
    pings.pause()


# -- what is sent -----------------------------------------------------------------


def test_a_run_is_heard_of_when_it_begins_and_when_it_has_ended(make_stage, server):
    stage = make_stage(ping=f'{server.url}/0b5c/')
    stage.start()
    stage.pass_by(1)
    stage.answer()
    stage.pass_by(60)
    stage.answer(404)
    stage.service.telling.stop(10)
    second = str(uuid.UUID(run_id('shop', 'tidy', NOW + 60)[4:]))
    assert server.heard == [
        (f'/0b5c/start?rid={RID}', ''),
        (f'/0b5c?rid={RID}', 'ok'),
        (f'/0b5c/start?rid={second}', ''),
        (f'/0b5c/fail?rid={second}', 'failed'),
    ]


@pytest.mark.parametrize(
    ('kind', 'outcome', 'path'),
    [
        ('sent', None, '/x/start'),
        ('ended', 'ok', '/x'),
        ('ended', 'skipped_overlap', '/x'),
        ('ended', 'skipped_paused', '/x'),
        ('ended', 'failed', '/x/fail'),
        ('ended', 'timed_out', '/x/fail'),
        ('overdue', 'timed_out', '/x/fail'),
        ('ended', 'unreachable', '/x/fail'),
        ('ended', 'lost', '/x/fail'),
        ('ended', 'missed', '/x/fail'),  # it was sent
        ('retrying', 'failed', None),
        ('executed', 'failed', None),
    ],
)
def test_what_an_event_means(kind, outcome, path):
    made = ping.ping_of(event(kind, outcome), 'http://127.0.0.1/x')
    assert (made and made.target()) == (path and f'{path}?rid={RID}')


def test_a_run_that_was_never_sent_is_no_ping():
    assert ping.ping_of(event('ended', 'missed', attempt=0), 'http://127.0.0.1/x') is None


def test_only_the_first_attempt_is_a_start_and_an_error_is_told(pings, server):
    send(pings, server.url, 'sent', None, attempt=2)
    send(pings, server.url, 'ended', 'failed', error='LookupError: no such tõwn')
    assert server.heard == [(f'/fail?rid={RID}', 'LookupError: no such tõwn')]


def test_a_slug_names_application_and_job(make_stage, server):
    settings = Settings(options=check({'ping': f'{server.url}/KEY/{{slug}}'}))
    stage = make_stage(settings=settings)
    stage.start()
    stage.pass_by(1)
    stage.answer()
    stage.service.telling.stop(10)
    assert [path.partition('?')[0] for path, _ in server.heard] == [
        '/KEY/shop-tidy/start', '/KEY/shop-tidy']


# -- what is not ------------------------------------------------------------------


def test_a_redirect_is_not_followed(pings, server, caplog):
    first = Server(302, [('Location', f'{server.url}/inside')])
    send(pings, f'{first.url}/secret')
    first.close()
    assert len(first.heard) == 1
    assert server.heard == []
    assert [record.message for record in caplog.records] == [
        f'a ping to {first.url[7:]} did not arrive: status 302']
    assert 'secret' not in caplog.text


def test_no_proxy_of_the_environment_is_used(pings, server, monkeypatch):
    proxy = Server()
    for name in ('http_proxy', 'HTTP_PROXY', 'all_proxy'):
        monkeypatch.setenv(name, proxy.url)
    send(pings, server.url)
    proxy.close()
    assert (len(server.heard), proxy.heard) == (1, [])


@contextmanager
def silent_server(drip=False):
    """One that accepts, and answers nothing, or a byte now and then."""
    listening = socket.create_server(('127.0.0.1', 0))
    ended = threading.Event()

    def serve():
        while not ended.is_set():
            try:
                connection, _ = listening.accept()
            except OSError:
                return
            accepted.append(connection)
            while drip and not ended.wait(0.02):
                try:
                    connection.sendall(b'H')
                except OSError:
                    break

    accepted = []
    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    yield f'http://127.0.0.1:{listening.getsockname()[1]}/x'
    ended.set()
    listening.shutdown(socket.SHUT_RDWR)
    thread.join(10)
    for each in (listening, *accepted):
        each.close()


@pytest.mark.parametrize('drip', [False, True])
def test_a_server_that_does_not_answer_is_waited_for_so_long(monkeypatch, pings, caplog, drip):
    monkeypatch.setattr(ping, 'PATIENCE', 0.2)
    with silent_server(drip) as url:
        begun = time.monotonic()
        send(pings, url)
    assert time.monotonic() - begun < 5
    assert 'did not arrive' in caplog.text


def test_no_run_waits_for_it(make_stage):
    with silent_server() as url:
        stage = make_stage(ping=url)
        stage.start()
        begun = time.monotonic()
        for _ in range(5):
            stage.pass_by(60)
            stage.answer()
        assert time.monotonic() - begun < ping.PATIENCE
        stage.service.telling.pause()
        assert stage.service.telling._pings._waiting


def test_what_is_too_much_is_dropped_the_oldest_first_and_said(pings, caplog, monkeypatch):
    monkeypatch.setattr(ping, 'MOST_WAITING', 3)
    many = ping.Pings()
    many.pause()
    for number in range(1, 6):
        many.tell(event('ended', 'failed', error=str(number)), 'http://127.0.0.1:1/x')
    assert [each.body for each in many._waiting] == ['3', '4', '5']
    many.resume()
    many.flush(10)
    many.pause()
    assert caplog.text.count('did not arrive') == 1   # now and then
    assert '2 were dropped as too many wait' in caplog.text


# -- its thread -------------------------------------------------------------------


def test_its_thread_is_there_while_there_is_something_to_send(pings, server):
    send(pings, server.url)
    for _ in range(500):
        if 'cronsched-ping' not in thread_names():
            break
        time.sleep(0.01)
    assert 'cronsched-ping' not in thread_names()
    send(pings, server.url)
    assert len(server.heard) == 2


def test_a_pause_ends_it_in_the_middle_and_what_was_sent_is_sent_again(pings):
    with silent_server() as url:
        pings.tell(event(), url)
        while pings._connection is None or pings._connection.sock is None:
            time.sleep(0.005)
        begun = time.monotonic()
        pings.pause()
        assert time.monotonic() - begun < ping.PATIENCE
        assert 'cronsched-ping' not in thread_names()
        assert len(pings._waiting) == 1
    pings._waiting.clear()


def test_what_is_flushed_was_sent_and_not_only_taken(pings, monkeypatch):
    taken, may_end = threading.Event(), threading.Event()

    def send_slowly(ping):
        taken.set()
        may_end.wait(10)

    monkeypatch.setattr(pings, '_send', send_slowly)
    pings.tell(event(), 'http://127.0.0.1:1/x')
    assert taken.wait(10)
    began = time.monotonic()
    pings.flush(0.1)
    assert time.monotonic() - began >= 0.1
    may_end.set()
    pings.flush(10)
    assert time.monotonic() - began < 5


def test_a_fork_meets_no_thread_of_it(tmp_path):
    assert run_python(f"""
        import logging, os, sys
        logging.disable()   # what is sent again finds nobody
        os.environ['XDG_STATE_HOME'] = os.environ['XDG_RUNTIME_DIR'] = '{tmp_path}'
        from cronsched.jobs.settings import Settings
        from cronsched.scheduler import process
        from cronsched.telemetry.ping import Pings
        sys.path.append('telemetry')
        from test_ping import event, silent_server
        service = process.service(Settings())
        pings = service.telling._pings = Pings()
        with silent_server() as url:
            pings.tell(event(), url)
            while pings._connection is None:
                pass
            if os.fork() == 0:
                os._exit(0)
            os.wait()
            pings._waiting.clear()
        process.stop()
        print('done')
    """) == 'done\n'


# -- where it goes ----------------------------------------------------------------


@pytest.mark.parametrize(
    ('value', 'message'),
    [
        (3, "ping=3: write a URL like 'https://hc-ping.com/KEY/{slug}', or None for none"),
        ('hc-ping.com/x', 'it does not begin with http://, https:// or http+unix://'),
        ('http+unix://%2Frun%2Fx/', 'it does not begin with http:// or https://'),
        ('https://me:you@hc-ping.com/x', 'it has a user or a password'),
        ('https://{slug}.example/x', 'its host is to be written'),
        ('https://hc-ping.com/x?rid=1', 'it has a query or a fragment'),
        ('https://hc-ping.com/../x', 'its path contains . or ..'),
        ('https://hc-ping.com/{job}', 'it contains a character that is not allowed in a URL'),
    ],
)
def test_what_is_no_address_is_an_error_at_once(value, message):
    assert message in error_of(lambda: check({'ping': value}))


@pytest.mark.parametrize(
    ('written', 'message'),
    [
        ({'ping': 'https://hc-ping.com/x'}, 'cronjobs.ping=.*all jobs would share one check'),
        ({'monitor': {'slug': 'x'}}, 'cronjobs.monitor: .*all jobs would share one monitor'),
        ({'monitor': {'checkin_margn': 5}}, "no 'checkin_margn': did you mean 'checkin_margin'"),
        ({'monitor': {'max_runtime': 0}}, 'max_runtime=0: write a whole number, 1 to 40320'),
        ({'monitor': {'owner': 'me'}}, "owner='me': write 'team:NAME' or 'user:ID'"),
        ({'monitor': 'yes'}, "monitor='yes': write True, False or a dict"),
        ({'pings': None}, 'no such setting: cronjobs.pings; did you mean cronjobs.ping'),
    ],
)
def test_a_setting_that_cannot_be_meant_is_an_error_at_once(written, message):
    assert re.search(message, error_of(lambda: Settings.read(SimpleNamespace(**written))))
