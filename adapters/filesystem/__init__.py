"""Storage of objects and results as files in a directory."""
