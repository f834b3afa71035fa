"""One file with everything that an embedded service keeps, and the way back."""
