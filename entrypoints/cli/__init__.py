"""The command line. What it does with jobs, it does by speaking HTTP, to a server or to one inside itself."""
