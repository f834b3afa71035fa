"""The entry points: HTTP, workers and the command line, and the container that wires them."""
