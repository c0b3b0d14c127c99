"""A knock is answered by whoever serves, and by nobody else; what stands in the
way is one line that names what to write."""

from __future__ import annotations

import logging
import os
import re
import socket
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace
from urllib.parse import quote

import pytest
from pages import ROOT, blocks_of
from processes import run_python
from servers import wait_for

from cronsched._cronsched import Knock, Schedule, Scheduler
from cronsched.base.keys import derive_key
from cronsched.errors import CronError
from cronsched.scheduler import process, uwsgi
from cronsched.web import facts, knock, start
from cronsched.web.address import address_of, header_lines, name_headers, paths
from cronsched.web.cron import Cron
from cronsched.web.diagnosis import WORDS, diagnose, words
from cronsched.web.knocking import is_proof, proof, sign_knock, verify_knock
from cronsched.web.signing import Refused

KEY, OTHER = bytes(range(32)), bytes(32)
URL = 'http://127.0.0.1:8000/cronjobs/-'


@pytest.fixture
def by_default(monkeypatch: pytest.MonkeyPatch) -> None:
    """As for a user, whose tests are to start nothing."""
    monkeypatch.delenv('CRONSCHED_ENABLED')


@pytest.fixture
def cron() -> Iterator[Cron]:
    made = Cron('shop', timezone='UTC')
    made.job('0 0 1 1 *')(lambda: None)
    yield made
    made.stop()


def headers_for(cron: Cron, url: str = URL, **more: str) -> dict[str, str]:
    key = cron.site.key('shop')
    assert key is not None
    return {**sign_knock(key, url, time.time()), 'Cronsched-Application': 'shop', **more}


# -- the text of a knock -------------------------------------------------------


def test_what_was_signed_is_verified_and_answered_by_a_proof():
    headers = sign_knock(KEY, URL, 1000.5)
    asked = verify_knock(headers, [OTHER, KEY], 1100)
    assert asked.url == URL
    assert is_proof(KEY, headers['webhook-id'], proof(asked))
    assert not is_proof(OTHER, headers['webhook-id'], proof(asked))
    assert not is_proof(KEY, 'knock_' + '0' * 32, proof(asked))


@pytest.mark.parametrize('change', [
    {'webhook-id': 'run_' + '0' * 32}, {'webhook-id': 'knock_' + '0' * 32},
    {'webhook-timestamp': '1001'}, {'webhook-timestamp': '01000'},
    {'Cronsched-Address': 'http://evil/cronjobs/-'}, {'Cronsched-Address': 'x' * 700},
    {'webhook-signature': ''}, {'webhook-signature': 'v1,ä'},
])
def test_what_was_changed_is_refused(change):
    with pytest.raises(Refused):
        verify_knock({**sign_knock(KEY, URL, 1000), **change}, [KEY], 1000)


@pytest.mark.parametrize('now', [0, 99, 1901, float('nan')])
def test_an_old_knock_is_refused(now):
    with pytest.raises(Refused):
        verify_knock(sign_knock(KEY, URL, 1000), [KEY], now)


def test_python_and_the_core_sign_alike():
    with hearing() as (port, heard), knocking(KEY):
        head = wait_for(lambda: heard and heard[0])
    url = f'http://127.0.0.1:{port}/cronjobs/-'
    assert verify_knock(head, [KEY], time.time()).url == url


# -- the answer -----------------------------------------------------------------


def test_a_knock_starts_the_jobs_at_the_path_that_was_called(cron):
    with listening():
        headers = headers_for(cron, 'http://127.0.0.1:8000/shop/cronjobs/-')
        answered = knock.answer(cron, headers)
        assert answered.status == 204
        key = derive_key(cron.site.secrets[0], 'shop')
        assert is_proof(key, headers['webhook-id'], answered.headers['Cronsched-Knock'])
        assert start.is_started('shop')
        assert bound_of('shop').base_url == 'http://127.0.0.1:8000/shop'
        assert knock.answer(cron, headers_for(cron)).status == 204   # twice is harmless
        assert bound_of('shop').base_url == 'http://127.0.0.1:8000/shop'


def test_base_url_wins(cron):
    other = Cron('shop', timezone='UTC', base_url='http://127.0.0.1:9/x')
    knock.answer(other, headers_for(cron))
    assert bound_of('shop').base_url == 'http://127.0.0.1:9/x'
    other.stop()


@pytest.mark.parametrize(('change', 'outcome'), [
    ({'webhook-signature': 'v1,AAAA'}, 'refused'),
    ({'webhook-signature': 'v1,AAAA', 'Cronsched-Application': 'bakery'}, 'other'),
])
def test_who_cannot_sign_is_told_which_mistake_it_is(cron, change, outcome):
    answered = knock.answer(cron, headers_for(cron, **change))
    assert (answered.status, answered.headers) == (401, {'Cronsched-Outcome': outcome})
    assert not start.is_started('shop')


def test_a_stranger_learns_nothing(cron):
    with pytest.raises(Refused):
        knock.answer(cron, {})


def test_in_a_test_nothing_starts_and_the_knock_is_answered(by_default, cron):
    answered = knock.answer(cron, headers_for(cron))
    assert answered.headers['Cronsched-Outcome'] == 'off'
    assert not start.is_started('shop')
    assert process._service is None


# -- armed ------------------------------------------------------------------------


def test_an_armed_process_has_one_native_thread_and_nothing_else(tmp_path):
    """No Python thread, no connection to a ledger, no lock."""
    says = run_python('''
        import os, threading, time, waitress.server
        from pathlib import Path
        from processes import thread_names
        from cronsched import Cron
        Cron('shop', timezone='UTC').wsgi(lambda environ, start_response: [])
        time.sleep(0.6)
        print(threading.active_count(), thread_names().count('cronsched'))
        names = [os.readlink(each) for each in Path('/proc/self/fd').iterdir() if each.exists()]
        print([name for name in names if 'cronsched' in name])
    ''')
    assert says == '1 1\n[]\n'


def test_nothing_is_armed_in_a_test(by_default, cron):
    cron.wsgi(lambda environ, start_response: [])
    assert 'shop' not in knock._knocks.hosts


def test_a_fork_stops_the_knock_and_both_sides_go_on():
    says = run_python('''
        import os, sys, time, waitress.server
        from processes import thread_names
        from cronsched import Cron

        def has_knock():
            end = time.monotonic() + 5
            while 'cronsched' not in thread_names() and time.monotonic() < end:
                time.sleep(0.01)
            return 'cronsched' in thread_names()

        Cron('shop', timezone='UTC').wsgi(lambda environ, start_response: [])
        assert has_knock()
        began = time.monotonic()
        pid = os.fork()
        if pid == 0:
            os._exit(0 if has_knock() else 1)
        print(time.monotonic() - began < 10, os.waitpid(pid, 0)[1], has_knock())
    ''')
    assert says == 'True 0 True\n'


def test_uwsgi_arms_in_its_workers(monkeypatch, cron):
    called = []
    fake = SimpleNamespace(
        worker_id=lambda: 0, opt={b'http-socket': b':0'}, post_fork_hook=lambda: called.append(1),
    )
    monkeypatch.setitem(sys.modules, 'uwsgi', fake)
    cron.wsgi(lambda environ, start_response: [])
    assert 'shop' not in knock._knocks.hosts
    fake.worker_id = lambda: 1
    fake.post_fork_hook()
    assert called == [1]
    assert 'shop' in knock._knocks.hosts


def test_uwsgi_without_threads_is_one_error(monkeypatch, cron, caplog):
    fake = SimpleNamespace(worker_id=lambda: 1, opt={}, has_threads=0)
    monkeypatch.setitem(sys.modules, 'uwsgi', fake)
    cron.wsgi(lambda environ, start_response: [])
    assert 'enable-threads = true' in caplog.text


# -- what this process is -----------------------------------------------------------


def test_why_nothing_starts(by_default, monkeypatch):
    assert facts.reason_not_to_start(True) == ''
    assert 'enabled=False' in facts.reason_not_to_start(False)
    assert 'pytest' in facts.reason_not_to_start('auto')
    monkeypatch.delitem(sys.modules, 'pytest')
    assert 'no socket' in facts.reason_not_to_start('auto')
    assert facts.reason_not_to_start('auto', serving=False) == ''
    with listening():
        assert facts.reason_not_to_start('auto') == ''
        monkeypatch.setattr(sys, 'ps1', '>>> ', raising=False)
        assert 'interactive' in facts.reason_not_to_start('auto')
        monkeypatch.delattr(sys, 'ps1')
        state = SimpleNamespace(_TestState=SimpleNamespace(saved_data=1))
        monkeypatch.setitem(sys.modules, 'django.test.utils', state)
        assert "Django's tests" in facts.reason_not_to_start('auto')


def test_nothing_starts_under_unittest(tmp_path):
    (tmp_path / 'test_it.py').write_text('''
import unittest
from cronsched.web import facts

class It(unittest.TestCase):
    def test(self):
        self.assertIn('unittest', facts.reason_not_to_start('auto'))
''')
    import subprocess

    environment = {**os.environ}
    environment.pop('CRONSCHED_ENABLED')
    subprocess.run(
        [sys.executable, '-m', 'unittest', 'test_it'], cwd=tmp_path, env=environment, check=True,
        capture_output=True,
    )


def test_only_servers_that_speak_http_are_knocked_at(monkeypatch):
    for module in facts.SERVERS:
        monkeypatch.delitem(sys.modules, module, raising=False)
    for module in ('uwsgi', 'mod_wsgi', 'werkzeug.serving'):
        monkeypatch.delitem(sys.modules, module, raising=False)
    assert facts.server() is None
    monkeypatch.setitem(sys.modules, 'werkzeug.serving', SimpleNamespace())
    assert facts.server() is None   # Flask imports it everywhere
    monkeypatch.setenv('WERKZEUG_SERVER_FD', '3')
    assert facts.server() == 'werkzeug'
    monkeypatch.setitem(sys.modules, 'gunicorn.arbiter', SimpleNamespace())
    assert facts.server() == 'gunicorn'
    monkeypatch.setitem(sys.modules, 'mod_wsgi', SimpleNamespace())
    assert facts.server() is None
    monkeypatch.setitem(sys.modules, 'uwsgi', SimpleNamespace(opt={'socket': b':3031'}))
    assert facts.server() is None
    assert uwsgi.addresses() == []
    monkeypatch.setitem(sys.modules, 'uwsgi', SimpleNamespace(opt={'http': b':8000'}))
    assert facts.server() == 'uWSGI'


@pytest.mark.parametrize(('options', 'expected'), [
    ({b'http-socket': b'127.0.0.1:8000'}, ['http://127.0.0.1:8000']),
    ({'http': b':8000'}, ['http://127.0.0.1:8000']),
    ({'http': [b'0.0.0.0:80', b'[::1]:81']}, ['http://127.0.0.1:80', 'http://[::1]:81']),
    ({'http-socket': b'/run/a b.sock'}, ['http+unix://%2Frun%2Fa%20b.sock']),
    ({'https': b':8443,cert.pem,key.pem'}, ['http://127.0.0.1:8443']),
    ({'http-socket': b':0', 'http': b'=0', 'socket': b':3031'}, []),
])
def test_where_uwsgi_speaks_http(monkeypatch, options, expected):
    monkeypatch.setitem(sys.modules, 'uwsgi', SimpleNamespace(opt=options))
    assert uwsgi.addresses() == expected


# -- address and name ----------------------------------------------------------------


@pytest.mark.parametrize(('environ', 'public', 'expected'), [
    ({}, None, ['/cronjobs/-']),
    ({'SCRIPT_NAME': '/shop'}, None, ['/shop/cronjobs/-', '/cronjobs/-']),
    ({'SCRIPT_NAME': '/shop'}, 'https://x/town/', [
        '/shop/cronjobs/-', '/cronjobs/-', '/town/cronjobs/-']),
    ({'SCRIPT_NAME': 'shop'}, None, ['/cronjobs/-']),
    ({'SCRIPT_NAME': '/a b\r\n'}, None, ['/a%20b%0D%0A/cronjobs/-', '/cronjobs/-']),
])
def test_where_a_path_may_be(environ, public, expected):
    assert paths('/cronjobs/-', environ, public) == expected


def test_address_and_name_are_two_things():
    assert address_of('http://h:1/shop/cronjobs/-', '/cronjobs/-') == 'http://h:1/shop'
    assert address_of('ftp://x/cronjobs/-', '/cronjobs/-') is None
    assert address_of('http://x/other/-', '/cronjobs/-') is None
    assert name_headers('https://shop.example/x') == {
        'Host': 'shop.example', 'X-Forwarded-Proto': 'https'}
    assert name_headers(None) == {}


def test_the_name_goes_with_each_request():
    native = Scheduler(manual=1_000_000_000)
    app = native.open('shop', KEY, ['Host: shop.example', 'X-Forwarded-Proto: https'])
    job = native.define('tick', Schedule('* * * * *'))
    native.add(app, job, 'http://127.0.0.1:8000/cronjobs/tick', offset=0)
    native.advance(60)
    delivery = native.take()
    assert delivery is not None
    assert delivery.headers['Host'] == 'shop.example'
    assert delivery.headers['X-Forwarded-Proto'] == 'https'
    assert native.open('shop', KEY, ['Host: other.example']) == app   # the first ones count


@pytest.mark.parametrize('lines', [['no header'], ['A: b\r\nC: d'], ['A: b'] * 9])
def test_what_is_no_header_is_an_error(lines):
    with pytest.raises(CronError):
        Scheduler(manual=1_000_000_000).open('shop', KEY, lines)


def test_a_header_that_would_be_two_is_an_error():
    assert header_lines({'Host': 'x', 'Y': ''}) == ['Host: x']
    with pytest.raises(CronError):
        header_lines({'Host': 'x\r\nY: z'})


# -- diagnoses -------------------------------------------------------------------------


ANSWERS = {
    'redirect': (301, {'Location': 'https://shop.example/cronjobs/-'}),
    'login': (302, {'Location': '/accounts/login/?next=/cronjobs/-'}),
    'host': (400, {}),
    'refused': (403, {}),
    'not_found': (404, {}),
    'method': (405, {}),
    'error': (500, {}),
    'elsewhere': (200, {}),
    'secret': (401, {'Cronsched-Outcome': 'refused'}),
    'application': (401, {'Cronsched-Outcome': 'other'}),
}


@pytest.mark.parametrize('kind', ANSWERS)
def test_what_stands_in_the_way_is_said_with_what_to_write(kind, cron, caplog):
    status, headers = ANSWERS[kind]
    with hearing(status, headers) as (port, _):
        cron.wsgi(lambda environ, start_response: [])
        line = wait_for(lambda: [
            each for each in caplog.records if each.levelno == logging.ERROR])[0].getMessage()
    assert line.startswith('shop ')
    assert f'at http://127.0.0.1:{port}/cronjobs/-: {WORDS[kind][1]}' in line
    if kind == 'redirect':
        assert 'https://shop.example' in line


def test_the_words_of_the_framework_come_first(cron, caplog, monkeypatch):
    monkeypatch.setattr(cron, 'told', lambda found: f'set SETTING ({found.kind})', raising=False)
    with hearing(403, {}):
        cron.wsgi(lambda environ, start_response: [])
        wait_for(lambda: 'set SETTING (refused)' in caplog.text)


def test_a_socket_that_speaks_no_http_is_left_alone(cron, caplog):
    with closing() as port:
        cron.wsgi(lambda environ, start_response: [])
        wait_for(lambda: f'http://127.0.0.1:{port}/cronjobs/-: write base_url' in caplog.text)


def test_no_worker_was_free(cron, caplog):
    with listening() as port:
        cron.wsgi(lambda environ, start_response: [])
        wait_for(lambda: f'no worker was free, at http://127.0.0.1:{port}' in caplog.text)


def test_no_answer_of_any_kind_breaks_a_line_of_the_log():
    found = diagnose('refused', URL, 302, 'https://x\x1b]0;evil\x07/\r\nERROR', '\x1b[0m')
    assert words(found, 'shop').isprintable()
    assert words(diagnose('refused', URL, 301, 'https://[x'), 'shop').isprintable()


# -- what is said at start ------------------------------------------------------------------


def test_the_owner_says_one_line(cron, caplog):
    caplog.set_level(logging.INFO, 'cronsched')
    cron.job('0 12 * * *', name='report')(lambda: None)
    knock.answer(cron, headers_for(cron))
    page, = blocks_of(ROOT / 'docs' / 'servers.md', 'by tests/web/test_knock.py')
    line = re.escape(page.text.strip()).replace('3', '2').replace('cleanup', 'report')
    line = re.sub(r'\d\d:\d\d:\d\d', r'(\\w{3} \\d\\d \\w{3} )?\\d\\d:\\d\\d:\\d\\d', line)
    wait_for(lambda: re.search(line, caplog.text))
    assert 'cronjob thread' not in caplog.text


# -- help ---------------------------------------------------------------------------------


def bound_of(application_id: str):
    return start._started[application_id]


@contextmanager
def listening() -> Iterator[int]:
    """A port of this process where nobody accepts."""
    with socket.create_server(('127.0.0.1', 0)) as server:
        yield server.getsockname()[1]


@contextmanager
def closing() -> Iterator[int]:
    """A port whose connections are closed without a byte."""
    with socket.create_server(('127.0.0.1', 0)) as server:
        def serve() -> None:
            while True:
                try:
                    server.accept()[0].close()
                except OSError:
                    return

        threading.Thread(target=serve, daemon=True).start()
        yield server.getsockname()[1]
        server.shutdown(socket.SHUT_RDWR)


@contextmanager
def hearing(
    status: int = 500, headers: dict[str, str] | None = None
) -> Iterator[tuple[int, list[dict[str, str]]]]:
    """A server of this process that answers all alike, and what it heard."""
    heard: list[dict[str, str]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            heard.append(dict(self.headers))
            self.send_response(status)
            for name, value in (headers or {}).items():
                self.send_header(name, value)
            self.send_header('Content-Length', '0')
            self.end_headers()

        def log_message(self, *args: object) -> None:
            pass

    with ThreadingHTTPServer(('127.0.0.1', 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield server.server_port, heard
        finally:
            server.shutdown()
            thread.join()


@contextmanager
def knocking(key: bytes) -> Iterator[Knock]:
    made = Knock(lambda: None)
    made.permit(True)
    made.arm('shop', key, '/nowhere', ['/cronjobs/-'], [f'X: {quote("ä")}'])
    made.start()
    try:
        yield made
    finally:
        assert made.stop()
