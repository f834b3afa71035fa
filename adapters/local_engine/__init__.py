"""The local engine: a supervisor process starts programs on this machine, limits and measures them."""
