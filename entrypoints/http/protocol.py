import logging

import msgspec
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from entrypoints.http.errors import MALFORMED
from entrypoints.http.request_id import HEADER, choose_request_id, request_id
from entrypoints.http.schemas.problem import PROBLEM_JSON, Problem

logger = logging.getLogger("service_server.http.access")


class ProblemProtocol(HttpToolsProtocol):
    """HTTP/1.1, whose refusal of what is not HTTP has the form that every error has."""

    def send_400_response(self, msg: str) -> None:
        """Answer what cannot be read as a request, and hang up."""
        chosen = choose_request_id(None)
        token = request_id.set(chosen)
        logger.info("method=- path=- status=%d: %s", MALFORMED.status, msg)
        request_id.reset(token)
        problem = Problem(
            type=MALFORMED.type,
            title=MALFORMED.title,
            status=MALFORMED.status,
            detail=f"{msg} In a URL, all but ASCII is percent-encoded, and it has at most 64 KiB.",
            instance="/",
            request_id=chosen,
        )
        body = msgspec.json.encode(problem)
        head = (
            f"HTTP/1.1 {MALFORMED.status} Bad Request\r\n"
            f"Content-Type: {PROBLEM_JSON}\r\n"
            f"Content-Length: {len(body)}\r\n"
            f"{HEADER}: {chosen}\r\n"
            "Connection: close\r\n\r\n"
        )
        self.transport.write(head.encode() + body)
        self.transport.close()
