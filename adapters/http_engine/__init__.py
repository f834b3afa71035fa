"""Execution engine that runs programs on HTTP runners, one runner for each language."""
