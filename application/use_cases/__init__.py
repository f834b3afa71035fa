"""Commands: one class per file, named after its action and called to perform it."""
