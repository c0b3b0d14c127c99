"""Whether the processes of this machine live, which the database cannot know.

Example::

    looked_at('{"7": ["machine", "boot", "pid:[4026531836]", 4711, 12, "web1"]}')
    # '{"7": "dead"}'
"""

from __future__ import annotations

import json
from typing import Final

from cronsched.ledger.process import Process, judge

__all__ = ['looked_at']

LIVES: Final = {True: 'alive', False: 'dead', None: 'unknown'}


def looked_at(members: str | None, before: str | None = None) -> str | None:
    """JSON of members and how they are, from the JSON of members that
    `look_v1` makes, and what was found `before`; None for nobody."""
    if members is None:
        return before
    found = {} if before is None else json.loads(before)
    for member, process in json.loads(members).items():
        found[member] = LIVES[judge(Process(*process), held=None)]
    return json.dumps(found)
