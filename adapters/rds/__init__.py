"""Authentication for Amazon RDS."""
