"""An application of Flask as the target of a test.

Example::

    target = FlaskTarget(app, app.extensions['cronsched'], app)

What a job raises is caught where Flask tells of it, so that the answer is the
one of production, whatever `TESTING` says.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from flask import Flask, got_request_exception

from cronsched.testing.target import Answer
from cronsched.testing.wsgi import WsgiTarget
from cronsched.web.cron import Cron

__all__ = ['FlaskTarget']

PROPAGATE: Final = 'PROPAGATE_EXCEPTIONS'


class FlaskTarget(WsgiTarget):
    """`app` is what is served: `flask`, or a middleware around it."""

    def __init__(self, app: Any, host: Cron, flask: Flask) -> None:
        super().__init__(app, host)
        self.flask = flask

    def send(self, url: str, *, method: str, headers: dict[str, str]) -> Answer:
        with _raised_in(self.flask) as errors:
            answer = super().send(url, method=method, headers=headers)
        return Answer(answer.response, errors[0] if errors else None)


@contextmanager
def _raised_in(flask: Flask) -> Iterator[list[Exception]]:
    errors: list[Exception] = []

    def note(sender: Flask, exception: Exception, **_: Any) -> None:
        errors.append(exception)

    before = flask.config[PROPAGATE]
    flask.config[PROPAGATE] = False
    try:
        with got_request_exception.connected_to(note, flask):
            yield errors
    finally:
        flask.config[PROPAGATE] = before
