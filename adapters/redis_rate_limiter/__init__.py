"""Rate limits shared by all processes of the service, in Redis."""
