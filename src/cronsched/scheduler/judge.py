"""Who of the members is dead, by what this one has seen of them.

Example::

    judge = Judge()
    judge.hear(began, ended, answer)     # [(suspect, its last beat), ...]

Pure; times are seconds of a monotonic clock. A time stamp proves nothing: when
the store stood still, everybody's is old. So a member is convicted by beats of
our own that were answered, and which all saw the same last beat of it, for
longer than its beat lets it fire, which each says itself. What we slept
through proves nothing either, nor does what came right after the store was
started anew.
"""

from __future__ import annotations

from typing import Final

from cronsched.ledger.seats import Beat
from cronsched.scheduler.pace import DEFAULT, Pace

__all__ = ['BEAT', 'HOLD', 'QUIET', 'Judge']

#: By default, in seconds; see `pace`.
BEAT: Final = DEFAULT.beat
HOLD: Final = DEFAULT.hold
QUIET: Final = DEFAULT.quiet

# After the first of our beats that saw it, as a part of how long its beat lets
# it fire: more, by what clocks may differ in so short a time, and by far.
CONVICT: Final = 3.2 / 3.0
LEAST_BEATS: Final = 4

# Between two beats of our own: we were not there ourselves.
LONGEST_GAP: Final = 3


class Judge:
    """See the module."""

    def __init__(self, pace: Pace = DEFAULT) -> None:
        self._pace = pace
        self._history = ''
        self._quiet_until = 0.0
        self._last = 0.0
        #: By suspect: its last beat, since when we see that, and how often.
        self._seen: dict[int, tuple[int, float, int]] = {}

    def hear(self, began: float, ended: float, answer: Beat) -> list[tuple[int, int]]:
        """Those who are to be convicted."""
        self._doubt(began, ended, answer)
        suspects, holds = answer.suspects or {}, answer.holds or {}
        self._seen = {
            suspect: self._look(suspect, beat, ended) for suspect, beat in suspects.items()
        }
        if ended < self._quiet_until or answer.quiet:
            return []
        return [
            (suspect, beat) for suspect, (beat, since, count) in self._seen.items()
            if count >= LEAST_BEATS
            and began - since >= holds.get(suspect, self._pace.hold) * CONVICT
        ]

    def _doubt(self, began: float, ended: float, answer: Beat) -> None:
        if answer.history != self._history:
            # Who begins knows nothing of the store, but was not away either.
            if self._history:
                self._quiet_until = ended + self._pace.quiet
            self._history = answer.history
            self._seen = {}
        longest = LONGEST_GAP * self._pace.beat
        if began - self._last > longest or ended - began > longest:
            self._seen = {}
        self._last = ended

    def _look(self, suspect: int, beat: int, ended: float) -> tuple[int, float, int]:
        known, since, count = self._seen.get(suspect, (beat, ended, 0))
        return (beat, since, count + 1) if known == beat else (beat, ended, 1)

