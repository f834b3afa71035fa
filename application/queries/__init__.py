"""Reads: they change nothing and hold no locks."""
