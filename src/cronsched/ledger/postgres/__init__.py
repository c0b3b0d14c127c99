"""The ledger that several machines share: a PostgreSQL database."""

from cronsched.ledger.postgres.ledger import PostgresLedger

__all__ = ['PostgresLedger']
