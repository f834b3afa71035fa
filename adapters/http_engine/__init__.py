"""Runs programs on the runner services behind one HTTP base address, one runner for each language."""
