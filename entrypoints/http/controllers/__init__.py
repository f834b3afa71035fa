"""One controller for each kind of resource. Controllers only translate between HTTP and use cases."""
