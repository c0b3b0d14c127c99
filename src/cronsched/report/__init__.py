"""What the command line and the dashboard show of the ledger, in the same words."""
