"""Sealing of secret variables with keys of the settings."""
