"""Whoever is not the scheduler starts nothing, and learns nothing.

Genuine requests are bent at random, with a fixed seed, and sent to the real
application: most through WSGI, some over HTTP. A request that was executed
once is replayed, with its attempt raised too.
"""

from __future__ import annotations

import io
import random
import socket
import time
from collections import Counter
from posixpath import normpath
from urllib.parse import quote

import pytest
from servers import served

from cronsched._cronsched import sign_headers
from cronsched.morepath import CronApp
from cronsched.morepath.directives import find_job

FORGERIES = 10_000
NAMES = ('one', 'two')
HEADERS = (
    'webhook-id', 'webhook-timestamp', 'webhook-signature', 'cronsched-scheduled',
    'cronsched-attempt',
)
METHODS = ('GET', 'HEAD', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'TRACE', 'post', 'XYZZY')


@pytest.fixture
def app():
    class App(CronApp):
        application_id = 'soak'
        runs = []  # noqa: RUF012

    App.setting(section='cronjobs', name='enabled')(lambda: False)
    for name in NAMES:
        App.cronjob('* * * * * *', timezone='UTC', name=name, retries=2, timeout=300)(
            lambda request: App.runs.append(request.cron_run)
        )
    App.commit()
    return App()


def genuine(app, name='one', **changed):
    """Method, path and headers, as the scheduler would send them."""
    job = app.config.cronjob_registry.cronjobs[name]
    job.app = app
    given = {'application_id': 'soak', 'name': name, 'scheduled': 1_792_000_000,
             'key': app.cronjob_site.key('soak'), 'now': int(time.time()), 'attempt': 1} | changed
    headers = sign_headers(
        given['application_id'], given['name'], given['scheduled'], key=given['key'],
        now=given['now'], attempt=given['attempt'],
    )
    return 'POST', f'/cronjobs/{quote(job.id)}', {k.lower(): v for k, v in headers.items()}


def ask(app, method, path, headers):
    """Status and body, through WSGI."""
    said = []
    environ = {
        'REQUEST_METHOD': method, 'SCRIPT_NAME': '', 'PATH_INFO': path.encode().decode('latin-1'),
        'QUERY_STRING': '', 'SERVER_NAME': 'localhost', 'SERVER_PORT': '80',
        'SERVER_PROTOCOL': 'HTTP/1.1', 'wsgi.version': (1, 0), 'wsgi.url_scheme': 'http',
        'wsgi.input': io.BytesIO(), 'wsgi.errors': io.StringIO(), 'CONTENT_LENGTH': '0',
        'wsgi.multithread': True, 'wsgi.multiprocess': True, 'wsgi.run_once': False,
    }
    for name, value in headers.items():
        environ['HTTP_' + name.upper().replace('-', '_')] = value
    body = app(environ, lambda status, headers, exc_info=None: said.append(int(status[:3])))
    return said[0], b''.join(body)


# -- forgeries: each bends one genuine request --------------------------------------


def bend(text, chance):
    """A text that is not the same any more."""
    at = chance.randrange(len(text) or 1)
    piece = chance.choice('\0 aZ09+/=.,-_:;%\xe9\xff\t\n')
    bent = chance.choice([
        text[:at] + piece + text[at + 1:], text[:at] + piece + text[at:],
        text[:at] + text[at + 1:], text[:at], text + piece, piece + text, text.swapcase(),
        text + text, '', text[::-1], text.replace(text[at:at + 1], piece),
    ])
    return bent if bent != text else bent + 'x'


def forge_header(app, chance):
    method, path, headers = genuine(app)
    name = chance.choice([each for each in HEADERS if each != 'cronsched-attempt'])
    return method, path, headers | {name: bend(headers[name], chance)}


def forge_signature(app, chance):
    method, path, headers = genuine(app, key=chance.randbytes(32))
    if chance.random() < 0.5:
        others = [genuine(app, key=chance.randbytes(32))[2]['webhook-signature'] for _ in range(9)]
        headers['webhook-signature'] = ' '.join(others[:chance.randint(1, 9)])
    return method, path, headers


def forge_absence(app, chance):
    method, path, headers = genuine(app)
    for name in chance.sample(HEADERS, chance.randint(1, len(HEADERS))):
        del headers[name]
    return method, path, headers


def forge_time(app, chance):
    # 300 s are allowed; the test itself takes a while.
    distance = chance.choice([301, 400, 3_600, 86_400, 10**9])
    ahead = chance.choice([-distance, distance + 120])
    return genuine(app, now=max(int(time.time()) + ahead, 1))


def forge_another(app, chance):
    """Good for another job, application id or time."""
    method, path, headers = genuine(app)
    other = genuine(app, **chance.choice([
        {'name': 'two'}, {'application_id': 'soak2', 'key': app.cronjob_site.key('soak2')},
        {'scheduled': 1_792_000_000 + chance.randint(1, 10**6)},
    ]))
    if other[1] != path or other[2]['cronsched-scheduled'] == headers['cronsched-scheduled']:
        return method, path, other[2]
    keep = chance.choice(['cronsched-scheduled', 'webhook-id', 'webhook-signature'])
    return method, path, other[2] | {keep: headers[keep]}


def forge_path(app, chance):
    method, path, headers = genuine(app)
    head, tail = '/cronjobs/', path[len('/cronjobs/'):]
    return method, head + bend(tail, chance), headers


def forge_method(app, chance):
    _, path, headers = genuine(app)
    return chance.choice(METHODS), path, headers


def forge_number(app, chance):
    method, path, headers = genuine(app)
    name = chance.choice(['webhook-timestamp', 'cronsched-attempt'])
    value = headers[name]
    headers[name] = chance.choice([
        f' {value}', f'{value} ', f'0{value}', f'+{value}', f'-{value}', f'{value}.0',
        f'{value}e0', f'{value}_0', '\u0661'.encode().decode('latin-1'), 'nan', 'inf', '0',
        '9' * 400, '1' + '0' * 30, f'{value}\n', f'{value},{value}', hex(int(value)),
    ])
    return method, path, headers


FORGERS = (
    forge_header, forge_signature, forge_absence, forge_time, forge_another, forge_path,
    forge_method, forge_number,
)


def forgeries(app, seed):
    chance = random.Random(seed)
    while True:
        forger = chance.choice(FORGERS)
        forged = forger(app, chance)
        # A path that still means the job is not a forgery: routing drops a newline
        # and empty segments.
        id = normpath(forged[1].rstrip('\n')).rpartition('/')[2]
        if forger is not forge_path or find_job(app, id) is None:
            yield forger.__name__, forged


# -- and what becomes of them ---------------------------------------------------------


def test_no_forged_request_runs_anything(app, caplog):
    caplog.set_level('CRITICAL', 'cronsched')   # ten thousand warnings
    answers, source = Counter(), forgeries(app, seed=6)
    for _ in range(FORGERIES):
        forger, forged = next(source)
        status, body = ask(app, *forged)
        answers[forger, status] += 1
        assert status in (401, 404, 405), (forger, forged, body)
        assert len(body) < 300, body
        assert type(app).runs == [], (forger, forged)
        for secret in ('cron', 'sign', 'soak', 'expired', 'webhook'):
            # The path, which the caller knows, is all a 404 may say.
            assert secret not in body.decode().replace(forged[1], '').lower(), (forger, body)
    print(f'\n{dict(answers)}')
    assert {forger for forger, _ in answers} == {each.__name__ for each in FORGERS}
    assert app.cronjob_site.ledger.history() == []
    assert ask(app, *genuine(app))[0] == 200   # or nothing was shown
    assert len(type(app).runs) == 1


def test_no_forged_request_runs_anything_over_http(app, caplog):
    caplog.set_level('CRITICAL', 'cronsched')
    source = forgeries(app, seed=7)
    with served(app) as url:
        for _ in range(500):
            forger, (method, path, headers) = next(source)
            if any(value.split() != [value] for value in headers.values()):
                continue   # HTTP does not carry blanks around a value
            status = send(url, method, path, headers)
            # 400: the web server would not even read it.
            assert status in (400, 401, 404, 405, 501), (forger, method, path, headers)
        assert type(app).runs == []
        assert send(url, *genuine(app)) == 200


def send(url, method, path, headers):
    head = f'{method} {quote(path, safe="/%")} HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n'
    head += ''.join(f'{name}: {value}\r\n' for name, value in headers.items())
    host, port = url.removeprefix('http://').split(':')
    with socket.create_connection((host, int(port)), 10) as connection:
        connection.sendall(head.encode('latin-1') + b'Connection: close\r\n\r\n')
        answer = b''
        while piece := connection.recv(65536):
            answer += piece
    return int(answer.split()[1])


def test_a_replay_is_answered_and_runs_nothing(app):
    captured = genuine(app)
    assert ask(app, *captured)[0] == 200
    for _ in range(100):
        assert ask(app, *captured)[0] == 200
    assert len(type(app).runs) == 1


@pytest.mark.parametrize('fails', [False, True])
def test_an_attempt_that_somebody_raised_runs_nothing(app, fails):
    """Of a run that was well, or that failed and has retries left."""
    job = app.config.cronjob_registry.cronjobs['one']
    runs = type(app).runs

    def fail(request):
        runs.append(request.cron_run)
        raise LookupError

    if fails:
        job.function = fail
    method, path, headers = genuine(app)
    if fails:
        with pytest.raises(LookupError):
            ask(app, method, path, headers)
    else:
        ask(app, method, path, headers)
    for attempt in ('2', '3', '4', '99', '65535'):
        status, body = ask(app, method, path, headers | {'cronsched-attempt': attempt})
        assert (status, body) == (401, b'')   # each attempt is signed for itself
    assert len(runs) == 1


def test_two_captured_attempts_in_the_wrong_order_run_once(app):
    first, second = genuine(app), genuine(app, attempt=2, now=int(time.time()) + 1)
    assert ask(app, *second)[0] == 200
    assert ask(app, *first)[0] == 200
    assert len(type(app).runs) == 1
