"""Posts of events to receivers on the internet."""
