import re
from typing import Any, TypeAlias

import msgspec
from litestar import Request
from litestar.exceptions import ClientException, InternalServerException

AnyRequest: TypeAlias = Request[Any, Any, Any]
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
        """Return the body.

        Raises:
            ClientException: It did not come in full.
        """
        try:
            return await super().body()
        except InternalServerException as error:
            raise ClientException("the request ended before its body did") from error
