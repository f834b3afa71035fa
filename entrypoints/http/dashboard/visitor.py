"""The visitor of a page, for templates: its name, its tenant, and the pages that it may open."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from domain.caller import ANONYMOUS_SCOPES, Caller, Scope
from entrypoints.http.json_request import AnyRequest
from entrypoints.http.visitors import stored_session


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry of the navigation: its name (a code of the area `common`), path and scope."""

    name: str
    path: str
    scope: Scope


PROJECTS = Entry("projects", "/dashboard", Scope.JOBS_READ)
ENTRIES = (
    PROJECTS,
    Entry("jobs", "/dashboard/jobs", Scope.JOBS_READ),
    Entry("batches", "/dashboard/batches", Scope.JOBS_READ),
    Entry("cluster", "/dashboard/cluster", Scope.CLUSTER_READ),
)
# Entries for visitors who have signed in.
OWN_ENTRIES = (
    Entry("usage", "/dashboard/usage", Scope.JOBS_READ),
    Entry("keys", "/dashboard/keys", Scope.KEYS_WRITE),
    Entry("members", "/dashboard/members", Scope.KEYS_WRITE),
    Entry("audit", "/dashboard/audit", Scope.KEYS_WRITE),
)
_FORMS: Mapping[str, Scope] = MappingProxyType({scope.value: scope for scope in Scope})


@dataclass(frozen=True, slots=True, kw_only=True)
class Visitor:
    """The visitor of a page.

    Attributes:
        name: The visitor's name; empty if it has not signed in.
        tenant: The tenant that the pages show; empty if no caller is known.
        home: The tenant that the visitor belongs to.
        switches: Whether the visitor may view other tenants.
    """

    name: str = ""
    tenant: str = ""
    home: str = ""
    scopes: frozenset[Scope] = frozenset()
    switches: bool = False

    def may(self, scope: str) -> bool:
        """Whether the visitor has a scope, given by name."""
        return not self.scopes.isdisjoint({_FORMS[scope], Scope.ADMIN})

    def is_at(self, entry: Entry, path: str) -> bool:
        """Whether a page belongs to an entry of the navigation. Other pages belong to the first entry."""
        others = [other for other in self.entries if other is not PROJECTS]
        if entry is PROJECTS:
            return not any(path.startswith(other.path) for other in others)
        return path.startswith(entry.path)

    @property
    def entries(self) -> Sequence[Entry]:
        """The entries of the navigation."""
        entries = (*ENTRIES, *OWN_ENTRIES) if self.name else ENTRIES
        return [entry for entry in entries if self.may(entry.scope)]


def visitor_of(request: AnyRequest, *, asks_for_keys: bool) -> Visitor:
    """Return the visitor of a page."""
    caller: Caller | None = request.scope.get("auth")
    if caller is None:
        return Visitor() if asks_for_keys else Visitor(scopes=ANONYMOUS_SCOPES)
    stored = stored_session(request)
    if stored is None:
        return Visitor(tenant=caller.tenant.name.value, scopes=caller.scopes)
    return Visitor(
        name=stored.session.name,
        tenant=caller.tenant.name.value,
        home=stored.home.name.value,
        scopes=caller.scopes,
        switches=stored.session.switches_tenants,
    )
