"""What every other folder stands on: the clock, locks, private directories."""
