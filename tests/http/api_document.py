"""Holds every answer of the service against its own OpenAPI document."""

import json
import re
from collections.abc import Mapping
from functools import cached_property
from typing import Any

import httpx
import jsonschema_rs

from entrypoints.http.json_request import shortened_name

# Headers that are about the connection or one message, and CORS's own: no API document lists them.
_OF_TRANSPORT = {
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "date",
    "transfer-encoding",
}
_STREAM = "text/event-stream"
_PROBLEM = "application/problem+json"
# Places of an error in a URL that cannot be decoded.
_PARTS_OF_URL = {"path", "query"}


class ApiDocument:
    """The document that a service describes itself by."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        self.content = document
        self._validators: dict[str, Any] = {}

    @cached_property
    def operations(self) -> list[tuple[re.Pattern[str], str, Mapping[str, Any]]]:
        """A pattern of each path, the path, and its operations. A path without parameters goes first."""
        paths = sorted(self.content["paths"].items(), key=lambda item: item[0].count("{"))
        return [(_pattern(path), path, operations) for path, operations in paths]

    def check(self, response: httpx.Response) -> None:
        """Fail for an answer that the document does not describe."""
        method = "get" if response.request.method == "HEAD" else response.request.method.lower()
        path = response.request.url.raw_path.decode("ascii").partition("?")[0]
        found = next(
            ((path_, ops) for pattern, path_, ops in self.operations if pattern.fullmatch(path)), None
        )
        if found is None or method not in found[1]:
            return  # answered by no operation: tests of errors look at these
        template, operations = found
        status = str(response.status_code)
        name = f"{method.upper()} {template}: {status}"
        described = operations[method]["responses"].get(status)
        assert described is not None, f"{name} is not in the document"
        described = self._resolved(described)
        documented = _OF_TRANSPORT.union(map(str.lower, described["headers"]))
        unknown = [
            header
            for header in response.headers
            if header not in documented and not header.startswith("access-control-")
        ]
        assert not unknown, f"{name} has headers that are not in the document: {unknown}"
        media_type = response.headers.get("content-type", "").partition(";")[0]
        assert media_type in described.get("content", {"": {}}), f"{name} is {media_type}"
        if media_type.endswith("json") and response.request.method != "HEAD":
            schema = described["content"][media_type]["schema"]
            content = _json(response)
            validator = self._validator(schema)
            assert validator.is_valid(content), f"{name}: {next(validator.iter_errors(content))}"
            if media_type == _PROBLEM:
                parameters = operations[method].get("parameters", ())
                taken = {parameter["name"] for parameter in parameters if parameter.get("required")}
                named = {fault["parameter"] for fault in content.get("errors", ()) if "parameter" in fault}
                sent = {shortened_name(key) for key in response.request.url.params}
                unknown = named - taken - sent - _PARTS_OF_URL
                assert not unknown, f"{name} names parameters that it neither takes nor got: {unknown}"

    def _resolved(self, described: Mapping[str, Any]) -> Mapping[str, Any]:
        reference = described.get("$ref")
        return self.content["components"]["responses"][reference.split("/")[-1]] if reference else described

    def _validator(self, schema: Mapping[str, Any]) -> Any:
        key = json.dumps(schema)  # most operations have the same errors
        if key not in self._validators:
            self._validators[key] = jsonschema_rs.Draft202012Validator(
                {
                    "$defs": {"schema": schema},
                    "$ref": "#/$defs/schema",
                    "components": self.content["components"],
                },
                validate_formats=True,
            )
        return self._validators[key]


def _json(response: httpx.Response) -> Any:
    response.read()
    return response.json()


def _pattern(path: str) -> re.Pattern[str]:
    return re.compile(
        "".join("[^/]+" if part.startswith("{") else re.escape(part) for part in re.split(r"(\{\w+\})", path))
    )
