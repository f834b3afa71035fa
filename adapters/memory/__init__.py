"""Every port in memory, for tests and for a service that keeps nothing."""
