"""The record of runs: who claimed them, how they ended.

Example::

    ledger = open_ledger('sqlite:///var/lib/app/cronsched/ledger.sqlite3')
    claim = ledger.claim(Run('org/zug', 'cleanup', 1792000000), attempt=1)
    if claim.granted:
        ...
        ledger.finish(claim, 'ok', took=0.2)

"Once" rests on the claim and on nothing else: a unique key (application id,
job, scheduled) in a store that all receivers share.
"""

from typing import Any

from cronsched.ledger.known import (
    Application,
    Declared,
    KnownJob,
    Owner,
    PastJob,
    Pause,
    Plan,
    Seen,
)
from cronsched.ledger.pages import GONE, NO_RUN, Found, Planned, Standing, Tally, Wanted
from cronsched.ledger.protocol import Ledger
from cronsched.ledger.seats import Fleet, Member, Seats
from cronsched.ledger.values import (
    BUCKETS,
    OUTCOMES,
    Claim,
    Due,
    Executing,
    LedgerError,
    Missed,
    Row,
    Run,
    Total,
)

__all__ = [
    'BUCKETS', 'GONE', 'NO_RUN', 'OUTCOMES', 'Application', 'Claim', 'Declared', 'Due',
    'Executing', 'Fleet', 'Found', 'KnownJob', 'Ledger', 'LedgerError', 'Member', 'Missed',
    'Owner', 'PastJob', 'Pause', 'Plan', 'Planned', 'Row', 'Run', 'Seats', 'Seen', 'Standing',
    'Tally', 'Total', 'Wanted', 'open_ledger',
]


def open_ledger(source: Any, *, looking: bool = False) -> Ledger:
    """The ledger at a URL: ``sqlite:///absolute/path`` (RFC 3986, as
    SQLAlchemy writes it) or ``postgresql://user@host/database``; or that of a
    function that returns a connection of psycopg, or of an engine of
    SQLAlchemy. `looking` makes and changes nothing, and may be another
    user's. Raises `LedgerError`, saying what to write."""
    scheme = source.partition(':')[0] if isinstance(source, str) else 'postgresql'
    if scheme.partition('+')[0] in ('postgresql', 'postgres'):
        from cronsched.ledger.postgres import PostgresLedger

        return PostgresLedger(source, looking=looking)
    from cronsched.ledger.sqlite import SQLiteLedger

    return SQLiteLedger.from_url(source, looking=looking)
