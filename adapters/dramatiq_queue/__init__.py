"""The work queue on Dramatiq: wake-ups and completions, in this process or on Redis."""
