"""Imports the database of the service that this one replaces: its tables, its rows, and the import itself."""
