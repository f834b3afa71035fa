"""A change of the ledger by SQL, past the service, is found and placed."""

from datetime import timedelta

import pytest
import sqlalchemy as sa

from adapters.sql.tables import audit_head, audit_ledger
from application.queries.audit_reader import AuditReader
from application.use_cases.verify_audit_log import Verification, VerifyAuditLog
from domain.audit import CHAIN_START, Act, ChainLink, EntryRow
from tests.support.samples import NOW, an_audit_entry

ENTRIES = 10
OF_FIVE = audit_ledger.c.sequence == 5
COLUMNS = [*EntryRow._fields, "hash"]
CHANGED = {
    "entry_id": "01890a5d-ac96-774b-bcce-b302099a8057",
    "at": "2026-01-01 12:00:00.123457",
    "act": "job.cancel",
    "hash": "f" * 64,
    **dict.fromkeys(("tenant", "principal", "address", "subject", "outcome", "request_id"), "changed"),
    **dict.fromkeys(("project_id", "uploads", "executions", "cpu_ms", "stored_bytes", "left_out"), "99"),
}


@pytest.fixture(params=["sqlite", "mariadb"])
def store(request, open_store, migrated_url):
    """A database with a ledger of ten entries."""
    if request.param == "sqlite":
        store = open_store(request.getfixturevalue("sqlite_url"))
    else:
        store = open_store(migrated_url(request.getfixturevalue("mariadb")))
        store.empty()

    def add(transaction):
        for number in range(1, ENTRIES + 1):
            transaction.audit.add(an_audit_entry(number, address="203.0.113.1", request_id="r", project=7))

    store.run(add)
    assert store.run(lambda transaction: transaction.audit.post(100)) == ENTRIES
    return store


def verify(store, noted=None) -> Verification:
    return VerifyAuditLog(AuditReader(store.unit_of_work))(noted)


def tamper(store, *statements):
    with store.engine.begin() as connection:
        for statement in statements:
            connection.execute(statement)


def test_an_untouched_ledger_is_right_and_its_end_can_be_noted(store):
    found = verify(store)

    assert (found.fault, found.head.sequence) == (None, ENTRIES)
    assert verify(store, noted=found.head) == found


@pytest.mark.parametrize("name", COLUMNS)
def test_a_changed_value_is_found_at_its_entry(store, name):
    changed = sa.literal_column(f"'{CHANGED[name]}'")
    tamper(store, sa.update(audit_ledger).where(OF_FIVE).values({name: changed}))

    found = verify(store)
    assert (found.bad_entry, found.head.sequence) == (5, 4)
    assert found.fault == "entry 5 was changed or put in"


@pytest.mark.parametrize("name", ["tenant", "address", "request_id", "project_id"])
def test_a_value_that_was_removed_is_found(store, name):
    tamper(store, sa.update(audit_ledger).where(OF_FIVE).values({name: sa.null()}))

    assert verify(store).bad_entry == 5


def shorten(store, until, *, recorded=True):
    """Remove the entries until a number as retention does, perhaps without the record of it."""

    def work(transaction):
        last = transaction.audit.shorten(NOW + timedelta(days=1), until)
        if recorded:
            entry = an_audit_entry(100 + last.sequence, act=Act.AUDIT_SHORTEN, subject=str(last))
            transaction.audit.add(entry)
        return last

    return store.run(work)


def test_a_ledger_that_is_shortened_by_age_is_right_from_its_start_on(store):
    whole = verify(store).head
    start = shorten(store, 4)
    # While the record is in the journal still, and in the ledger
    assert verify(store) == Verification(whole, start=start)
    store.run(lambda transaction: transaction.audit.post(100))
    found = verify(store, noted=whole)
    assert (found.fault, found.head.sequence, found.start) == (None, ENTRIES + 1, start)
    assert verify(store, noted=start).fault is None
    # And what was changed after it is found, and what was noted before it cannot be
    assert "was removed by age" in verify(store, noted=ChainLink(3, "a" * 64)).fault
    assert "computed anew" in verify(store, noted=ChainLink(4, "a" * 64)).fault
    tamper(store, sa.delete(audit_ledger).where(OF_FIVE))
    assert verify(store).fault == "entry 5 was removed"


def test_one_process_at_a_time_shortens_a_ledger_on_a_server(store):
    shorten(store, 1)
    if store.engine.dialect.name == "sqlite":  # its transactions are one after the other
        assert shorten(store, 1).sequence == 2
        return

    def work(transaction):
        transaction.audit.shorten(NOW + timedelta(days=1), 1)
        return store.another().run(lambda other: other.audit.shorten(NOW + timedelta(days=1), 1))

    assert store.run(work) is None


def test_a_start_that_no_entry_records_is_a_fault(store):
    shorten(store, 4, recorded=False)

    assert verify(store).fault == (
        "the entries before entry 5 were removed, and no entry of the log records that"
    )


def test_a_removed_entry_is_found(store):
    tamper(store, sa.delete(audit_ledger).where(OF_FIVE))

    assert verify(store).fault == "entry 5 was removed"


def test_a_removed_entry_whose_followers_were_numbered_anew_is_found(store):
    moves = [
        sa.update(audit_ledger).where(audit_ledger.c.sequence == number).values(sequence=number - 1)
        for number in range(6, ENTRIES + 1)
    ]
    tamper(store, sa.delete(audit_ledger).where(OF_FIVE), *moves)

    assert verify(store).bad_entry == 5


def test_removed_last_entries_are_found(store):
    tamper(store, sa.delete(audit_ledger).where(audit_ledger.c.sequence > 7))

    assert verify(store).fault == "entry 8 and all after it, to 10, were removed"


def test_a_ledger_that_was_emptied_with_its_end_is_found_by_what_was_noted(store):
    noted = verify(store).head
    tamper(store, sa.delete(audit_ledger), sa.delete(audit_head))

    assert verify(store).fault is None
    assert verify(store, noted).bad_entry == 1


@pytest.mark.parametrize("number", [-3, 0, 11, 99])
def test_an_entry_that_was_put_in_is_found(store, number):
    copied = sa.select(
        sa.literal(number),
        *(
            sa.literal("01890a5d-ac96-774b-bcce-b302099a8057") if name == "entry_id" else audit_ledger.c[name]
            for name in COLUMNS
        ),
    ).where(OF_FIVE)
    tamper(store, sa.insert(audit_ledger).from_select(["sequence", *COLUMNS], copied))

    found = verify(store)
    assert found.bad_entry == (11 if number == 99 else number)


def test_entries_of_which_two_were_swapped_are_found(store):
    def move(old, new):
        return sa.update(audit_ledger).where(audit_ledger.c.sequence == old).values(sequence=new)

    tamper(store, move(5, 99), move(6, 5), move(99, 6))

    assert verify(store).bad_entry == 5


def test_a_chain_that_was_computed_anew_is_found_by_what_was_noted(store):
    # Given an attacker who changes an entry, and computes all later hashes
    noted = verify(store).head
    tamper(store, sa.update(audit_ledger).where(OF_FIVE).values(subject="tampered"))
    link = CHAIN_START
    for linked in AuditReader(store.unit_of_work).ledger():
        link = link.next(linked.row)
        tamper(
            store,
            sa.update(audit_ledger).where(audit_ledger.c.sequence == link.sequence).values(hash=link.hash),
        )
    tamper(store, sa.update(audit_head).values(hash=link.hash))
    # Then the chain is right in itself, and is not the one that was noted
    assert verify(store).fault is None
    assert verify(store, noted).bad_entry == ENTRIES
    assert verify(store, ChainLink(3, noted.hash)).bad_entry == 3
