"""One controller for each kind of thing: they translate, and nothing else."""
