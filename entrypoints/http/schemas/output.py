"""Schemas of the lines of an output."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated

from msgspec import Meta, Struct


class ArrivalsResponse(Struct, kw_only=True):
    """The times at which an output arrived."""

    begin: Annotated[datetime, Meta(description="When the first output of either stream arrived.")]
    marks: Annotated[
        Sequence[tuple[int, int]],
        Meta(
            description="Pairs of a time in milliseconds since `begin`, and the number of bytes of "
            "this stream that had arrived by then. Both streams have marks for the same times, which "
            "give the order of their output.",
            examples=[[[0, 120], [1_500, 240]]],
        ),
    ]


class LinesResponse(Struct, kw_only=True):
    """The number of newlines in each block of an output, and the style at its beginning."""

    size: Annotated[int, Meta(description="The size of the output, in bytes.", examples=[70_000])]
    block_bytes: Annotated[
        int, Meta(description="The size of each block except the last, in bytes.", examples=[65_536])
    ]
    newlines: Annotated[
        Sequence[int], Meta(description="The number of newlines in each block.", examples=[[1_250, 84]])
    ]
    styles: Annotated[
        Sequence[str],
        Meta(
            description="The style at the beginning of each block, as parameters of an SGR escape "
            "sequence; empty for the default style.",
            examples=[["", "1;31"]],
        ),
    ]
    arrivals: Annotated[
        ArrivalsResponse | None, Meta(description="The arrival times; null if the log has none.")
    ]


class MatchesResponse(Struct, kw_only=True):
    """The lines of an output that contain a text."""

    lines: Annotated[
        Sequence[int], Meta(description="The numbers of the lines, counted from 1.", examples=[[12, 90]])
    ]
    next_line: Annotated[
        int | None,
        Meta(description="The line from which to continue the search; null if there are no more matches."),
    ]
