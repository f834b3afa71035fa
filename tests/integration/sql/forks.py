"""The work of processes that are killed or meet each other, each forked from one that has loaded it.

To load it takes a process 0.7 s of the processor.
"""

import multiprocessing
import warnings
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

from adapters.filesystem.object_store import FilesystemObjectStore
from adapters.in_process.message_relay import BackgroundMessageRelay
from adapters.in_process.output_feed import InProcessOutputFeed
from adapters.prometheus.no_measurements import NoMeasurements
from adapters.sql.engine import create_engine
from adapters.sql.migrate import SqlSchema
from adapters.sql.unit_of_work import SqlUnitOfWork
from adapters.system.clock import SystemClock
from adapters.system.id_generator import Uuid7Generator
from application.errors import DependencyUnavailable
from application.orphan_sweep import OrphanSweep
from application.ports.purge_repository import StoreName
from application.use_cases.apply_retention import ApplyRetention, RetentionRules
from application.use_cases.remove_deleted import RemoveDeleted
from domain.retention import Retention

FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(["__main__", __name__, "adapters.sql.alembic_runner"])


def fork(work, *arguments):
    """Start a process that does work of this module."""
    process = FORKS.Process(target=work, args=arguments)
    process.start()
    return process


def upgrade(url, begin):
    """Upgrade a database once it may begin; a warning is an error."""
    warnings.simplefilter("error")
    begin.wait()
    SqlSchema(create_engine(url)).upgrade()


def post_entries(url, moved):
    """Post entries of the audit log for ever, and send a message before each commit that has moved some."""

    def post(transaction):
        if transaction.audit.post(5):
            moved.send("moved")

    unit_of_work = SqlUnitOfWork(create_engine(url), BackgroundMessageRelay())
    while True:
        with suppress(DependencyUnavailable):  # on a busy machine, it is kept from a lock now and then
            unit_of_work.run(post)


def purge(url, directory):
    """Remove all that is older than ten days, and delete the objects."""
    common = {
        "unit_of_work": SqlUnitOfWork(create_engine(url), BackgroundMessageRelay()),
        "clock": SystemClock(),
        "ids": Uuid7Generator(),
        "measurements": NoMeasurements(),
    }
    stores = {
        name: FilesystemObjectStore(Path(directory) / name, "http://localhost", durable=False)
        for name in StoreName
    }
    rules = RetentionRules(default=Retention(jobs_days=10), orphans_kept=timedelta(hours=6))
    remove_deleted = RemoveDeleted(
        stores=stores,
        output_feed=InProcessOutputFeed(),
        outbox_writer=None,
        worker="worker",
        batch=10,
        **common,
    )
    no_orphans = OrphanSweep(common["unit_of_work"], {}, common["clock"], rules.orphans_kept)
    apply_retention = ApplyRetention(orphans=no_orphans, rules=rules, **common)
    removed = 1
    while removed:
        removed = apply_retention(at_once=True)
        remove_deleted()
