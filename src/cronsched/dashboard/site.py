"""All pages, and what is true of each of them: who may see it, by which method,
with which headers, and what an error looks like.

Example::

    dashboard = Dashboard(lambda: ledger, links={'Logs': 'https://logs/?q={run_id}'})
    dashboard.respond(Request('GET', '/jobs.json'), Rights('read'))
"""

from __future__ import annotations

import csv
import io
import json
import logging
from collections.abc import Callable, Mapping
from typing import Any, Final
from urllib.parse import quote

from cronsched._version import __version__
from cronsched.base import clock
from cronsched.dashboard import (
    day,
    files,
    history,
    job,
    jobs,
    load,
    machines,
    run,
    why,
)
from cronsched.dashboard.actions import ACTIONS
from cronsched.dashboard.messages import NotThere, Request, Response, Unreadable
from cronsched.dashboard.rights import Rights, foreign
from cronsched.dashboard.view import Page, View
from cronsched.ledger import Ledger, LedgerError

__all__ = ['Dashboard']

log = logging.getLogger('cronsched')

PAGES: Final[Mapping[str, Callable[[View], Page]]] = {
    '/': jobs.page, '/jobs': jobs.page, '/job': job.page, '/run': run.page, '/day': day.page,
    '/load': load.page, '/history': history.page, '/why': why.page, '/machines': machines.page,
}

POLICY: Final = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
SECURITY: Final = (
    ('Content-Security-Policy', POLICY),
    ('Cache-Control', 'no-store'),
    ('X-Content-Type-Options', 'nosniff'),
    ('X-Frame-Options', 'DENY'),
    ('Referrer-Policy', 'same-origin'),
    ('Cross-Origin-Opener-Policy', 'same-origin'),
    ('Cross-Origin-Resource-Policy', 'same-origin'),
)
HTML, TEXT = 'text/html; charset=utf-8', 'text/plain; charset=utf-8'
FASTEST: Final = 5       # seconds between two refreshes
SLOWEST: Final = 3600


class Dashboard:
    """See the module. `ledger` is asked with each request; None where no
    record is kept.

    operates: False for nobody, whatever their rights are.
    links: by name, where a run is found elsewhere; a template with run_id, job,
        application_id, scheduled, started, ended, host, pid in braces.
    title: what the pages are headed with.
    """

    def __init__(
        self,
        ledger: Callable[[], Ledger | None],
        *,
        operates: bool = True,
        links: Mapping[str, str] | None = None,
        title: str = 'cronsched',
    ) -> None:
        self._ledger = ledger
        self._operates = operates
        self._links = run.check_links(links or {})
        self._title = title

    def respond(self, request: Request, rights: Rights | None, challenge: str = '') -> Response:
        """The answer to a request of whoever has these rights. `challenge`: of
        an HTTP authentication, for who has none."""
        if request.path == '' and request.last and request.method in ('GET', 'HEAD'):
            return _moved(request)
        served = files.served(request.path)
        if served is not None and request.method in ('GET', 'HEAD'):
            return served
        if rights is not None and not self._operates:
            rights = Rights('read', rights.name)
        try:
            return self._answer(request, rights, challenge)
        except NotThere as error:
            return self._error(request, rights, 404, str(error))
        except Unreadable as error:
            return self._error(request, rights, 400, str(error))
        except LedgerError as error:
            log.error('the dashboard cannot use the ledger: %s', error)
            return self._error(request, rights, 503, str(error))

    def _answer(self, request: Request, rights: Rights | None, challenge: str) -> Response:
        if rights is None:
            refusal = self._error(request, None, 401 if challenge else 403, NO_RIGHT)
            more = (('WWW-Authenticate', challenge),) if challenge else ()
            return Response(refusal.status, refusal.headers + more, refusal.body)
        ledger = self._ledger()
        if ledger is None:
            return self._error(request, rights, 503, NO_LEDGER)
        view = View(ledger, request, rights, clock.now(), self._links)
        if request.path in ACTIONS:
            return self._act(view)
        name, _, kind = (request.path or '/').partition('.')
        if name not in PAGES or kind not in ('', 'json', 'csv'):
            raise NotThere('there is no such page')
        if request.method not in ('GET', 'HEAD'):
            return self._error(request, rights, 405, 'this page is only read', 'GET, HEAD')
        return self._show(view, PAGES[name](view), kind)

    # -- what is shown -------------------------------------------------------

    def _show(self, view: View, page: Page, kind: str) -> Response:
        if kind == 'json':
            return _response(page.status, 'application/json', _json(page.data))
        if kind == 'csv':
            if not page.rows:
                raise NotThere('there is no such table')
            return _response(page.status, 'text/csv; charset=utf-8', _csv(page.data[page.rows]))
        request = view.request
        text = files.rendered(
            page.template, title=self._title, rights=view.rights, now=view.now,
            version=__version__, data=page.data, page=request.path.strip('/') or 'jobs',
            here=view.here, twin=view.here(f'{request.path.strip("/") or "jobs"}.json'),
            **page.drawn,
        )
        return _response(page.status, HTML, text, *_refresh(request))

    def _act(self, view: View) -> Response:
        request = view.request
        if request.method != 'POST':
            return self._error(request, view.rights, 405, 'this is only asked by POST', 'POST')
        reason = foreign(request.method, request.headers)
        if reason is not None:
            log.warning('the dashboard refused to act: %s', reason)
            return self._error(request, view.rights, 403, f'Nothing was done: {reason}.')
        if not view.rights.may_operate:
            return self._error(request, view.rights, 403, READ_ONLY)
        kind = request.headers.get('content-type', '').partition(';')[0].strip().lower()
        if kind != 'application/x-www-form-urlencoded':
            return self._error(request, view.rights, 415, 'This is not a form of ours.')
        place = ACTIONS[request.path](view)
        return Response(303, (*SECURITY, ('Location', place), ('Content-Length', '0')))

    def _error(
        self, request: Request, rights: Rights | None, status: int, text: str, allow: str = '',
    ) -> Response:
        more = (('Allow', allow),) if allow else ()
        if request.path.endswith('.json'):
            return _response(status, 'application/json', _json({'error': text}), *more)
        body = files.rendered(
            'error.html', title=self._title, rights=rights, now=clock.now(),
            version=__version__, status=status, text=text, page='', twin='', data={},
        )
        return _response(status, HTML, body, *more)


NO_RIGHT: Final = 'You are not among those who may see this page.'
READ_ONLY: Final = 'Nothing was done: you may read these pages, and not act.'
NO_LEDGER: Final = 'This application keeps no ledger, so there is nothing to show: write another '\
                   "setting than ledger=None, like 'sqlite'."


def _response(status: int, kind: str, text: str, *more: tuple[str, str]) -> Response:
    body = text.encode('utf-8', 'backslashreplace')
    return Response(
        status, (*SECURITY, ('Content-Type', kind), ('Content-Length', str(len(body))), *more),
        body,
    )


def _moved(request: Request) -> Response:
    """To the same with a slash, which relative links need."""
    return Response(308, (
        *SECURITY, ('Location', f'./{quote(request.last, safe="")}/'), ('Content-Length', '0')))


def _refresh(request: Request) -> tuple[tuple[str, str], ...]:
    """For who has no JavaScript: `refresh=30`."""
    if not request.value('refresh'):
        return ()
    seconds = max(request.number('refresh', 30, SLOWEST), FASTEST)
    return (('Refresh', str(seconds)),)


def _json(data: Mapping[str, Any]) -> str:
    return json.dumps(data, indent=1, ensure_ascii=False)


def _csv(rows: list[dict[str, Any]]) -> str:
    text = io.StringIO()
    if rows:
        writer = csv.writer(text)
        writer.writerow(rows[0])
        writer.writerows([_cell(value) for value in row.values()] for row in rows)
    return text.getvalue()


def _cell(value: Any) -> Any:
    """What a spreadsheet would take for a formula begins with an apostrophe."""
    if isinstance(value, str) and value[:1] in ('=', '+', '-', '@', '\t', '\r'):
        return f"'{value}"
    return value
