"""The texts of an answer, as bytes and as the inline output of a result."""

from domain.execution import Output


def encode(text: str) -> bytes:
    """Encode a text as UTF-8; a half of a surrogate pair that has no other half becomes U+FFFD."""
    try:
        return text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace").encode()


def inline(data: bytes, max_bytes: int) -> Output:
    """Build the inline output of a stream in UTF-8: all of it, or its head and its tail."""
    if len(data) <= max_bytes:
        return Output(data.decode(), len(data))
    half = max_bytes // 2
    # "ignore" drops the character that a cut went through, and nothing else: the data is UTF-8.
    head, tail = (part.decode("utf-8", "ignore") for part in (data[:half], data[-half:]))
    omitted = len(data) - len(head.encode()) - len(tail.encode())
    text = f"{head}\n[... {omitted} bytes omitted ...]\n{tail}"
    return Output(text, len(data), truncated=True)
