"""Messages that ask for work, on a Dramatiq broker: in this process, or on Redis."""
