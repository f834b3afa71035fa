"""The queue of completions, on Dramatiq and Redis."""
