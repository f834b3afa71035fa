"""Command: verify the chain of the audit log."""

from dataclasses import dataclass

from application.queries.audit_reader import AuditReader
from domain.audit import CHAIN_START, Act, ChainLink, EntryRow

# Less than any number in the database, because an inserted entry may have any number.
_BEFORE_ALL = -(2**63)
# How many journal entries, not yet posted, are searched for the entry that records the chain's start.
_JOURNAL_READ = 10_000


@dataclass(frozen=True, slots=True)
class Verification:
    """The outcome of a verification.

    Attributes:
        head: The last valid link.
        bad_entry: The number of the first invalid entry; None if there is none.
        fault: Its fault, as a sentence.
        start: The link of the last entry that was removed by age, where the verification starts.
    """

    head: ChainLink
    bad_entry: int | None = None
    fault: str | None = None
    start: ChainLink = CHAIN_START


class VerifyAuditLog:
    """Verifies that no entry of the ledger was changed, removed or inserted.

    * The number of each entry follows from that of the entry before it, and its hash from all entries before
      it.
    * Entries removed by retention are not faults: the link of the last removed entry is stored, and another
      entry records it.
    * The last entry is the one recorded as the end of the chain.
    * The chain still contains a link that was noted earlier; a recomputed chain would have other links.
    """

    def __init__(self, audit_reader: AuditReader) -> None:
        self._audit_reader = audit_reader

    def __call__(self, noted: ChainLink | None = None) -> Verification:
        """Verify all entries, including those posted meanwhile, up to the first fault.

        Args:
            noted: The link with which an earlier verification ended.
        """
        while True:
            start = self._audit_reader.start()
            found = self._verify(start, noted)
            if found.fault is None or self._audit_reader.start() == start:
                return found

    def _verify(self, start: ChainLink, noted: ChainLink | None) -> Verification:
        if noted is not None and (fault := _fault_at_start(start, noted)):
            return Verification(start, noted.sequence, fault, start)
        link, after, is_recorded = start, _BEFORE_ALL, start == CHAIN_START
        while True:
            begin = link
            for linked in self._audit_reader.ledger(after):
                right = link.next(linked.row)
                if faults := _fault(linked.link, right, noted):
                    return Verification(link, *faults, start)
                is_recorded = is_recorded or _records(linked.row, start)
                link, after = right, right.sequence
            head = self._audit_reader.head()
            if head.sequence <= link.sequence or link == begin:
                break
        found = _at_end(link, head, noted, start)
        if found.fault is None and not (is_recorded or self._is_to_be_recorded(start)):
            first = start.sequence + 1
            fault = f"the entries before entry {first} were removed, and no entry of the log records that"
            return Verification(start, first, fault, start)
        return found

    def _is_to_be_recorded(self, start: ChainLink) -> bool:
        return any(_records(row, start) for row in self._audit_reader.journal(_JOURNAL_READ))


def _records(row: EntryRow, start: ChainLink) -> bool:
    return row.act == Act.AUDIT_SHORTEN and row.subject == str(start)


def _fault_at_start(start: ChainLink, noted: ChainLink) -> str | None:
    """Return the fault of a noted link that does not match the start of the chain, if any."""
    if noted.sequence < start.sequence:
        return (
            f"the noted entry {noted.sequence} was removed by age, as all entries to {start.sequence}; note "
            "the end of the chain more often than that"
        )
    if noted.sequence == start.sequence and noted.hash != start.hash:
        return f"the chain was computed anew: entry {start.sequence} has not the noted hash"
    return None


def _fault(found: ChainLink, right: ChainLink, noted: ChainLink | None) -> tuple[int, str] | None:
    """Return the number and the fault of an entry that does not match the expected link, if any."""
    if found.sequence > right.sequence:
        return right.sequence, f"entry {right.sequence} was removed"
    if found.sequence < right.sequence:
        return found.sequence, f"entry {found.sequence} was put in"
    if found.hash != right.hash:
        return right.sequence, f"entry {right.sequence} was changed or put in"
    if noted is not None and noted.sequence == right.sequence and noted.hash != right.hash:
        return right.sequence, f"the chain was computed anew: entry {right.sequence} has not the noted hash"
    return None


def _at_end(link: ChainLink, head: ChainLink, noted: ChainLink | None, start: ChainLink) -> Verification:
    last = max(head.sequence, 0 if noted is None else noted.sequence)
    if last > link.sequence:
        missing = link.sequence + 1
        fault = f"entry {missing} and all after it, to {last}, were removed"
        return Verification(link, missing, fault, start)
    if head != link:
        fault = f"the end of the chain is not entry {link.sequence}"
        return Verification(link, link.sequence, fault, start)
    return Verification(link, start=start)
