"""The priority of jobs: of the ones that wait, the highest runs first."""

DEFAULT_PRIORITY = 5
MAX_PRIORITY = 9
