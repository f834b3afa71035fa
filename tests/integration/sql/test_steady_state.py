"""A service with retention of a day holds after a month as much as after two days."""

import os
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from adapters.sql.job_queries import SqlJobQueries
from adapters.sql.tables import audit_head, metadata, retention_marks
from adapters.sql.unit_of_work import SqlUnitOfWork
from application.use_cases.apply_retention import RetentionRules
from domain.retention import Retention
from tests.support.in_memory_service import InMemoryService

DAYS = 30
JOBS_A_DAY = 3 * int(os.environ.get("SERVICE_SERVER_SOAK", "1"))
DAY_S = 86_400
# Rows of one kind that there is one of each.
_OF_THE_SERVICE = {audit_head, retention_marks}


@pytest.fixture
def store(open_store, sqlite_url):
    return open_store(sqlite_url)


def rows(store):
    with store.engine.connect() as connection:
        counted = {
            table.name: connection.execute(sa.select(sa.func.count()).select_from(table)).scalar_one()
            for table in metadata.sorted_tables
            if table not in _OF_THE_SERVICE
        }
    return {name: count for name, count in counted.items() if count}


def pages(store):
    """Return the pages of the database that have rows in them."""
    with store.engine.connect() as connection:
        used, free = (
            connection.exec_driver_sql(f"PRAGMA {name}").scalar_one()
            for name in ("page_count", "freelist_count")
        )
    return used - free


def test_rows_objects_and_bytes_stay_flat_for_a_month(store):
    # Given a service that keeps jobs, audit entries and sums of usage for a day, or two
    service = InMemoryService(lambda relay: (SqlUnitOfWork(store.engine, relay), SqlJobQueries(store.engine)))
    service.clock.advance((datetime.now(UTC) - service.clock.now()).total_seconds())
    rules = RetentionRules(
        default=Retention(jobs_days=1, pending_days=1),
        audit_days=1,
        usage_days=2,
        orphans_kept=timedelta(hours=6),
    )
    services = service.process("worker-1", retention_rules=rules)
    seen = []
    # When a day's jobs are run each day, with one that never is
    for day in range(DAYS):
        for number in range(JOBS_A_DAY):
            service.start(code=f"print({day}, {number})", tags={"day": "today"})
            assert service.run_execution()
        service.upload(code="print('never')")
        services.post_audit_entries()
        service.clock.advance(DAY_S)
        services.apply_retention()
        services.remove_deleted()
        services.remove_unused_blobs()
        for forget in (services.forget_idempotency_keys, services.forget_deliveries):
            forget()
        services.forget_processed_messages()
        services.relay_outbox(service.relay.offered)
        services.relay_outbox.forget()
        service.relay.offered.clear()
        services.post_audit_entries()
        objects = {**service.code_store.objects, **service.log_store.objects}
        seen.append((rows(store), len(objects), sum(map(len, objects.values())), pages(store)))
    # Then there is as much of each kind at the end as at the beginning
    tables = [one[0] for one in seen]
    for name in set().union(*tables):
        counts = [table.get(name, 0) for table in tables[2:]]
        assert max(counts) <= counts[0] + 2, (name, counts)
    numbers, sizes, of_database = ([one[n] for one in seen[2:]] for n in (1, 2, 3))
    assert max(numbers) <= numbers[0], numbers
    assert max(sizes) <= 1.05 * sizes[0], sizes
    assert max(of_database) <= 1.1 * of_database[0], of_database
    found = services.verify_audit_log()
    assert found.fault is None
