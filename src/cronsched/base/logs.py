"""That what we log is heard.

Example::

    hear = Hearing(logging.getLogger('onegov.core'))   # or None
    hear()      # before something could go wrong

`logging.config` disables every logger that exists and is not listed, unless
the configuration says `disable_existing_loggers: false`. Then nobody hears
that a job failed, or that something could not start.
"""

from __future__ import annotations

import logging
from typing import Final

__all__ = ['Hearing']

NAME: Final = 'cronsched'
SENTENCE: Final = (
    "the logger 'cronsched' is disabled, so nobody hears of its jobs: write "
    "'disable_existing_loggers': False in the configuration of logging, list 'cronsched' there, "
    'or name a logger that is listed: mount(..., logger=...)'
)


class _PassOn(logging.Handler):
    """To another logger, as if that one had been told."""

    def __init__(self, target: logging.Logger) -> None:
        super().__init__()
        self._target = target

    def emit(self, record: logging.LogRecord) -> None:
        if self._target.isEnabledFor(record.levelno):
            self._target.handle(record)


class Hearing:
    """Call it when the application's configuration may have been read: with a
    logger, ours go there; without, it says once, on standard error, when they
    are disabled."""

    def __init__(self, target: logging.Logger | None = None) -> None:
        self._handler = None if target is None else _PassOn(target)
        self._told = False

    def __call__(self) -> None:
        log = logging.getLogger(NAME)
        if self._handler is not None:
            self._pass_on(log, self._handler)
        elif log.disabled and not self._told:
            self._told = True
            # What the logging module itself uses where nothing is configured.
            if logging.lastResort is not None:
                logging.lastResort.handle(logging.LogRecord(
                    NAME, logging.WARNING, __file__, 0, SENTENCE, None, None))

    def _pass_on(self, log: logging.Logger, handler: logging.Handler) -> None:
        if handler not in log.handlers:
            log.addHandler(handler)
        log.propagate = False
        for name, each in logging.root.manager.loggerDict.items():
            if isinstance(each, logging.Logger) and name.partition('.')[0] == NAME:
                each.disabled = False
