"""The small process that owns every program. It imports the standard library and this package only."""
