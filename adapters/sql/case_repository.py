"""SQL repository of cases."""

from collections.abc import Collection, Sequence
from dataclasses import fields
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from adapters.sql.database_time import database_time, is_from_the_future, microseconds
from adapters.sql.errors import inserted
from adapters.sql.fair_claim import FairClaim
from adapters.sql.tables import case_ranges, case_results, case_runs, job_builds, jobs
from application.ports.case_repository import CaseRange, CaseRepository, CaseRun, JobBuild
from domain.blob import BlobRef
from domain.cases import CaseResult, Verdict
from domain.execution import Output
from domain.job_lifecycle import JobStatus
from domain.tenant import TenantName
from domain.values import JobId

_BODY = tuple(field.name for field in fields(CaseResult) if field.name not in {"index", "verdict"})
_DEFAULTS = {field.name: field.default for field in fields(CaseResult)}

_of_job: sa.BindParameter[Any] = sa.bindparam("of_job")
_is_running = sa.exists().where(
    jobs.c.job_id == case_ranges.c.job_id, jobs.c.status == JobStatus.RUNNING.value
)
# A lease has also expired if its start lies in the future, because the clock was set back.
_is_free = sa.or_(
    case_ranges.c.leased_at.is_(None),
    case_ranges.c.lease_expires_at < database_time(),
    is_from_the_future(case_ranges.c.leased_at),
)
_lease = {
    "leased_at": database_time(),
    "lease_expires_at": database_time(sa.bindparam("lease_us", type_=sa.BigInteger)),
}
_is_this = case_ranges.c.range_id == sa.bindparam("id")
_are_these = case_ranges.c.range_id.in_(sa.bindparam("ids", expanding=True))

_ADD_RUN = sa.insert(case_runs)
_ADD_RANGE = sa.insert(case_ranges).values(
    tenant=sa.select(jobs.c.tenant).where(jobs.c.job_id == _of_job).scalar_subquery()
)
_ADD_BUILDS = sa.insert(job_builds).values(
    tenant=sa.select(jobs.c.tenant).where(jobs.c.job_id == _of_job).scalar_subquery()
)
_FIND_BUILD = (
    sa.select(job_builds)
    .where(job_builds.c.tenant == sa.bindparam("of_tenant"), job_builds.c.build_key == sa.bindparam("key"))
    .limit(1)
)
_GET = sa.select(case_runs).where(case_runs.c.job_id == _of_job)
_RANGE_COLUMNS = (
    case_ranges.c.range_id,
    case_ranges.c.job_id,
    case_ranges.c.tenant,
    case_ranges.c.first_index,
    case_ranges.c.last_index,
)
# Ranges locked by other claims are skipped, not waited for.
_NEXT = (
    sa.select(*_RANGE_COLUMNS)
    .where(case_ranges.c.job_id == _of_job, _is_free, _is_running)
    .order_by(case_ranges.c.first_index)
    .limit(1)
    .with_for_update(skip_locked=True)
)
_TAKE = sa.update(case_ranges).where(_is_this).values(range_id=sa.bindparam("new_id"), **_lease)
_SHORTEN = sa.update(case_ranges).where(_is_this).values(first_index=sa.bindparam("begin"))
_ADD_CLAIM = _ADD_RANGE.values(**_lease)
_DONE = sa.select(case_results.c.case_index).where(
    case_results.c.job_id == _of_job,
    case_results.c.case_index.between(sa.bindparam("first"), sa.bindparam("last")),
)
_claims = sa.func.sum(sa.case((_is_free, 0), else_=1))
_OFFERED = (
    sa.select(case_ranges.c.job_id)
    .join(jobs, jobs.c.job_id == case_ranges.c.job_id)
    .where(
        jobs.c.status == JobStatus.RUNNING.value,
        case_ranges.c.tenant.not_in(sa.bindparam("held_back", expanding=True)),
    )
    .group_by(case_ranges.c.job_id)
    .having(sa.func.count() > _claims)
    .order_by(_claims, case_ranges.c.job_id)
    .limit(sa.bindparam("limit"))
)
_OFFERED_IN = _OFFERED.where(jobs.c.language.in_(sa.bindparam("languages", expanding=True)))
# One range of each job belongs to the leader, whose execution is counted already.
_helpers = sa.func.count() - sa.func.count(sa.distinct(case_ranges.c.job_id))
_HELPERS_OF_TENANTS = (
    sa.select(case_ranges.c.tenant, _helpers.label("helpers"))
    .where(sa.not_(_is_free))
    .group_by(case_ranges.c.tenant)
)
_REMAINING = sa.select(sa.func.count()).select_from(case_ranges).where(case_ranges.c.job_id == _of_job)
_RENEW_THIS = sa.update(case_ranges).where(_is_this, _is_running).values(**_lease)
_RENEW = sa.update(case_ranges).where(_are_these, _is_running).values(**_lease)
_HELD = sa.select(case_ranges.c.range_id).where(_are_these, _is_running)
_RELEASE = sa.update(case_ranges).where(_are_these).values(leased_at=None, lease_expires_at=None)
_JOB_OF = sa.select(case_ranges.c.job_id).where(_is_this)
_REMOVE_RANGE = sa.delete(case_ranges).where(_is_this)
_ADD_RESULTS = sa.insert(case_results)
_RESULTS = (
    sa.select(case_results.c.case_index, case_results.c.verdict, case_results.c.body)
    .where(case_results.c.job_id == _of_job)
    .order_by(case_results.c.case_index)
)
_SKIP_AFTER = (
    sa.update(case_runs)
    .where(
        case_runs.c.job_id == _of_job,
        sa.or_(case_runs.c.skip_after.is_(None), case_runs.c.skip_after > sa.bindparam("index")),
    )
    .values(skip_after=sa.bindparam("index"))
)


class SqlCaseRepository(CaseRepository):
    """Repository of the cases of jobs: ranges to run, and results."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def open(
        self, job_id: JobId, range_id: UUID, total: int, run: CaseRun, builds: Collection[JobBuild] = ()
    ) -> bool:
        """Record that a job's program is built, which opens its cases to claims; return False if it was."""
        row = {
            "job_id": job_id,
            **_build_columns(run.tree, run.compile_output),
            "skip_after": run.skip_after,
        }
        if not inserted(lambda: self._connection.execute(_ADD_RUN, row)):
            return False
        self._connection.execute(_ADD_RANGE, _range_row(job_id, range_id, 0, total - 1))
        for build in builds:
            columns = _build_columns(build.tree, build.compile_output)
            row = {"job_id": job_id, "of_job": job_id, "build_key": build.key, **columns}
            self._connection.execute(_ADD_BUILDS, row)
        return True

    def find_build(self, tenant: TenantName, key: str) -> JobBuild | None:
        """Return a build with a key from any of the tenant's jobs, or None."""
        wanted = {"of_tenant": tenant.value, "key": key}
        row = self._connection.execute(_FIND_BUILD, wanted).mappings().first()
        if row is None:
            return None
        tree = BlobRef(row["tree_sha256"], row["tree_size"])
        return JobBuild(key=key, tree=tree, compile_output=_to_output(row))

    def get(self, job_id: JobId) -> CaseRun | None:
        """Return the case run of a job, or None if its program is not built."""
        row = self._connection.execute(_GET, {"of_job": job_id}).mappings().first()
        return None if row is None else _to_run(row)

    def claim(self, job_id: JobId, range_id: UUID, limit: int, lease_s: float) -> CaseRange | None:
        """Claim up to `limit` cases from the front of the first free range."""
        row = self._connection.execute(_NEXT, {"of_job": job_id}).mappings().first()
        if row is None:
            return None
        first, last = row["first_index"], row["last_index"]
        lease = {"lease_us": microseconds(lease_s)}
        if last - first < limit:
            self._connection.execute(_TAKE, {"id": row["range_id"], "new_id": range_id, **lease})
        else:
            self._connection.execute(_SHORTEN, {"id": row["range_id"], "begin": first + limit})
            last = first + limit - 1
            self._connection.execute(_ADD_CLAIM, {**_range_row(job_id, range_id, first, last), **lease})
        done = self._connection.execute(_DONE, {"of_job": job_id, "first": first, "last": last}).scalars()
        return CaseRange(
            id=range_id,
            job_id=job_id,
            tenant=TenantName(row["tenant"]),
            first=first,
            last=last,
            done=frozenset(done),
        )

    def offered(self, languages: Collection[str] | None, limit: int) -> Sequence[JobId]:
        """Return up to `limit` RUNNING jobs with cases that can be claimed."""
        if self._connection.execute(sa.select(case_ranges.c.range_id).limit(1)).first() is None:
            return []
        helpers = {row.tenant: row.helpers for row in self._connection.execute(_HELPERS_OF_TENANTS)}
        held_back = FairClaim(self._connection).held_back(helpers)
        wanted: dict[str, Any] = {"held_back": sorted(held_back), "limit": limit}
        if languages is None:
            return list(self._connection.execute(_OFFERED, wanted).scalars())
        return list(
            self._connection.execute(_OFFERED_IN, {**wanted, "languages": sorted(languages)}).scalars()
        )

    def remaining(self, job_id: JobId) -> int:
        """Return the number of a job's unfinished ranges."""
        return self._connection.execute(_REMAINING, {"of_job": job_id}).scalar_one()

    def record(
        self, range_id: UUID, results: Sequence[CaseResult], *, is_done: bool, lease_s: float
    ) -> CaseRun | None:
        """Store results if the claim is still valid, and renew its lease; return None if it is not."""
        lease = {"id": range_id, "lease_us": microseconds(lease_s)}
        if self._connection.execute(_RENEW_THIS, lease).rowcount != 1:
            return None
        job_id = self._connection.execute(_JOB_OF, {"id": range_id}).scalar_one()
        if results:
            self._connection.execute(_ADD_RESULTS, [_result_row(job_id, result) for result in results])
        if is_done:
            self._connection.execute(_REMOVE_RANGE, {"id": range_id})
        return self.get(job_id)

    def skip_after(self, job_id: JobId, index: int) -> None:
        """Skip the cases after an index."""
        self._connection.execute(_SKIP_AFTER, {"of_job": job_id, "index": index})

    def renew(self, range_ids: Collection[UUID], lease_s: float) -> set[UUID]:
        """Renew the leases of claims; return the ones that are still valid."""
        if not range_ids:
            return set()
        ids = sorted(range_ids)
        self._connection.execute(_RENEW, {"ids": ids, "lease_us": microseconds(lease_s)})
        return set(self._connection.execute(_HELD, {"ids": ids}).scalars())

    def release(self, range_ids: Collection[UUID]) -> None:
        """Release claims."""
        if range_ids:
            self._connection.execute(_RELEASE, {"ids": sorted(range_ids)})

    def results(self, job_id: JobId) -> Sequence[CaseResult]:
        """Return the results so far, sorted by index."""
        return [_to_result(row) for row in self._connection.execute(_RESULTS, {"of_job": job_id}).mappings()]


def _range_row(job_id: JobId, range_id: UUID, first: int, last: int) -> dict[str, Any]:
    return {
        "range_id": range_id,
        "job_id": job_id,
        "of_job": job_id,
        "first_index": first,
        "last_index": last,
    }


def _build_columns(tree: BlobRef | None, output: Output | None) -> dict[str, Any]:
    return {
        "tree_sha256": None if tree is None else tree.sha256,
        "tree_size": None if tree is None else tree.size,
        "compile_output": None if output is None else output.text,
        "compile_output_bytes": None if output is None else output.total_bytes,
        "compile_output_truncated": None if output is None else output.truncated,
    }


def _result_row(job_id: JobId, result: CaseResult) -> dict[str, Any]:
    """Return the row of a result, without parts of the body that have default values."""
    values = {name: getattr(result, name) for name in _BODY}
    return {
        "job_id": job_id,
        "case_index": result.index,
        "verdict": result.verdict.value,
        "body": {name: value for name, value in values.items() if value != _DEFAULTS[name]},
    }


def _to_result(row: sa.RowMapping) -> CaseResult:
    known: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value
        for name, value in row["body"].items()
        if name in _BODY
    }
    return CaseResult(index=row["case_index"], verdict=Verdict(row["verdict"]), **known)


def _to_run(row: sa.RowMapping) -> CaseRun:
    tree = None if row["tree_sha256"] is None else BlobRef(row["tree_sha256"], row["tree_size"])
    return CaseRun(tree=tree, compile_output=_to_output(row), skip_after=row["skip_after"])


def _to_output(row: sa.RowMapping) -> Output | None:
    if row["compile_output"] is None:
        return None
    return Output(row["compile_output"], row["compile_output_bytes"], row["compile_output_truncated"])
