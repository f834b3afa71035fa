"""W3C Trace Context: the headers that are one, and their stored form."""

import pytest

from domain.trace_context import TRACE_CONTEXT_MAX_CHARS, TraceContext

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
PARENT = f"00-{TRACE}-{SPAN}-01"


def test_headers_are_read_stored_and_sent_on():
    context = TraceContext.parse(PARENT, " vendor=a b,other=1 ")

    assert context is not None
    assert context.trace_id == TRACE
    assert context.headers == {"traceparent": PARENT, "tracestate": "vendor=a b,other=1"}
    assert TraceContext.of_text(str(context)) == context


def test_there_is_no_tracestate_without_one():
    context = TraceContext.parse(PARENT)

    assert context is not None
    assert context.headers == {"traceparent": PARENT}
    assert str(context) == PARENT
    assert TraceContext.of_text(PARENT) == context


@pytest.mark.parametrize(
    "traceparent",
    [
        None,
        "",
        'ff-"}-',
        f"ff-{TRACE}-{SPAN}-01",
        f"00-{'0' * 32}-{SPAN}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"00-{TRACE.upper()}-{SPAN}-01",
        f"00-{TRACE}-{SPAN}",
        f"00-{TRACE}-{SPAN}-01\n",
    ],
)
def test_a_header_that_is_malformed_is_no_trace(traceparent):
    assert TraceContext.parse(traceparent) is None


def test_what_a_later_version_adds_is_left_out():
    assert TraceContext.parse(f"01-{TRACE}-{SPAN}-01-more") == TraceContext(f"01-{TRACE}-{SPAN}-01")


@pytest.mark.parametrize("tracestate", ["v=" + "x" * 511, "v=é", "v=\n"])
def test_a_tracestate_that_is_too_long_or_not_ascii_is_left_out(tracestate):
    context = TraceContext.parse(PARENT, f"{tracestate}.")

    assert context == TraceContext(PARENT)


def test_the_longest_text_fits_its_column():
    context = TraceContext.parse(PARENT, "v=" + "x" * 510)

    assert len(str(context)) == TRACE_CONTEXT_MAX_CHARS
