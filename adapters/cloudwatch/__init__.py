"""Metrics of ECS clusters, read from Amazon CloudWatch, and the backlog, published to it."""
