"""In-memory adapters of every port: test doubles that pass the contract tests."""
