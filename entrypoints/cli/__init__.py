"""The command line. Commands about jobs use the HTTP API, of a server or of one inside the process."""
