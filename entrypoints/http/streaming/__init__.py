"""Waiting for jobs and following them, without a thread for each who does."""
