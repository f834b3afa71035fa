"""The texts that people read, by their codes, in each language."""
