"""Commands: one class a file, named for its act and called to perform it."""
