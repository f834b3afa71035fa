"""Schemas of case sets."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, Self

from msgspec import Meta, Struct

from application.queries.case_set_reader import CaseSetPage
from application.submitted_cases import NewCase
from domain.case_set import CaseSetVersion
from domain.cases import OUTPUT_HEAD_CHARS, Case
from domain.catalogue.text import text
from domain.errors import InvalidValue
from entrypoints.http.schemas.requests import CaseRequest


class CaseSetRequest(Struct, kw_only=True, forbid_unknown_fields=True):
    """The cases of a set."""

    cases: Annotated[
        tuple[CaseRequest, ...] | None,
        Meta(
            description="The cases, in order. Instead of JSON, the body may be an archive of `*.in` "
            "and `*.out` (or `*.ans`) files, as `application/zip`, `application/gzip` or "
            "`application/x-tar`, or in the part `archive` of a multipart body."
        ),
    ] = None

    def given(self) -> Sequence[NewCase]:
        """Return the cases.

        Raises:
            InvalidValue: There are none.
        """
        if self.cases is None:
            raise InvalidValue("cases", text("problems.cases_required"))
        return tuple(case.case(index) for index, case in enumerate(self.cases))


class CaseSetVersionResponse(Struct, kw_only=True):
    """A version of a case set."""

    name: Annotated[str, Meta(description="The set's name.", examples=["sums"])]
    version: Annotated[int, Meta(description="The number of the version; the first is 1.", examples=[3])]
    case_set: Annotated[
        str, Meta(description="This version as an upload names it in `case_set`.", examples=["sums@3"])
    ]
    total: Annotated[int, Meta(description="The number of cases.", examples=[100])]
    stored_bytes: Annotated[int, Meta(description="The size of all cases, in bytes.", examples=[20480])]
    created_at: datetime
    created_by: Annotated[
        str, Meta(description="The principal that stored the version.", examples=["anonymous"])
    ]

    @classmethod
    def of(cls, version: CaseSetVersion) -> Self:
        """Present a version."""
        return cls(
            name=version.name.value,
            version=version.number,
            case_set=str(version.reference),
            total=version.total,
            stored_bytes=version.manifest.size,
            created_at=version.created_at,
            created_by=version.created_by,
        )


class StoredCaseSetResponse(CaseSetVersionResponse, kw_only=True):
    """The version that has the submitted cases."""

    project: Annotated[str, Meta(description="The project's name.", examples=["demo"])]
    is_new: Annotated[
        bool,
        Meta(
            description="Whether a new version was created; false if the latest version has the same cases.",
            examples=[True],
        ),
    ]


class CaseSetCase(Struct, kw_only=True):
    """A case of a set. For a hidden case, its input, arguments and answer are null."""

    name: Annotated[str, Meta(examples=["small"])]
    weight: Annotated[float, Meta(examples=[1.0])]
    hidden: Annotated[bool, Meta(examples=[False])]
    limits: Annotated[
        dict[str, int], Meta(description="Limits that differ from those of the job.", examples=[{}])
    ]
    args: Annotated[
        tuple[str, ...] | None,
        Meta(description="Arguments that replace those of the job; null if there are none."),
    ]
    stdin: Annotated[str | None, Meta(description="The beginning of the input.", examples=["2 3\n"])]
    expected_stdout: Annotated[
        str | None, Meta(description="The beginning of the expected output.", examples=["5\n"])
    ]
    stdin_bytes: Annotated[int, Meta(description="The size of the input, in bytes.", examples=[4])]
    expected_bytes: Annotated[
        int | None,
        Meta(description="The size of the expected output, in bytes; null if there is none.", examples=[2]),
    ]

    @classmethod
    def of(cls, case: Case) -> Self:
        """Present a case."""
        return cls(
            name=case.name,
            weight=case.weight,
            hidden=case.hidden,
            limits=dict(case.limits),
            args=None if case.hidden else case.args,
            stdin=None if case.hidden else _head(case.stdin),
            expected_stdout=None if case.hidden or case.expected is None else _head(case.expected),
            stdin_bytes=len(case.stdin),
            expected_bytes=None if case.expected is None else len(case.expected),
        )


class CaseSetResponse(CaseSetVersionResponse, kw_only=True):
    """A version of a case set, with some of its cases and the other versions."""

    project: Annotated[str, Meta(description="The project's name.", examples=["demo"])]
    versions: Annotated[list[CaseSetVersionResponse], Meta(description="The latest versions, newest first.")]
    offset: Annotated[int, Meta(description="The index of the first of `cases`.", examples=[0])]
    cases: list[CaseSetCase]

    @classmethod
    def of_page(cls, page: CaseSetPage) -> Self:
        """Present a page."""
        return cls(
            **fields_of(page.version),
            project=page.project.name.value,
            versions=[CaseSetVersionResponse.of(version) for version in page.versions],
            offset=page.offset,
            cases=[CaseSetCase.of(case) for case in page.cases],
        )


def fields_of(version: CaseSetVersion) -> dict[str, Any]:
    """Return the fields of a version by name."""
    shown = CaseSetVersionResponse.of(version)
    return {name: getattr(shown, name) for name in shown.__struct_fields__}


def _head(content: bytes) -> str:
    """Return the beginning of a text, with replacement characters for bytes that are cut or not UTF-8."""
    return content[:OUTPUT_HEAD_CHARS].decode("utf-8", "replace")
