"""Faults in a request's input, from the messages of the decoder, the framework and the domain."""

import re
from collections.abc import Iterator, Sequence
from difflib import get_close_matches
from enum import Enum
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from litestar.exceptions import ValidationException
from msgspec import Struct
from msgspec.structs import fields

from application.errors import RefusedJob
from domain.catalogue.text import Text
from entrypoints.http.json_request import AnyRequest, shortened_name
from entrypoints.http.schemas.problem import Fault
from entrypoints.http.unreadable_body import UNKNOWN_FIELD, UnreadableBody

_PLACE = re.compile(r" - at `\$(?P<path>[^`]*)`$")
_STEP = re.compile(r"\.(?P<key>[^.\[\]]+)|\[(?P<index>\d+)\]")
_NAMED = re.compile(r"Object (?P<what>missing required|contains unknown) field `(?P<name>.*)`", re.DOTALL)
_NO_MEMBER = "Invalid enum value "
# A sentence with more names than these helps no reader.
_MAX_NAMES = 24
_ARRAYS = (list, tuple)
_MISSING = re.compile(r"Missing required \w+ parameter '(?P<name>\w+)'")
_ALTERNATIVES = (Annotated, Union, UnionType)
_TYPES = {"str": "string", "int": "integer", "float": "number", "bool": "boolean"}
_TYPE = re.compile(r"\b(?:str|int|float|bool)\b")
_NO_BODY = Fault(pointer="", detail="a JSON body is required")


def of_value(request: AnyRequest, name: str, detail: Text | str) -> Fault:
    """Locate a value that violates a rule: in the URL, otherwise in the body.

    The route's `names` has the parameters whose names differ from those of the rules; an empty name means
    the body.
    """
    parameter = request.route_handler.opt.get("names", {}).get(name, name)
    if not parameter:
        return Fault(pointer="", detail=str(detail))
    field = request.route_handler.parsed_data_field
    head, *steps = name.split("/")
    pointer = None if field is None else _pointer(field.raw, head) or _pointer(field.raw, parameter)
    if parameter in request.path_params or parameter in request.query_params or pointer is None:
        return Fault(parameter=shortened_name(parameter), detail=str(detail))
    return Fault(pointer="/".join((pointer, *map(shortened_name, steps))), detail=str(detail))


def of_job(refused: RefusedJob) -> Fault:
    """Locate the fault of a job in the body of a batch."""
    place = f"/{refused.field}" if refused.field else ""
    return Fault(pointer=f"/jobs/{refused.index}{place}", index=refused.index, detail=str(refused.detail))


def of_body(error: UnreadableBody) -> Fault:
    """Locate a fault in the body; an unreadable body has it at the root."""
    text = str(error)
    place = _PLACE.search(text)
    steps = [shortened_name(step) for step in error.path]
    steps += [] if place is None else [m["key"] or m["index"] for m in _STEP.finditer(place["path"])]
    text = _PLACE.sub("", text)
    named = _NAMED.fullmatch(text)
    if named is not None:
        steps.append(shortened_name(named["name"]))
        text = "is required" if named["what"] == "missing required" else UNKNOWN_FIELD
    if text == UNKNOWN_FIELD:
        known = [name for taken in _types_at(error.wanted, steps[:-1]) for name in _fields_of(taken)]
        text += _instead_of(steps[-1], known)
    elif text.startswith(_NO_MEMBER):
        allowed = [member for taken in _types_at(error.wanted, steps) for member in _members_of(taken)]
        text = f"must be one of {', '.join(allowed)}" if allowed else _plain(text)
    elif named is None:
        text = _plain(text)
    pointer = "".join("/" + step.replace("~", "~0").replace("/", "~1") for step in steps)
    return Fault(pointer=pointer, detail=text)


def of_parameters(request: AnyRequest, error: ValidationException) -> list[Fault]:
    """Describe the fault of each invalid parameter, and of a required body that is missing."""
    missing = _MISSING.match(error.detail)
    if missing is not None:
        return [Fault(parameter=missing["name"], detail="is required")]
    field = request.route_handler.parsed_data_field
    needs_body = field is not None and not field.is_optional
    faults = (_of_extra(extra) for extra in error.extra or () if isinstance(extra, dict))
    return [fault for fault in faults if needs_body or fault != _NO_BODY]


def _of_extra(extra: dict[str, Any]) -> Fault:
    name = extra.get("key", "")
    if name == "data":  # the framework's name for a body; this one is missing
        return _NO_BODY
    return Fault(parameter=name, detail=_plain(extra["message"].partition(", got")[0]))


def _pointer(body: object, name: str) -> str | None:
    """Return the JSON pointer to a member in a body of a type, or in an object within it."""
    structs = list(_structs(body))
    if any(name in struct.__struct_fields__ for struct in structs):
        return f"/{name}"
    for struct in structs:
        for field in fields(struct):
            inner = _pointer(field.type, name)
            if inner is not None:
                return f"/{field.encode_name}{inner}"
    return None


def _instead_of(name: str, known: Sequence[str]) -> str:
    """Name the fields that an unknown one may mean: all of a few, or the similar ones of many."""
    if len(known) <= _MAX_NAMES:
        return f"; expected {', '.join(known)}" if known else ""
    similar = get_close_matches(name, known)
    return f"; did you mean {' or '.join(similar)}?" if similar else ""


def _types_at(annotation: object, steps: Sequence[str]) -> Iterator[type]:
    """Yield the types that a value may have at a path within a type."""
    arguments = get_args(annotation)
    if get_origin(annotation) in _ALTERNATIVES:
        for argument in arguments:
            yield from _types_at(argument, steps)
    elif not steps:
        if isinstance(annotation, type):
            yield annotation
    elif isinstance(annotation, type) and issubclass(annotation, Struct):
        for field in fields(annotation):
            if field.encode_name == steps[0]:
                yield from _types_at(field.type, steps[1:])
    elif get_origin(annotation) in _ARRAYS:
        yield from _types_at(arguments[0], steps[1:])


def _fields_of(taken: type) -> Sequence[str]:
    return taken.__struct_encode_fields__ if issubclass(taken, Struct) else ()


def _members_of(taken: type) -> Sequence[str]:
    return [str(member.value) for member in taken] if issubclass(taken, Enum) else ()


def _structs(annotation: object) -> Iterator[type[Struct]]:
    """Yield the structs that a value of a type may be."""
    if isinstance(annotation, type) and issubclass(annotation, Struct):
        yield annotation
    elif get_origin(annotation) in _ALTERNATIVES:
        for argument in get_args(annotation):
            yield from _structs(argument)


def _plain(message: str) -> str:
    """Replace Python's type names by JSON's."""
    plain = _TYPE.sub(lambda match: _TYPES[match[0]], message).replace("`", "'")
    return plain if plain.startswith("JSON") else plain[:1].lower() + plain[1:]
