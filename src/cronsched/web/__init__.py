"""Who runs: a signed request is received, its run claimed, called and ended."""
