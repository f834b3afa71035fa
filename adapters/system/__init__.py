"""The system's clocks, and generated identifiers."""
