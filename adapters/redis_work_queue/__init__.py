"""The wake-ups of workers in all processes, in Redis."""
