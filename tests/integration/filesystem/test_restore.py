"""Restoring to a data directory in which something is left."""

import sqlite3
from contextlib import closing

from adapters.backup.archive import BackupArchive

DATABASE = "service.db"


def test_changes_that_a_removed_database_left_behind_are_not_applied_to_the_restored_one(tmp_path):
    # Given a backup, and a later change that a killed process has left in SQLite's log
    directory, file = tmp_path / "data", tmp_path / "backup.tar.gz"
    directory.mkdir()
    log = directory / f"{DATABASE}-wal"
    archive = BackupArchive(directory, DATABASE, stores=(), waiting="waiting", drafts=())
    with closing(sqlite3.connect(directory / DATABASE, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("CREATE TABLE jobs (id TEXT)")
        archive.write(file)
        connection.execute("INSERT INTO jobs VALUES ('later')")
        left = log.read_bytes()
    # When only the database's file is removed, and the backup is restored
    (directory / DATABASE).unlink()
    log.write_bytes(left)
    archive.restore(file)
    # Then the database is as it was at the backup
    with closing(sqlite3.connect(directory / DATABASE)) as connection:
        assert connection.execute("SELECT id FROM jobs").fetchall() == []
