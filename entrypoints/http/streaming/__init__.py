"""Waits for jobs and streams of their events and output, without a thread for each client."""
