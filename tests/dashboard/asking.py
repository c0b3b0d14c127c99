"""A dashboard, asked as a function.

Example::

    ask = asker(ledger, title='Shop')
    ask('/job', application='shop', job='cleanup').status
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from cronsched.dashboard import Dashboard, Request, Response, Rights
from cronsched.ledger import Ledger, open_ledger

Ask = Callable[..., Response]


def opened(directory: Path) -> Ledger:
    directory.chmod(0o700)
    return open_ledger(f'sqlite://{directory}/ledger.sqlite3')


def asker(ledger: Ledger | None, **options: Any) -> Ask:
    dashboard = Dashboard(lambda: ledger, **options)

    def ask(path: str, level: Any = 'operate', **query: Any) -> Response:
        rights = Rights(level, 'ann') if level else None
        return dashboard.respond(Request('GET', path, urlencode(query)), rights)

    return ask
