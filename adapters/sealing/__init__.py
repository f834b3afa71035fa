"""Encryption of secret variables with keys from the settings."""
