"""The completions queue, on Dramatiq and Redis."""
