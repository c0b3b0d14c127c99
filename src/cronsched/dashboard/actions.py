"""What may be done: run a job now, pause it, resume it. Each is a POST that
answers with a redirect to a page which shows what came of it. The job is named
by the query, as everywhere: a form would turn a line feed in a name into two
characters.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from cronsched.base.text import printable
from cronsched.dashboard.messages import link
from cronsched.dashboard.view import View
from cronsched.ledger import KnownJob

__all__ = ['ACTIONS']

MOST_OF_A_NOTE: Final = 500


def run_now(view: View) -> str:
    """Asked of the owner, whoever that is."""
    known = view.job()
    run = view.ledger.request_run(known.application_id, known.job, view.now, by=_who(view))
    return link('run', application=run.application_id, job=run.job, at=run.scheduled, asked=1)


def pause(view: View) -> str:
    known = view.job()
    view.ledger.pause(
        _whom(view, known), known.job, note=view.request.form.get('note', '')[:MOST_OF_A_NOTE],
        at=view.now, by=_who(view))
    return _back(known)


def resume(view: View) -> str:
    known = view.job()
    view.ledger.resume(_whom(view, known), known.job)
    return _back(known)


def _whom(view: View, known: KnownJob) -> str | None:
    """This application id, or (None) all that have the job."""
    return None if view.request.form.get('scope') == 'all' else known.application_id


def _who(view: View) -> str:
    return printable(view.rights.name) if view.rights.name else 'dashboard'


def _back(known: KnownJob) -> str:
    return f"{link('job', application=known.application_id, job=known.job)}#pause"


ACTIONS: Final[dict[str, Callable[[View], str]]] = {
    '/run-now': run_now, '/pause': pause, '/resume': resume,
}
