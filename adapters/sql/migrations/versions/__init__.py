"""The migrations, one module each, named for its number and its effect."""
