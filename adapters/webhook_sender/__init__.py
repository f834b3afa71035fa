"""Sends events to receivers over HTTP."""
