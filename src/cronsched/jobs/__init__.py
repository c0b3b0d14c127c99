"""What: jobs, their options, where they are registered, and the settings."""
