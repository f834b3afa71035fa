"""Programs run on this machine: a supervisor process starts them, limits them and accounts for them."""
