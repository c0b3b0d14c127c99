"""What PostgreSQL's errors mean for a ledger.

Example::

    told(error)         # 'refuses this user (...): give it what `... migrate` prints'
    is_down(error)      # True: connect anew and ask again

Source: PostgreSQL, "Error Codes" (SQLSTATE; the first two characters are the
class).
"""

from __future__ import annotations

from typing import Final

from cronsched.ledger.postgres.connections import sqlstate

__all__ = ['is_down', 'is_passing', 'told']

# The server goes down or comes up, or is a standby by now: another may have
# taken its place behind the same name.
DOWN: Final = frozenset(('57P01', '57P02', '57P03', '57P05', '25006'))
DOWN_CLASSES: Final = frozenset(('08',))
OF_VALUES: Final = frozenset(('DataError', 'ValueError'))
OF_STATEMENT: Final = frozenset(('ProgrammingError', 'NotSupportedError'))
# Two transactions were in each other's way, or the server is short of something:
# disk, memory, connections, time. Somebody makes room.
PASSING: Final = frozenset(('40001', '40P01', '55P03', '57014'))
PASSING_CLASSES: Final = frozenset(('53',))

MIGRATE: Final = 'run `cronsched ledger migrate URL` once'
REFUSED: Final = 'FATAL:'
DATA: Final = '22'      # class "data exception"
ADVICE: Final = {
    '25006': 'is read-only: name the primary server, or add '
             '?target_session_attrs=read-write to the URL',
    '28': 'refuses this user: look at the name, the password, and pg_hba.conf',
    '3D': 'does not exist: create the database, or name another',
    '3F': f'has no tables of cronsched: {MIGRATE}',
    '42501': 'refuses this user: give its role the rights that `cronsched ledger migrate URL '
             '--role NAME` prints',
    '42': f'has not the tables of this cronsched: {MIGRATE}',
    '53100': 'cannot grow, the disk is full: make room',
    '53300': 'has no connection left: raise max_connections, or put pgbouncer before it',
    '57014': 'took too long, and was cancelled: look at statement_timeout, and who holds locks',
    DATA: 'cannot keep such a text: leave out the character U+0000',
}


def is_down(error: BaseException) -> bool:
    """Whether the server, or the way to it, is away. Without a code, it is the
    connection that failed, or the driver that refuses what it was told."""
    code = sqlstate(error)
    if not code:
        return not _is_a(error, OF_VALUES | OF_STATEMENT)
    return code in DOWN or code[:2] in DOWN_CLASSES


def is_passing(error: BaseException) -> bool:
    """Whether the same may be done a while later."""
    code = sqlstate(error)
    return code in PASSING or code[:2] in PASSING_CLASSES


def told(error: BaseException) -> str:
    """What is wrong, and what to do, in a sentence without subject."""
    code = sqlstate(error) or (DATA if _is_a(error, OF_VALUES) else '')
    what = ' '.join(str(error).split())
    advice = ADVICE.get(code) or ADVICE.get(code[:2])
    if advice is None and not code and REFUSED in what:
        advice = 'refuses the connection'   # libpq keeps the code to itself there
    elif advice is None:
        advice = 'does not answer' if is_down(error) else 'cannot be used'
    return f'{advice} (PostgreSQL: {what})'


def _is_a(error: BaseException, names: frozenset[str]) -> bool:
    return any(kind.__name__ in names for kind in type(error).__mro__)
