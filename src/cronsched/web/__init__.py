"""Receives signed requests: verify, claim the run, call the job, end the run."""
