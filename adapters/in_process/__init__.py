"""Queues and feeds between the threads of this process, for a service that runs in one process."""
