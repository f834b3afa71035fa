import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.http_engine.encoding import encode, inline

CAP = 16


@given(st.text(alphabet=st.characters(codec=None, exclude_categories=[])))
def test_any_text_has_bytes(text):
    encoded = encode(text).decode()
    if not any("\ud800" <= char <= "\udfff" for char in text):
        assert encoded == text


@given(st.text(max_size=60).map(str.encode))
def test_an_output_says_its_size_and_keeps_head_and_tail(data):
    output = inline(data, CAP)

    assert output.total_bytes == len(data)
    assert output.truncated is (len(data) > CAP)
    if not output.truncated:
        assert output.text == data.decode()
        return
    legible = data.decode()
    head, _, rest = output.text.partition("\n[... ")
    omitted, _, tail = rest.partition(" bytes omitted ...]\n")
    assert legible.startswith(head)
    assert legible.endswith(tail)
    assert 0 < int(omitted) <= len(data) - CAP + 6


@pytest.mark.parametrize("size", [0, 1, CAP])
def test_an_output_that_fits_is_whole(size):
    output = inline(b"x" * size, CAP)
    assert (output.text, output.truncated) == ("x" * size, False)


def test_one_byte_too_many_is_cut_from_the_middle():
    output = inline(b"a" * 8 + b"-" + b"z" * 8, CAP)
    assert output.text == "aaaaaaaa\n[... 1 bytes omitted ...]\nzzzzzzzz"
