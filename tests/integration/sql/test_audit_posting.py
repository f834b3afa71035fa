"""Processes that post audit entries at the same time and are killed lose and double nothing."""

from concurrent.futures import ThreadPoolExecutor

import pytest
import sqlalchemy as sa

from adapters.sql.tables import audit_journal
from application.errors import DependencyUnavailable
from application.queries.audit_reader import AuditReader
from application.use_cases.verify_audit_log import VerifyAuditLog
from domain.audit import Usage
from domain.tenant import TenantName
from domain.values import ProjectId
from tests.integration.sql.forks import FORKS, fork, post_entries
from tests.support.samples import NOW, an_audit_entry

ENTRIES = 300
POSTERS = 2
KILLS = 2


@pytest.fixture(params=["sqlite", "mariadb"])
def url(request, migrated_url):
    if request.param == "sqlite":
        return request.getfixturevalue("sqlite_url")
    return migrated_url(request.getfixturevalue("mariadb")).render_as_string(hide_password=False)


def patiently(work):
    """Do work, again if a busy machine keeps it from a lock for too long."""
    while True:
        try:
            return work()
        except DependencyUnavailable:
            continue


def waiting(store):
    """Return the number of entries that are not posted yet."""
    with store.engine.connect() as connection:
        return connection.scalar(sa.select(sa.func.count()).select_from(audit_journal))


def post_and_be_killed(url):
    ours, theirs = FORKS.Pipe(duplex=False)
    with ours, theirs:
        poster = fork(post_entries, url, theirs)
        theirs.close()
        try:
            for _ in range(KILLS):
                assert ours.recv()
        finally:
            poster.kill()
            poster.join()


def test_each_entry_is_posted_once_whoever_is_killed(url, open_store):
    store = open_store(url)
    store.empty()

    def add(first):
        usage = Usage(uploads=1, stored_bytes=3)
        entries = [
            an_audit_entry(n, project=ProjectId(1), usage=usage) for n in range(first, ENTRIES + 1, 10)
        ]
        for entry in entries:
            patiently(lambda entry=entry: store.run(lambda transaction: transaction.audit.add(entry)))

    with ThreadPoolExecutor(10 + POSTERS) as pool:
        adding = [pool.submit(add, first) for first in range(1, 11)]
        for _ in range(KILLS):
            for posting in [pool.submit(post_and_be_killed, url) for _ in range(POSTERS)]:
                posting.result()
        for added in adding:
            added.result()
    while patiently(lambda: waiting(store)):  # a server keeps a killed process's lock until it misses it
        patiently(lambda: store.run(lambda transaction: transaction.audit.post(100)))

    verified = VerifyAuditLog(AuditReader(store.unit_of_work))()
    assert (verified.fault, verified.head.sequence) == (None, ENTRIES)
    used = store.unit_of_work.read(
        lambda transaction: transaction.audit.usage(TenantName("acme"), NOW.date())
    )
    assert used == Usage(uploads=ENTRIES, stored_bytes=3 * ENTRIES)
