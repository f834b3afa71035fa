"""The priority of jobs: among waiting jobs, the one with the highest priority runs first."""

DEFAULT_PRIORITY = 5
MAX_PRIORITY = 9
