import asyncio
import re
from typing import Any, TypeAlias

import msgspec
from litestar import Request
from litestar.exceptions import ClientException, HTTPException, InternalServerException

AnyRequest: TypeAlias = Request[Any, Any, Any]
# What a connection may have on its way in without asking for a place.
_SMALL_BYTES = 64 << 10
_LARGE_WITHIN_S = 60.0
_MAX_DIGITS = 9
_JSON = re.compile(r"application/([a-z0-9.-]+\+)?json")


class UnreadableBody(Exception):
    """The body is not the JSON that the operation takes."""


class JsonRequest(Request[Any, Any, Any]):
    """A request whose body is decoded straight into what its handler takes, without coercion.

    A body has to say that it is JSON: a browser asks leave before it sends one to another origin, so no page
    can have code run here behind its user's back (Fetch standard, "CORS-safelisted request-header").
    """

    async def json(self) -> Any:  # noqa: ANN401 - as the base class has it
        """Return the body as the handler's type.

        Raises:
            UnreadableBody: It is not JSON, or not of that type.
        """
        body = await self.body()
        media_type, _options = self.content_type
        if not _JSON.fullmatch(media_type):
            raise UnreadableBody("send the body as JSON, with the header Content-Type: application/json")
        field = self.route_handler.parsed_data_field
        try:
            return msgspec.json.decode(body, type=Any if field is None else field.annotation)
        except UnicodeDecodeError as error:
            raise UnreadableBody("the body is not UTF-8") from error
        except RecursionError as error:
            raise UnreadableBody("the body is nested too deep") from error
        except msgspec.DecodeError as error:
            raise UnreadableBody(str(error)) from error

    async def body(self) -> bytes:
        """Return the body. Of large ones only so many are received at once, each within a time.

        Raises:
            ClientException: It did not come in full, or not in time.
            NoPlace: Others took too long.
        """
        if _is_small(self.headers.get("content-length", "")):
            return await self._received()
        async with self.app.state.body_places.held():
            try:
                async with asyncio.timeout(_LARGE_WITHIN_S):
                    return await self._received()
            except TimeoutError as error:
                raise HTTPException("the body did not come in time", status_code=408) from error

    async def _received(self) -> bytes:
        try:
            return await super().body()
        except InternalServerException as error:
            raise ClientException("the request ended before its body did") from error


def _is_small(length: str) -> bool:
    return length.isdecimal() and int(length[:_MAX_DIGITS]) <= _SMALL_BYTES
