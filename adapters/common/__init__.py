"""The mechanisms that adapters share, each once. No adapter is in here, so entrypoints may use it too."""
