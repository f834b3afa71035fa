"""Import of the replaced service's database."""
