"""Events and live output between processes, over Redis. Losing them is harmless: SQL and logs have them."""
