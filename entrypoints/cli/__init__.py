"""The command line. Commands about jobs use the HTTP API of a server or of a service inside the process."""
