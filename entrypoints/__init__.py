"""The ways in: HTTP, workers and the command line, and the one place that wires them."""
