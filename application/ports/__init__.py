"""Ports of the application, one small interface per file."""
