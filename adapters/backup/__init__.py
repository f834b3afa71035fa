"""Backup of a data directory to one file, and restore."""
