"""The HTTP API: schema in, command, use case, schema out. Nothing is decided here."""
