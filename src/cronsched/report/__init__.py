"""What the ledger tells people: the command line and the dashboard say the same."""
