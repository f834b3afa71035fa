"""Schemas of the lines of an output."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated

from msgspec import Meta, Struct


class ArrivalsResponse(Struct, kw_only=True):
    """The times at which an output arrived."""

    begin: Annotated[datetime, Meta(description="When the first output of both streams came.")]
    marks: Annotated[
        Sequence[tuple[int, int]],
        Meta(
            description="Milliseconds from then on, and the bytes of this stream that had come by then. "
            "The other stream has as many: together they give the order in which output came.",
            examples=[[[0, 120], [1_500, 240]]],
        ),
    ]


class LinesResponse(Struct, kw_only=True):
    """The number of newlines in each block of an output, and the style at its beginning."""

    size: Annotated[int, Meta(description="The bytes of the output.", examples=[70_000])]
    block_bytes: Annotated[int, Meta(description="The bytes of each block but the last.", examples=[65_536])]
    newlines: Annotated[
        Sequence[int], Meta(description="The newlines in each block.", examples=[[1_250, 84]])
    ]
    styles: Annotated[
        Sequence[str],
        Meta(
            description="The style with which each block begins: the parameters of an escape sequence (SGR) "
            "that sets it, empty for none.",
            examples=[["", "1;31"]],
        ),
    ]
    arrivals: Annotated[ArrivalsResponse | None, Meta(description="Null where the log has none.")]


class MatchesResponse(Struct, kw_only=True):
    """The lines of an output that contain a text."""

    lines: Annotated[Sequence[int], Meta(description="Their numbers, from 1 on.", examples=[[12, 90]])]
    next_line: Annotated[int | None, Meta(description="The line to go on from; null if there are no more.")]
