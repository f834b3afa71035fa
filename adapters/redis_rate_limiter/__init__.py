"""Limits on requests a second that the processes of the service share, in Redis."""
