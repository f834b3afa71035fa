"""What Amazon RDS asks of clients beside MySQL's protocol."""
