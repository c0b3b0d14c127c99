"""Jobs, their options, where they are registered, and the settings."""
