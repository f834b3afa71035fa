"""The ports made real, one technology per package."""
