"""The texts for people, by code, in each language."""
