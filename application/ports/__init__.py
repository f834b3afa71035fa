"""What the application needs of the world, one small interface per file."""
