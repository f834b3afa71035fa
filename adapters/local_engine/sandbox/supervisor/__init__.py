"""The supervisor, the small process that owns every program. It imports nothing but the standard library."""
