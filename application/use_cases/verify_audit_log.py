"""Command: verify the chain of the audit log."""

from dataclasses import dataclass

from application.queries.audit_reader import AuditReader
from domain.audit import CHAIN_START, ChainLink

# Less than any number in a database: an entry that was put in may have any.
_BEFORE_ALL = -(2**63)


@dataclass(frozen=True, slots=True)
class Verification:
    """The outcome of a verification.

    Attributes:
        head: The last link that is right.
        bad_entry: The number of the first entry that is not; None if there is none.
        fault: Its fault, as a sentence.
    """

    head: ChainLink
    bad_entry: int | None = None
    fault: str | None = None


class VerifyAuditLog:
    """Verifies that no entry of the ledger was changed, removed or put in.

    * The number of each entry follows from that of the entry before, and its hash from all before it.
    * The last entry is the one that is recorded as the end of the chain.
    * A link that was noted earlier is still in the chain: one that was computed anew has others.
    """

    def __init__(self, audit_reader: AuditReader) -> None:
        self._audit_reader = audit_reader

    def __call__(self, noted: ChainLink | None = None) -> Verification:
        """Verify all entries, also those that are posted meanwhile; the first fault ends it.

        Args:
            noted: The link that an earlier verification ended with.
        """
        link, after = CHAIN_START, _BEFORE_ALL
        while True:
            begin = link
            for linked in self._audit_reader.ledger(after):
                right = link.next(linked.row)
                if fault := _fault(linked.link, right, noted):
                    return Verification(link, *fault)
                link, after = right, right.sequence
            head = self._audit_reader.head()
            if head.sequence <= link.sequence or link == begin:
                return _at_end(link, head, noted)


def _fault(found: ChainLink, right: ChainLink, noted: ChainLink | None) -> tuple[int, str] | None:
    """Return the number and the fault of an entry that is not the right one."""
    if found.sequence > right.sequence:
        return right.sequence, f"entry {right.sequence} was removed"
    if found.sequence < right.sequence:
        return found.sequence, f"entry {found.sequence} was put in"
    if found.hash != right.hash:
        return right.sequence, f"entry {right.sequence} was changed or put in"
    if noted is not None and noted.sequence == right.sequence and noted.hash != right.hash:
        return right.sequence, f"the chain was computed anew: entry {right.sequence} has not the noted hash"
    return None


def _at_end(link: ChainLink, head: ChainLink, noted: ChainLink | None) -> Verification:
    last = max(head.sequence, 0 if noted is None else noted.sequence)
    if last > link.sequence:
        missing = link.sequence + 1
        return Verification(link, missing, f"entry {missing} and all after it, to {last}, were removed")
    if head != link:
        return Verification(link, link.sequence, f"the end of the chain is not entry {link.sequence}")
    return Verification(link)
