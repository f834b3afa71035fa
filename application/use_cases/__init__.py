"""One class per file, named for what it does and called to do it."""
