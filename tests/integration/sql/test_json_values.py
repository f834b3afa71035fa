import json
import math

import pytest

from adapters.sql.types import decode_json, encode_json


@pytest.mark.parametrize(
    "value", [None, [], {"n": 2**70, "text": "\N{GRINNING FACE}\0"}, [0.1, -0.0, 1e300], "\ud800", math.inf]
)
def test_data_are_read_as_they_were_written(value):
    assert decode_json(encode_json(value)) == value


def test_a_number_that_is_none_is_read_as_one():
    assert math.isnan(decode_json(encode_json(math.nan)))


@pytest.mark.parametrize("text", ["", "{", '{"a": 1} 2'])
def test_what_is_no_json_is_refused(text):
    with pytest.raises(json.JSONDecodeError):
        decode_json(text)
