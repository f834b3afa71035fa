"""The tables of system calls that make sandboxes."""

import pytest

from adapters.local_engine.sandbox.launch_plan import calls


def plan(argv, env):
    shared = calls((), (), b"", 0, nice=None, is_prewarmed=False, starts_at_once=True)
    return shared.packed(argv, env)


def test_plans_share_their_calls_and_have_the_words_of_their_own_programs_alone():
    first = plan(["/bin/one", "canary"], {"NAME": "a canary"})
    second = plan(["/bin/two"], {})

    assert b"canary\0" in first
    assert b"NAME=a canary\0" in first
    assert b"canary" not in second
    assert plan(["/bin/one", "canary"], {"NAME": "a canary"}) == first


_REFUSED = r"not valid for a process|Argument list too long"


@pytest.mark.parametrize("text", ["a\0b", "\ud800", "x" * (128 << 10)])
def test_what_no_process_can_have_is_refused(text):
    with pytest.raises(OSError, match=_REFUSED):
        plan(["/bin/one", text], {})
    with pytest.raises(OSError, match=_REFUSED):
        plan(["/bin/one"], {"NAME": text})
