"""A sandbox for programs of strangers: one run, confined, limited and measured."""
