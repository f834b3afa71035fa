"""Errors that are answered before the framework has seen the request."""

import msgspec

from entrypoints.http.errors import ProblemType
from entrypoints.http.request_id import request_id
from entrypoints.http.schemas.problem import Problem


def encode_problem(kind: ProblemType, detail: str, instance: str) -> bytes:
    """Return the body of an answer to the current request, in the form that every error has."""
    problem = Problem(
        type=kind.type,
        title=kind.title,
        status=kind.status,
        detail=detail,
        instance=instance,
        request_id=request_id.get(),
    )
    return msgspec.json.encode(problem)
