"""Metrics of ECS clusters from Amazon CloudWatch, and the backlog for it."""
