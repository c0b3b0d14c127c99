"""Who gets in, who may act, and what only looks like it."""

from __future__ import annotations

import logging
from base64 import b64encode
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

import pytest
from scene import HOSTILE

from cronsched import Cron
from cronsched.base import clock
from cronsched.dashboard import BasicAuth, Dashboard, Request, Response, Rights
from cronsched.dashboard.rights import rights_of
from cronsched.errors import ConfigurationError
from cronsched.ledger import Declared, Ledger, Plan

NOW = 1_790_000_000.0
HOST = 'shop.example'
FORM = 'application/x-www-form-urlencoded'
SAME = {'host': HOST, 'content-type': FORM, 'sec-fetch-site': 'same-origin'}
JOB = {'application': 'shop', 'job': HOSTILE}

#: What no page of another origin can keep a browser from sending, or leaves out.
FORGED: Mapping[str, dict[str, str]] = {
    'another site': {'sec-fetch-site': 'cross-site'},
    'another host of the site': {'sec-fetch-site': 'same-site'},
    'typed': {'sec-fetch-site': 'none'},
    'another site that names us': {
        'sec-fetch-site': 'cross-site', 'origin': f'https://{HOST}'},
    'another origin': {'origin': 'https://evil.example'},
    'an origin that begins like ours': {'origin': f'https://{HOST}.evil.example'},
    'an origin with our name as its user': {'origin': f'https://{HOST}@evil.example'},
    'another port': {'origin': f'https://{HOST}:8443'},
    'no origin': {'origin': 'null'},
    'a broken origin': {'origin': 'https://[::1'},
    'nothing said': {},
}


@pytest.fixture
def known(ledger: Ledger) -> Ledger:
    for application_id in ('shop', 'wiki'):
        ledger.seen(application_id, 'http://localhost', {
            HOSTILE: Declared(Plan('0 3 * * *'))}, NOW - 100)
    return ledger


def post(
    ledger: Ledger, path: str, form: dict[str, str] | None = None, *,
    query: dict[str, str] = JOB, level: Any = 'operate', headers: dict[str, str] = SAME,
    method: str = 'POST', **options: Any,
) -> Response:
    body = urlencode(form or {}).encode()
    request = Request(method, path, urlencode(query), headers, body)
    with clock.in_place(lambda: NOW):
        rights = Rights(level, 'ann') if level else None
        return Dashboard(lambda: ledger, **options).respond(request, rights)


def is_untouched(ledger: Ledger) -> bool:
    return not ledger.pauses() and not ledger.take_requests(['shop', 'wiki'], NOW)


# -- what may be done

def test_a_run_is_asked_for(known: Ledger) -> None:
    answer = post(known, '/run-now')
    assert answer.status == 303
    place = dict(answer.headers)['Location']
    assert place.startswith('run?application=shop&job=%3Cscript%3E')
    assert place.endswith(f'&at={int(NOW)}&asked=1')
    for later, told in ((5, 'takes it in a moment'), (900, 'nothing calls the jobs now')):
        with clock.in_place(lambda later=later: NOW + later):
            page = Dashboard(lambda: known).respond(
                Request('GET', '/run', place.partition('?')[2]), Rights('read'))
        assert told in page.body.decode()
    assert [(run.application_id, run.job) for run in known.take_requests(['shop'], NOW)] == [
        ('shop', HOSTILE)]


@pytest.mark.parametrize(('scope', 'whom'), [('', 'shop'), ('all', None)])
def test_a_job_is_paused_and_resumed(known: Ledger, scope: str, whom: str | None) -> None:
    assert post(known, '/pause', {'scope': scope, 'note': HOSTILE}).status == 303
    pause, = known.pauses()
    assert (pause.application_id, pause.note, pause.by, pause.at) == (whom, HOSTILE, 'ann', NOW)
    assert post(known, '/resume', {'scope': scope}).status == 303
    assert known.pauses() == []


# -- what may not

@pytest.mark.parametrize('path', ['/run-now', '/pause', '/resume'])
@pytest.mark.parametrize(('level', 'options'), [
    (None, {}), ('read', {}), ('operate', {'operates': False})])
def test_who_has_no_right_does_nothing(
    known: Ledger, path: str, level: Any, options: dict[str, Any],
) -> None:
    assert post(known, path, level=level, **options).status == 403
    assert is_untouched(known)


@pytest.mark.parametrize('path', ['/run-now', '/pause', '/resume'])
@pytest.mark.parametrize('name', FORGED)
def test_a_page_of_another_origin_does_nothing(known: Ledger, path: str, name: str) -> None:
    answer = post(known, path, headers={'host': HOST, 'content-type': FORM, **FORGED[name]})
    assert answer.status == 403
    assert b'Nothing was done' in answer.body
    assert is_untouched(known)


@pytest.mark.parametrize('headers', [
    {'origin': f'https://{HOST}'}, {'origin': f'http://{HOST.upper()}'}])
def test_an_old_browser_is_believed_by_its_origin(
    known: Ledger, headers: dict[str, str],
) -> None:
    assert post(known, '/pause', headers={
        'host': HOST, 'content-type': FORM, **headers}).status == 303


@pytest.mark.parametrize('method', ['GET', 'HEAD', 'PUT', 'DELETE', 'OPTIONS', 'TRACE'])
def test_only_a_post_acts(known: Ledger, method: str) -> None:
    answer = post(known, '/run-now', method=method)
    assert answer.status == 405
    assert dict(answer.headers)['Allow'] == 'POST'
    assert is_untouched(known)


@pytest.mark.parametrize('kind', ['text/plain', 'application/json', 'multipart/form-data', ''])
def test_only_a_form_acts(known: Ledger, kind: str) -> None:
    assert post(known, '/pause', headers={**SAME, 'content-type': kind}).status == 415
    assert is_untouched(known)


@pytest.mark.parametrize(('query', 'status'), [
    ({}, 400), ({'job': HOSTILE}, 400), ({'application': 'shop', 'job': 'other'}, 404),
    ({'application': '', 'job': HOSTILE}, 404), ({'application': '../shop', 'job': HOSTILE}, 404),
])
def test_only_a_job_that_is_known_is_acted_on(
    known: Ledger, query: dict[str, str], status: int,
) -> None:
    for path in ('/run-now', '/pause', '/resume'):
        assert post(known, path, query=query).status == status
    assert is_untouched(known)


@pytest.mark.parametrize('path', ['/', '/job', '/machines', '/history.json'])
def test_a_page_is_not_posted_to(known: Ledger, path: str) -> None:
    answer = post(known, path)
    assert answer.status == 405
    assert dict(answer.headers)['Allow'] == 'GET, HEAD'


@pytest.mark.parametrize('path', ['/', '/jobs.json', '/history.csv', '/run-now', '/nothing'])
def test_nobody_sees_anything_without_a_right(known: Ledger, path: str) -> None:
    answer = Dashboard(lambda: known).respond(Request('GET', path), None)
    assert answer.status == 403
    assert b'script&gt;' not in answer.body
    assert b'<nav' not in answer.body


def test_who_reads_is_offered_no_action(known: Ledger) -> None:
    request = Request('GET', '/job', urlencode(JOB))
    page = Dashboard(lambda: known).respond(request, Rights('read')).body
    assert b'<form action="pause?' not in page
    page = Dashboard(lambda: known, operates=False).respond(request, Rights('operate')).body
    assert b'<form action="pause?' not in page
    page = Dashboard(lambda: known).respond(request, Rights('operate')).body
    assert b'<form action="pause?' in page


# -- what auth may answer

@pytest.mark.parametrize(('answer', 'expected'), [
    (None, None), ('read', Rights('read')), ('operate', Rights('operate')),
    (('read', 'ann'), Rights('read', 'ann')),
])
def test_an_answer_is_a_right(answer: object, expected: Rights | None) -> None:
    assert rights_of(answer) == expected


@pytest.mark.parametrize('answer', [
    True, False, 1, '', 'admin', 'READ', ('operate',), ('admin', 'ann'), ('read', None), [], {},
    b'read', (None, 'ann'), object(),
])
def test_what_is_no_right_lets_nobody_in_and_is_told(
    answer: object, caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.ERROR, 'cronsched'):
        assert rights_of(answer) is None
    assert "returns None, 'read' or 'operate'" in caplog.text


@pytest.mark.parametrize('given', [{}, {'auth': None}, {'auth': 'operate'}, {'auth': True}])
def test_a_dashboard_without_auth_is_an_error_that_says_what_to_write(
    given: dict[str, Any],
) -> None:
    with pytest.raises(ConfigurationError, match=r'write cron\.dashboard\(auth=\.\.\.\)'):
        Cron('shop').dashboard(**given)


# -- HTTP authentication

def basic(name: str, password: str) -> dict[str, str]:
    text = b64encode(f'{name}:{password}'.encode()).decode()
    return {'wsgi.version': (1, 0), 'HTTP_AUTHORIZATION': f'Basic {text}'}  # type: ignore[dict-item]


AUTH = BasicAuth({'ann': 'one:two', 'bob': 'zw\u00f6lf'}, operate=['ann'])


@pytest.mark.parametrize(('name', 'password', 'answer'), [
    ('ann', 'one:two', ('operate', 'ann')), ('bob', 'zw\u00f6lf', ('read', 'bob')),
    ('ann', 'one', None), ('ann', '', None), ('bob', 'one:two', None), ('eve', 'one:two', None),
    ('', '', None), ('ann', '\0', None), ('eve', '\0', None),
])
def test_a_name_with_its_password_gets_in(name: str, password: str, answer: object) -> None:
    assert AUTH(basic(name, password)) == answer


@pytest.mark.parametrize(
    'header', ['', 'Basic', 'Basic !!!', 'Bearer abc', 'Basic YW5u', 'x' * 999])
def test_what_is_no_password_gets_nobody_in(header: str) -> None:
    assert AUTH({'wsgi.version': (1, 0), 'HTTP_AUTHORIZATION': header}) is None


def test_it_is_asked_of_other_requests_too() -> None:
    header = basic('ann', 'one:two')['HTTP_AUTHORIZATION']
    scope = {'type': 'http', 'headers': [(b'authorization', header.encode())]}
    assert AUTH(scope) == ('operate', 'ann')
    assert AUTH({**scope, 'headers': scope['headers'] * 2}) is None

    class Native:
        headers = {'Authorization': header}  # noqa: RUF012

    assert AUTH(Native()) == ('operate', 'ann')


def test_a_browser_is_asked_for_the_password() -> None:
    answer = Dashboard(lambda: None).respond(Request('GET', '/'), None, AUTH.challenge)
    assert answer.status == 401
    assert dict(answer.headers)['WWW-Authenticate'].startswith('Basic ')


@pytest.mark.parametrize('make', [
    lambda: BasicAuth({}), lambda: BasicAuth({'ann': ''}),
    lambda: BasicAuth({'ann': 'x'}, operate=['eve']),
    lambda: BasicAuth({'ann': 'x'}, operate='ann'),
])
def test_passwords_that_protect_nothing_are_an_error(make: Any) -> None:
    with pytest.raises(ConfigurationError, match=r'BasicAuth|operate'):
        make()
