"""Puts the output of a lost program together from the pieces that were streamed."""

from collections.abc import Iterable, Mapping

from application.ports.output_feed import OutputChunk, Stream
from domain.execution import Output


def streamed_output(chunks: Iterable[OutputChunk], inline_bytes: int) -> Mapping[Stream, Output]:
    """Put the pieces of each stream together; what is missing between them, or is too much, is said.

    Of more than `inline_bytes`, the result has the head and the tail.
    """
    streams: dict[Stream, dict[int, bytes]] = {stream: {} for stream in Stream}
    for chunk in chunks:
        streams[chunk.stream][chunk.offset] = chunk.data
    return {stream: _output(pieces, inline_bytes // 2) for stream, pieces in streams.items()}


def _output(pieces: Mapping[int, bytes], half: int) -> Output:
    total = max((offset + len(data) for offset, data in pieces.items()), default=0)
    head_end, tail_begin = (half, total - half) if total > 2 * half else (total, total)
    text: list[str] = []
    shown_to = 0
    known = b""
    omitted = False

    def flush() -> None:
        nonlocal known
        text.append(known.decode("utf-8", "replace"))
        known = b""

    for offset in sorted(pieces):
        data = pieces[offset]
        for begin, end in ((0, head_end), (tail_begin, total)):
            first, last = max(offset, begin, shown_to), min(offset + len(data), end)
            if first >= last:
                continue
            if first > shown_to:
                flush()
                text.append(f"{'' if shown_to == 0 else chr(10)}[... {first - shown_to} bytes omitted ...]\n")
                omitted = True
            known += data[first - offset : last - offset]
            shown_to = last
    flush()
    return Output("".join(text), total, truncated=omitted)
