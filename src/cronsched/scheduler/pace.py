"""How fast several machines are with each other: one setting scales all times.

Example::

    pace = Pace(6.0)            # the setting `takeover`
    pace.beat, pace.hold        # 0.5 and 3.0 seconds
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

__all__ = ['DEFAULT', 'Pace']

#: A process that only executes asks once a second whether the server is another
#: one, so what waits for all to have spoken waits for longer.
LEAST_QUIET: Final = 3.0


@dataclass(frozen=True, slots=True)
class Pace:
    """See the module. `takeover` is within how many seconds a machine that
    died is followed by others; `lost_after`, which scales with nothing, when
    what it executes is given up (None: at its timeout). All are seconds."""

    takeover: float = 6.0
    lost_after: float | None = 60.0

    @property
    def beat(self) -> float:
        """Between two beats."""
        return self.takeover / 12

    @property
    def hold(self) -> float:
        """For how long one lets its member fire, from its start on."""
        return self.takeover / 2

    @property
    def grace(self) -> float:
        """How long a free seat is left to who has it by the hash: two beats. That
        may be who cannot take it, as a process that was stopped keeps its lease."""
        return self.takeover / 6

    @property
    def quiet(self) -> float:
        """How long nobody is convicted after the store came back."""
        return max(self.hold, LEAST_QUIET)


DEFAULT: Final = Pace()
