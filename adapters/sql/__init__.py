"""Persistence in SQL: one adapter for MySQL 8+, MariaDB 10.11+ and SQLite."""
