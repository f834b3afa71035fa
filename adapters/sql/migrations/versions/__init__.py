"""Migrations, one module each, named by number and effect."""
