"""Which application ids are started because somebody came.

Example::

    if admission.admits('org/zug', started, most=10_000):
        ...

Where an application is mounted at a path like `{town}`, its visitors name the
application ids. So their number has a bound, and what could be none (with a
NUL, of a kilobyte) is not one. What is turned away is said once a minute.
"""

from __future__ import annotations

import logging
from collections.abc import Sized
from typing import Any

from cronsched.base.rates import Rate
from cronsched.base.text import printable

__all__ = ['LONGEST_ID', 'Admission', 'admission_of']

log = logging.getLogger('cronsched')

#: Characters of an application id that a visitor may name.
LONGEST_ID = 500


class Admission:
    """See the module; one for each application class."""

    def __init__(self) -> None:
        self._odd, self._full = Rate(), Rate(pause=float('inf'))

    def admits(self, application_id: str, started: Sized, most: int) -> bool:
        """Whether it may be started beside those that are, at most `most`."""
        problem = problem_of(application_id)
        if problem is not None:
            if count := self._odd.count():
                log.warning(
                    'no cronjobs are started for %s: the application id %s (%d like it)',
                    printable(repr(application_id)), problem, count,
                )
            return False
        if len(started) >= most:
            if self._full.count():
                log.error(
                    'no cronjobs are started for %s and those that follow: there are '
                    'cronjobs.max_applications=%d application ids; write more, or have paths '
                    'that lead nowhere answer 404', printable(application_id), most,
                )
            return False
        return True


def admission_of(registry: Any) -> Admission:
    """That of an application class, by its registry."""
    admission: Admission = vars(registry).setdefault('cronjobs_admission', Admission())
    return admission


def problem_of(application_id: str) -> str | None:
    """Why it could be neither signed nor kept."""
    if len(application_id) > LONGEST_ID:
        return f'is longer than {LONGEST_ID} characters'
    if '\0' in application_id or not application_id:
        return 'is empty or holds a NUL'
    if any('\ud800' <= letter <= '\udfff' for letter in application_id):
        return 'holds half a character'
    return None
