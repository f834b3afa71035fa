"""Metrics of this machine, as a cluster of one, measured with psutil."""
