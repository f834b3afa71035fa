"""Needs of the application, one small interface a file."""
