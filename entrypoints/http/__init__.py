"""The HTTP API: it maps requests to commands and results to responses, and makes no decisions."""
