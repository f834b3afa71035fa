"""Processes that post audit entries at the same time and are killed lose and double nothing."""

import signal
import subprocess
import sys
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
from tests.support.samples import NOW, an_audit_entry

ENTRIES = 300
POSTERS = 2
KILLS = 2
# Each line that it writes is a transaction that has moved entries and is about to commit.
POST = """
import sys
from contextlib import suppress
from application.errors import DependencyUnavailable
from adapters.sql.engine import create_engine
from adapters.sql.unit_of_work import SqlUnitOfWork
from adapters.in_process.message_relay import InProcessMessageRelay

def post(transaction):
    if transaction.audit.post(5):
        print(flush=True)

unit_of_work = SqlUnitOfWork(create_engine(sys.argv[1]), InProcessMessageRelay())
while True:
    with suppress(DependencyUnavailable):  # on a busy machine, it is kept from a lock now and then
        unit_of_work.run(post)
"""


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
    poster = subprocess.Popen([sys.executable, "-c", POST, url], stdout=subprocess.PIPE)
    try:
        for _ in range(KILLS):
            assert poster.stdout.readline() == b"\n"
    finally:
        poster.send_signal(signal.SIGKILL)
        poster.wait()
        poster.stdout.close()


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
