"""Waiting for jobs and streaming their events and output, without a thread for each client."""
