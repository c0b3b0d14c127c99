"""The ledger of one machine: a SQLite file that all its processes share."""

from cronsched.ledger.sqlite.ledger import SQLiteLedger

__all__ = ['SQLiteLedger']
