"""The OpenAPI document: the framework's description of the routes, completed from tables.

The framework describes routes, parameters and schemas. This module adds limits from the settings, headers,
errors that any request may get, and signatures.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import Any, TypeAlias

import msgspec
from litestar import Litestar

from application.errors import NotAuthenticated
from application.queries.cluster_reader import CLUSTER_NAME_MAX_CHARS
from domain.artifacts import DEFAULT_MEDIA_TYPE, MAX_PATTERNS, MEDIA_TYPES
from domain.files import PATH_MAX_BYTES
from domain.idempotency import IDEMPOTENCY_KEY_MAX_CHARS
from domain.language import LANGUAGES
from domain.limits import LimitPolicy
from domain.priority import MAX_PRIORITY
from domain.submission import ENVIRONMENT_NAME, TAG_NAME
from domain.submission_limits import SubmissionLimits
from domain.values import JOB_REFERENCE_MIN_DIGITS, PROJECT_NAME_MAX_CHARS
from domain.webhook_url import URL_MAX_CHARS
from entrypoints.http import webhook_signature
from entrypoints.http.access import SAFETY_HEADERS
from entrypoints.http.callers import SECURITY_SCHEMES
from entrypoints.http.cut_waits import WAIT_HEADER
from entrypoints.http.errors import PROBLEM_TYPES_BY_STATUS
from entrypoints.http.idempotency import IDEMPOTENCY_KEY_HEADER, REPLAYED_HEADER
from entrypoints.http.json_request import IGNORED_FIELDS_HEADER, MULTIPART
from entrypoints.http.rate_limits import LIMIT_HEADER, POLICY_HEADER
from entrypoints.http.request_context import REQUEST_ID_HEADER
from entrypoints.http.schemas.problem import PROBLEM_JSON
from entrypoints.http.upload_form import ARCHIVE, FILES, JOB, STDIN

Json: TypeAlias = dict[str, Any]

# The name of each status code's shared response, and an example of its detail.
_PROBLEMS: Mapping[int, tuple[str, str]] = MappingProxyType(
    {
        400: ("BadRequest", "the request ended before its body was complete"),
        401: ("NotAuthenticated", str(NotAuthenticated())),
        403: ("CrossSiteRequest", "requests from pages of other sites are not allowed"),
        404: ("NotFound", "job '01890a5d-ac96-774b-bcce-b302099a8057' does not exist"),
        408: ("TooSlow", "The rest of the request did not arrive within 15 s."),
        409: ("Conflict", "cannot execute a job that is RUNNING"),
        413: ("TooLarge", "code: has 1048577 bytes; 1048576 are allowed"),
        415: (
            "UnsupportedMediaType",
            "send the body as JSON, with the header Content-Type: application/json",
        ),
        416: ("RangeNotSatisfiable", "the range begins after the end of the content, which has 13 bytes"),
        421: ("MisdirectedRequest", "the requested host is not allowed"),
        422: ("InvalidInput", "language: unsupported language; supported are python, node, java"),
        429: ("QuotaExceeded", "the quota 'uploads_per_day' allows 1000, and 1000 are used"),
        431: ("HeadTooLarge", "The URL and the headers have at most 65536 bytes, in 128 headers."),
        500: ("Internal", "the service failed to answer; its log has the details under this request_id"),
        503: ("Unavailable", "the database is unavailable: no answer"),
    }
)
# Errors of every request; of requests that change something; of requests with a caller; of POST requests; of
# requests that name a resource; and of requests with a JSON body.
_EVERYWHERE = (400, 408, 421, 422, 431, 500, 503)
_UNSAFE = (403,)
_OF_CALLERS = (401, 403, 429)
_POST = (409,)
_NAMING = (404,)
_JSON_BODY = (413, 415)
_UNSAFE_METHODS = frozenset({"post", "put", "patch", "delete"})

_HEADERS: Mapping[str, tuple[str, Json]] = MappingProxyType(
    {
        REQUEST_ID_HEADER: (
            "The request's id: the caller's own, if it sent one that is 1 to 128 of `A-Za-z0-9._:+/=@-`.",
            {"type": "string", "minLength": 1, "maxLength": 128},
        ),
        "Vary": ("The request headers that the answer depends on.", {"type": "string"}),
        "Retry-After": ("Seconds after which it is worth trying again.", {"type": "integer", "minimum": 0}),
        POLICY_HEADER: (
            (
                'The limits in force, such as `"requests_per_s";q=100;w=1`: quantity and window in seconds '
                "(draft-ietf-httpapi-ratelimit-headers). Absent without one."
            ),
            {"type": "string"},
        ),
        LIMIT_HEADER: (
            'What is left of each limit, such as `"requests_per_s";r=99;t=1`. Absent without one.',
            {"type": "string"},
        ),
        "Link": ('The next page, as `<...>; rel="next"` (RFC 8288); absent on the last.', {"type": "string"}),
        "ETag": ("The version of the content, for If-None-Match and If-Range.", {"type": "string"}),
        "X-Accel-Buffering": ("`no`: proxies are to pass events on at once.", {"type": "string"}),
        "Accept-Ranges": ("`bytes`: a part of the content may be asked for.", {"type": "string"}),
        "Content-Disposition": ("`attachment`, with the file's name (RFC 6266).", {"type": "string"}),
        "Content-Range": ("Which part of the content this is, or its size.", {"type": "string"}),
        REPLAYED_HEADER: (
            "`true`: the answer to an earlier request under the same Idempotency-Key.",
            {"type": "string", "enum": ["true"]},
        ),
        "WWW-Authenticate": ("How to bring a key, or to sign a message.", {"type": "string"}),
        "Accept": ("The media type that is taken.", {"type": "string"}),
        "Accept-Encoding": ("The codings of a body that are taken.", {"type": "string"}),
        IGNORED_FIELDS_HEADER: (
            (
                "The body's fields that are not known and were ignored: percent-encoded, at "
                "most sixteen; `%E2%80%A6` stands for what was left out."
            ),
            {"type": "string", "maxLength": 4_096},
        ),
        WAIT_HEADER: (
            "The longest wait, in seconds, where `wait` asked for a longer one.",
            {"type": "string"},
        ),
        **{name: ("The same on every answer.", {"type": "string"}) for name in SAFETY_HEADERS},
    }
)
_ON_EVERY_ANSWER = (REQUEST_ID_HEADER, "Vary", POLICY_HEADER, LIMIT_HEADER, *SAFETY_HEADERS)
_OF_PROBLEMS: Mapping[int, tuple[str, ...]] = MappingProxyType(
    {
        401: ("WWW-Authenticate",),
        409: ("Retry-After",),
        415: ("Accept", "Accept-Encoding"),
        416: ("Content-Range", "ETag"),
        429: ("Retry-After",),
        503: ("Retry-After",),
    }
)
_OF_SUCCESS: Mapping[int, tuple[str, ...]] = MappingProxyType(
    {206: ("Accept-Ranges", "Content-Range", "ETag", "Content-Disposition")}
)
_DESCRIPTIONS: Mapping[int, str] = MappingProxyType({200: "Success."})
_IDEMPOTENCY_KEY: Json = {
    "name": IDEMPOTENCY_KEY_HEADER,
    "in": "header",
    "description": "A name of this request that no other of the tenant has, best a random UUID. Sent again "
    "under it, the request takes effect once, and gets the first answer. With quotes (RFC 9651) or without.",
    "required": False,
    "schema": {
        "type": "string",
        "minLength": 1,
        "maxLength": IDEMPOTENCY_KEY_MAX_CHARS,
        "examples": ["7b8a0c1e-6f5d-4c3b-9a29-1807f6e5d4c3"],
    },
}
_IF_NONE_MATCH: Json = {
    "name": "If-None-Match",
    "in": "header",
    "description": "ETags of the versions that the caller has: of the latest, the answer is 304.",
    "required": False,
    "schema": {"type": "string"},
}

_UUID: Json = {"format": "uuid"}
_COUNT: Json = {"minimum": 0}
# Languages have aliases too, in upper and lower case.
_LANGUAGE: Json = {"anyOf": [{"type": "string", "enum": list(LANGUAGES)}, {"type": "string", "minLength": 1}]}
# Constraints of fields, in every schema that has a field of this name.
_FACETS: Mapping[str, Json] = MappingProxyType(
    {
        "job_id": _UUID,
        "execution_id": _UUID,
        "batch_id": _UUID,
        "rerun_of": _UUID,
        "logs_url": {"format": "uri"},
        "project_id": {"minimum": 1, "format": "int64"},
        "number": {"minimum": 1},
        "attempt": _COUNT,
        "stdout_bytes": _COUNT,
        "stderr_bytes": _COUNT,
        "signal": {"minimum": 1},
        "cpu_percent": _COUNT,
        "execution_time_ms": _COUNT,
        "cpu_time_ms": _COUNT,
        "cpu_utilization": _COUNT,
        "memory_utilization": _COUNT,
        "took_ms": _COUNT,
        "slots": _COUNT,
        "waiting": _COUNT,
        "claimed": _COUNT,
    }
)
_PARAMETER_FACETS: Mapping[str, Json] = MappingProxyType(
    {
        "jobId": {"minLength": JOB_REFERENCE_MIN_DIGITS, "maxLength": 36},
        "batchId": _UUID,
        "execution_id": _UUID,
        "project": {"minLength": 1, "maxLength": PROJECT_NAME_MAX_CHARS},
        "project_name": {"minLength": 1, "maxLength": PROJECT_NAME_MAX_CHARS},
        "clusterName": {"minLength": 1, "maxLength": CLUSTER_NAME_MAX_CHARS},
        "cursor": {"pattern": "^[A-Za-z0-9_-]{32}$"},
        "stream": {"enum": ["stdout", "stderr"]},
        "log_key": {"minLength": 1, "maxLength": 1_024},
        "period": {"minimum": 10, "maximum": 3_600},
        "offset": {"minimum": 0},
        "created_after": {"format": "date-time"},
        "created_before": {"format": "date-time"},
    }
)

_WEBHOOK_HEADERS = {
    "webhookId": (webhook_signature.ID, "The message's id: the same for each delivery of one message."),
    "webhookTimestamp": (
        webhook_signature.TIMESTAMP,
        f"When the message was signed, in seconds since 1970; at most {webhook_signature.TOLERANCE_S} s ago.",
    ),
    "webhookSignature": (
        webhook_signature.SIGNATURE,
        (
            "`v1,` and the Base64 of HMAC-SHA256 over `{webhook-id}.{webhook-timestamp}.{body}`, by a secret "
            "of SERVICE_SERVER_WEBHOOK_SECRETS; several, separated by spaces, while secrets are changed. See "
            "the Standard Webhooks specification."
        ),
    ),
}
# Client generators take the OpenAPI 3.0 format as bytes, and a string without a format as text.
_BINARY: Json = {"type": "string", "format": "binary", "contentMediaType": DEFAULT_MEDIA_TYPE}
# Any content, including JSON.
_ARTIFACT_CONTENT: Json = {
    kind: {"schema": {} if kind.endswith("json") else {**_BINARY, "contentMediaType": kind}}
    for kind in (DEFAULT_MEDIA_TYPE, *sorted(set(MEDIA_TYPES.values())))
}
_UPLOAD_FORM: Json = {
    "title": "UploadForm",
    "description": "An upload and the files beside its code.",
    "type": "object",
    "properties": {
        JOB: {
            "allOf": [{"$ref": "#/components/schemas/UploadRequest"}],
            "description": "The upload's fields, in JSON.",
        },
        FILES: {
            "type": "array",
            "items": _BINARY,
            "description": "Files, whose filenames are their paths. A single zip or tar archive is unpacked.",
        },
        ARCHIVE: {**_BINARY, "description": "An archive, which is unpacked under any name."},
        STDIN: {**_BINARY, "description": "What the program reads."},
    },
    "required": [JOB],
}
_CASE_SET_FORM: Json = {
    "title": "CaseSetForm",
    "description": "The cases of a set, in an archive.",
    "type": "object",
    "properties": {ARCHIVE: {**_BINARY, "description": "A zip or tar archive of *.in and *.out."}},
    "required": [ARCHIVE],
}
_FIGURE: Json = {"type": ["number", "null"], "minimum": 0}
_TEXT: Json = {"type": ["string", "null"]}
_REPORT: Json = {
    "title": "EngineReport",
    "description": "How a program ended, as a runner answers it. It names its execution by one of "
    "`execution_id`, `job_id` and `code_key`, and has one of `stdout`, `stderr`, `exit_code` and `error`. "
    "Other fields are ignored.",
    "type": "object",
    "properties": {
        "execution_id": {"type": ["string", "null"], **_UUID},
        "job_id": {"type": ["string", "null"], **_UUID},
        "code_key": _TEXT,
        "stdout": _TEXT,
        "stderr": _TEXT,
        "exit_code": {"type": ["integer", "null"], "description": "Zero is SUCCESS; null: not known."},
        "execution_time_ms": _FIGURE,
        "cpu_percent": _FIGURE,
        "memory_mb": _FIGURE,
        "log_key": {**_TEXT, "description": "The log, where the engine has written one: `logs/...`."},
        "error": {**_TEXT, "description": "Why the engine could not run the program, instead of an outcome."},
    },
    "examples": [
        {
            "execution_id": "01890a5d-b1c2-7d3e-8f40-5a6b7c8d9e0f",
            "stdout": "hello\n",
            "stderr": "",
            "exit_code": 0,
            "execution_time_ms": 12,
        }
    ],
}


# These paths come first, because they create the objects that other operations need.
_FIRST_PATHS = ("/api/upload", "/api/execute/{jobId}", "/api/jobs", "/api/project")


class OpenApiDocument:
    """The OpenAPI document of an application, built on first use.

    Args:
        limits: The limits of submissions.
        policy: The limits of executions.
        max_batch_jobs: The maximum number of jobs in a batch.
        max_job_actions: The maximum number of jobs that one call acts on.
        asks_for_keys: Whether a caller needs a key; otherwise a key is optional.
    """

    def __init__(
        self,
        limits: SubmissionLimits,
        policy: LimitPolicy,
        *,
        max_batch_jobs: int,
        max_job_actions: int,
        asks_for_keys: bool,
    ) -> None:
        self._limits = limits
        self._max_batch_jobs = max_batch_jobs
        self._max_job_actions = max_job_actions
        self._policy = policy
        self._asks_for_keys = asks_for_keys
        self._content: bytes | None = None

    def content(self, app: Litestar) -> bytes:
        """Return the document as JSON."""
        if self._content is None:
            self._content = msgspec.json.encode(self._completed(app.openapi_schema.to_schema()))
        return self._content

    def _completed(self, document: Json) -> Json:
        components, paths = document["components"], document["paths"]
        document["paths"] = {path: paths[path] for path in dict.fromkeys((*_FIRST_PATHS, *paths))}
        self._complete_operations(document["paths"])
        self._complete_schemas(components["schemas"])
        _complete_bodies(document["paths"])
        components["headers"] = {
            name: {"description": description, "schema": schema}
            for name, (description, schema) in _HEADERS.items()
        }
        components["responses"] = {name: _problem(status) for status, (name, _) in _PROBLEMS.items()}
        components["securitySchemes"] = {name: dict(scheme) for name, scheme in SECURITY_SCHEMES.items()} | {
            scheme: {"type": "apiKey", "in": "header", "name": name, "description": description}
            for scheme, (name, description) in _WEBHOOK_HEADERS.items()
        }
        return document

    def _complete_operations(self, paths: Json) -> None:
        for path, operations in paths.items():
            for method, operation in operations.items():
                _complete_operation(path, method, operation)
                if operation["security"] and not self._asks_for_keys:
                    operation["security"].append({})

    def _complete_schemas(self, schemas: Json) -> None:
        for schema in schemas.values():
            for name, field in schema.get("properties", {}).items():
                _add(field, _FACETS.get(name, {}))
                _enumerate_constants(field)
        self._complete_upload(schemas["UploadRequest"]["properties"])
        schemas["BatchRequest"]["properties"]["jobs"] |= {
            "items": {"$ref": "#/components/schemas/UploadRequest"},
            "minItems": 1,
            "maxItems": self._max_batch_jobs,
        }
        actions = schemas["JobActionsRequest"]["properties"]
        _add(actions["ids"], {"minItems": 1, "maxItems": self._max_job_actions})
        # A result may repeat text that is not a job's id.
        del schemas["JobActionResult"]["properties"]["job_id"]["format"]
        wanted = schemas["JobFilterRequest"]["properties"]
        _add(wanted["limit"], {"minimum": 1, "maximum": self._max_job_actions})
        file = schemas["UploadedFile"]["properties"]
        _add(file["path"], {"minLength": 1, "maxLength": PATH_MAX_BYTES})
        _add(file["content_base64"], {"contentEncoding": "base64"})
        project = schemas["ProjectRequest"]["properties"]
        _add(project["project_name"], _PARAMETER_FACETS["project_name"])
        _add(project["description"], {"maxLength": self._limits.text_chars})
        _add(schemas["ExecuteRequest"]["properties"]["stdin"], self._stdin_facets())
        schemas["EngineReport"] = _REPORT

    def _complete_upload(self, upload: Json) -> None:
        # JSON has no alternative for an absent member.
        upload["code"] = upload["code"].pop("oneOf", [{}])[0] | upload["code"]
        for name, facets in self._upload_facets().items():
            _add(upload[name], facets)
        del upload["language"]["type"]
        upload["language"] |= _LANGUAGE
        # As text: from a `default`, generators make a field that clients always send.
        for name, bounds in self._policy.bounds.items():
            upload[name]["description"] += f" {bounds.default} by default."

    def _upload_facets(self) -> Mapping[str, Json]:
        limits = self._limits
        text = {"maxLength": limits.text_chars}
        return {
            "project": _PARAMETER_FACETS["project"],
            "code": {"maxLength": limits.code_bytes},
            "stdin_file": {"maxLength": PATH_MAX_BYTES},
            "artifacts": {"maxItems": MAX_PATTERNS},
            "entry": {"maxLength": PATH_MAX_BYTES},
            "stdin_base64": {"contentEncoding": "base64"},
            "archive_base64": {"contentEncoding": "base64"},
            "function_name": text,
            "description": text,
            "stdin": self._stdin_facets(),
            "args": {"maxItems": limits.arguments},
            "env": {"maxProperties": limits.arguments, "propertyNames": _whole(ENVIRONMENT_NAME)},
            "secret_env": {
                "maxProperties": limits.arguments,
                "propertyNames": _whole(ENVIRONMENT_NAME),
                "writeOnly": True,
            },
            "tags": {"maxProperties": limits.tags, "propertyNames": _whole(TAG_NAME)},
            "priority": {"minimum": 0, "maximum": MAX_PRIORITY},
            "max_attempts": {"minimum": 1, "maximum": limits.attempts},
            "callback_url": {"maxLength": URL_MAX_CHARS},
            "callback_secret": {"writeOnly": True},
            **{
                name: {"minimum": bounds.minimum, "maximum": bounds.maximum}
                for name, bounds in self._policy.bounds.items()
                if name != "files"
            },
            "max_files": {
                "minimum": self._policy.bounds["files"].minimum,
                "maximum": self._policy.bounds["files"].maximum,
            },
        }

    def _stdin_facets(self) -> Json:
        return {"maxLength": self._limits.stdin_bytes}


def _whole(pattern: re.Pattern[str]) -> Json:
    return {"pattern": f"^{pattern.pattern}$"}


def _enumerate_constants(field: Json) -> None:
    """Make a constant among several types an enumeration; openapi-python-client rejects a constant there."""
    for alternative in field.get("oneOf", ()):
        if "const" in alternative:
            alternative["enum"] = [alternative.pop("const")]


def _complete_bodies(paths: Json) -> None:
    content = paths["/api/upload"]["post"]["requestBody"]["content"]
    content[MULTIPART] = {"schema": _UPLOAD_FORM}
    case_set = paths["/api/projects/{project}/case-sets/{name}"]["put"]["requestBody"]
    # For several content types of a required body, openapi-python-client 0.29 omits an import.
    case_set["required"] = False
    case_set["content"] |= {
        MULTIPART: {"schema": _CASE_SET_FORM},
        # The only content type under which generated clients send files unchanged.
        DEFAULT_MEDIA_TYPE: {"schema": _BINARY},
    }
    answers = paths["/api/jobs/{jobId}/artifacts/{path}"]["get"]["responses"]
    for status in ("200", "206"):
        answers[status]["content"] = _ARTIFACT_CONTENT
    completion = paths["/api/executions/{execution_id}/completion"]["post"]
    completion["security"] = [{scheme: [] for scheme in _WEBHOOK_HEADERS}]
    completion["requestBody"] = {
        "required": True,
        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/EngineReport"}}},
    }


def _complete_operation(path: str, method: str, operation: Json) -> None:
    operation.pop("deprecated", None)
    for parameter in operation.get("parameters", ()):
        _complete_parameter(parameter)
    _complete_responses(path, method, operation)
    # The framework requires all schemes together, but one is enough.
    schemes = (scheme for needed in operation.get("security", ()) for scheme in needed.items())
    operation["security"] = [dict([scheme]) for scheme in schemes]


def _complete_parameter(parameter: Json) -> None:
    """Remove null, which URLs and headers cannot express, and the duplicate description."""
    for flag in ("deprecated", "allowEmptyValue", "allowReserved"):
        parameter.pop(flag, None)
    schema = parameter["schema"]
    schema.pop("description", None)
    alternatives = [one for one in schema.pop("oneOf", ()) if one != {"type": "null"}]
    for one in alternatives:
        schema |= one
    schema |= _PARAMETER_FACETS.get(parameter["name"], {})
    if parameter["name"] == "path":
        del schema["format"]  # it is a relative path, not a URI
    if parameter["name"] == "language":
        parameter["schema"] = _LANGUAGE


def _complete_responses(path: str, method: str, operation: Json) -> None:
    answers: Json = {}
    errors = {int(status) for status in operation["responses"] if int(status) in _PROBLEMS}
    errors.update(_EVERYWHERE, _UNSAFE if method in _UNSAFE_METHODS else (), _NAMING if "{" in path else ())
    if operation.get("security"):
        errors.update(_OF_CALLERS)
    if "requestBody" in operation:
        errors.update(_JSON_BODY)
    if method == "post":
        errors.update(_POST)
        operation.setdefault("parameters", []).append(_IDEMPOTENCY_KEY)
    for status, answer in operation["responses"].items():
        if int(status) in errors:
            continue
        replayed = (REPLAYED_HEADER,) if method == "post" else ()
        named = [*answer.get("headers", {}), *_OF_SUCCESS.get(int(status), ()), *replayed]
        answers[status] = {
            "description": _DESCRIPTIONS.get(int(status), answer["description"]),
            "headers": _header_refs((*named, *_ON_EVERY_ANSWER)),
        }
        if "content" in answer:  # a 204 has none
            answers[status]["content"] = dict(map(_content, answer["content"].items()))
        if "ETag" in answer.get("headers", {}):
            operation.setdefault("parameters", []).append(_IF_NONE_MATCH)
            answers["304"] = {
                "description": "The caller has this version.",
                "headers": _header_refs(("ETag", *_ON_EVERY_ANSWER)),
            }
    for error in errors:
        answers[str(error)] = {"$ref": f"#/components/responses/{_PROBLEMS[error][0]}"}
    # Errors of the protocol that precede any operation: 501, 505.
    answers["default"] = {"$ref": f"#/components/responses/{_PROBLEMS[400][0]}"}
    operation["responses"] = dict(sorted(answers.items()))


def _content(content: tuple[str, Json]) -> tuple[str, Json]:
    media_type, described = content
    return media_type.partition(";")[0], {"schema": described.get("schema") or {"type": "string"}}


def _header_refs(names: Iterable[str]) -> Json:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}


def _problem(status: int) -> Json:
    kind = PROBLEM_TYPES_BY_STATUS[status]
    example = {
        "type": kind.type,
        "title": kind.title,
        "status": status,
        "detail": _PROBLEMS[status][1],
        "instance": "/api/upload",
        "request_id": "5f0f1f0e-6f0b-4c5e-9d51-6a1c1f6c2a11",
    }
    schema = {"$ref": "#/components/schemas/Problem"}
    return {
        "description": kind.title,
        "headers": _header_refs((*_OF_PROBLEMS.get(status, ()), *_ON_EVERY_ANSWER)),
        "content": {PROBLEM_JSON: {"schema": schema, "examples": {"example": {"value": example}}}},
    }


def _add(field: Json, facets: Mapping[str, Any]) -> None:
    """Add constraints to a field's schema, or to each of its alternatives except null."""
    for schema in _not_null(field):
        schema.update(facets)


def _not_null(field: Json) -> Iterator[Json]:
    alternatives = field.get("oneOf")
    if alternatives is None:
        yield field
        return
    yield from (one for one in alternatives if one != {"type": "null"} and "$ref" not in one)
