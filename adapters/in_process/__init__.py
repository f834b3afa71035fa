"""Queues and feeds among the threads of this process: all there is when the service runs embedded."""
