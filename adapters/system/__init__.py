"""The clock and the identifiers of this machine."""
