"""What runs behind the API: the relay, the workers' threads, and the loops that look after them."""
