"""Reads of case sets."""

from collections.abc import Sequence
from dataclasses import dataclass

from application.blobs import Blobs
from application.case_manifest import CaseManifest
from application.errors import NotFound
from application.ports.unit_of_work import Transaction, UnitOfWork
from application.project_lookup import existing_project
from domain.caller import Caller
from domain.case_set import CaseSetName, CaseSetReference, CaseSetVersion
from domain.cases import Case
from domain.project import Project
from domain.values import parse_project_reference

# The maximum number of versions that are shown of one set.
_VERSIONS = 100


@dataclass(frozen=True, slots=True)
class CaseSetPage:
    """A version of a case set, and some of its cases.

    Attributes:
        versions: The latest versions of the set, newest first.
        offset: The index of the first of the cases.
    """

    project: Project
    version: CaseSetVersion
    versions: Sequence[CaseSetVersion]
    offset: int
    cases: Sequence[Case]


class CaseSetReader:
    """Reads case sets of projects."""

    def __init__(self, unit_of_work: UnitOfWork, blobs: Blobs) -> None:
        self._unit_of_work = unit_of_work
        self._blobs = blobs

    def all(
        self, caller: Caller, project: str, after: str | None, limit: int
    ) -> tuple[Project, Sequence[CaseSetVersion]]:
        """Return a project and the latest versions of its case sets, sorted by name, after a given name.

        Raises:
            InvalidValue: A name breaks its rule.
            NotFound: There is no such project.
        """
        name = None if after is None else CaseSetName(after)

        def work(transaction: Transaction) -> tuple[Project, Sequence[CaseSetVersion]]:
            owner = existing_project(transaction, caller, parse_project_reference(project))
            return owner, transaction.case_sets.latest(owner, name, limit)

        return self._unit_of_work.read(work)

    def page(
        self, caller: Caller, project: str, reference: CaseSetReference, offset: int, limit: int
    ) -> CaseSetPage:
        """Return a version of a case set with some of its cases.

        Raises:
            InvalidValue: The project's name breaks its rule.
            NotFound: There is no such version.
            StorageUnavailable: Its cases cannot be read.
        """

        def work(transaction: Transaction) -> tuple[Project, CaseSetVersion, Sequence[CaseSetVersion]]:
            owner = existing_project(transaction, caller, parse_project_reference(project))
            version = find_case_set(transaction, owner, reference)
            return owner, version, transaction.case_sets.versions(owner, reference.name, _VERSIONS)

        owner, version, versions = self._unit_of_work.read(work)
        cases: Sequence[Case] = ()
        if limit > 0 and offset < version.total:
            manifest = CaseManifest(self._blobs.read(version.tenant, version.manifest))
            cases = [manifest[index] for index in range(offset, min(offset + limit, version.total))]
        return CaseSetPage(owner, version, versions, offset, cases)


def find_case_set(transaction: Transaction, project: Project, reference: CaseSetReference) -> CaseSetVersion:
    """Return a version of a case set, or the latest one.

    Raises:
        NotFound: There is no such version.
    """
    version = transaction.case_sets.get(project, reference)
    if version is None:
        raise NotFound("case set", reference)
    return version
