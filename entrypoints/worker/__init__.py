"""Services behind the API: the relay, the queue's worker and the periodic tasks."""
