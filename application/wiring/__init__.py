"""The wiring of the application, a module per subsystem."""
