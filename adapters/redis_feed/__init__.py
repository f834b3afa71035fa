"""Events and live output between processes, over Redis. All of it may be lost: SQL and the logs have it."""
