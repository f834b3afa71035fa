"""Wake-ups for the workers of all processes, in Redis."""
