"""The ledger that several machines share: a PostgreSQL database."""
