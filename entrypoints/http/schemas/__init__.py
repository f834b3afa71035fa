"""What callers send and what they get, as they see it."""
