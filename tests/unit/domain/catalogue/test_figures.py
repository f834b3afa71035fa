import pytest

from domain.catalogue.figures import duration, exact_duration, exact_size, read_duration, read_size, size


@pytest.mark.parametrize(
    ("milliseconds", "written"),
    [
        (None, "\N{EN DASH}"),
        (0, "0 ms"),
        (999, "999 ms"),
        (1_000, "1.0 s"),
        (59_940, "59.9 s"),
        (61_900, "1 min 1 s"),
        (3_599_999, "59 min 59 s"),
        (3_660_000, "1 h 1 min"),
        (180_000_000, "2 d 2 h"),
    ],
)
def test_a_duration_has_one_form(milliseconds, written):
    assert duration(milliseconds) == written


@pytest.mark.parametrize(
    ("number", "written"),
    [(None, "\N{EN DASH}"), (12, "12 B"), (1536, "1.5 KiB"), (256 << 20, "256 MiB"), (5 << 40, "5120 GiB")],
)
def test_a_size_has_one_form(number, written):
    assert size(number) == written


@pytest.mark.parametrize(
    ("text", "milliseconds"),
    [
        ("10 s", 10_000),
        ("10s", 10_000),
        ("250 ms", 250),
        ("250", 250),
        ("1.5 min", 90_000),
        ("1 H", 3_600_000),
        ("1 min 30 s", 90_000),
        (" 1h  2 min 3 s ", 3_723_000),
    ],
)
def test_a_duration_is_read_with_its_unit(text, milliseconds):
    assert read_duration(text) == milliseconds


@pytest.mark.parametrize(
    ("text", "mib"), [("512 MiB", 512), ("512", 512), ("1 GiB", 1024), ("0.5G", 512), ("2048 kb", 2)]
)
def test_a_size_is_read_with_its_unit(text, mib):
    assert read_size(text) == mib


@pytest.mark.parametrize(
    "text", ["", "s", "10 parsecs", "-1 s", "1e9", "٣ s", "0.0001 ms", "9" * 40, "1 2", "1 min 2", "2 1 s"]
)
def test_other_figures_are_refused(text):
    with pytest.raises(ValueError, match=r".*"):
        read_duration(text)


@pytest.mark.parametrize("mib", [16, 256, 512, 1_024, 2_048])
def test_a_size_is_read_as_it_is_written(mib):
    assert read_size(size(mib << 20)) == mib


@pytest.mark.parametrize("milliseconds", [100, 250, 1_500, 30_000])
def test_a_short_duration_is_read_as_it_is_written(milliseconds):
    assert read_duration(duration(milliseconds)) == milliseconds


@pytest.mark.parametrize(
    ("milliseconds", "written"),
    [(0, "0 ms"), (1_500, "1500 ms"), (90_000, "90 s"), (600_000, "10 min"), (7_200_000, "2 h")],
)
def test_a_duration_to_edit_is_read_as_it_is_written(milliseconds, written):
    assert exact_duration(milliseconds) == written
    assert read_duration(written) == milliseconds


@pytest.mark.parametrize(("mib", "written"), [(0, "0 MiB"), (1_537, "1537 MiB"), (2_048, "2 GiB")])
def test_a_size_to_edit_is_read_as_it_is_written(mib, written):
    assert exact_size(mib) == written
    assert read_size(written) == mib
