from datetime import UTC, datetime

import pytest

from domain.catalogue.language import Language
from domain.catalogue.text import text


def test_a_text_is_english_unless_another_language_is_asked_for():
    queued = text("states.queued")

    assert str(queued) == f"{queued}" == "Queued"
    assert [queued.into(language) for language in Language] == ["Queued", "대기 중", "待機中"]


@pytest.mark.parametrize(("count", "shown"), [(0, "0 workers"), (1, "1 worker"), (12_345, "12,345 workers")])
def test_a_count_chooses_the_form_and_is_grouped(count, shown):
    assert str(text("cluster.workers", count=count)) == shown


def test_a_value_that_is_a_text_follows_the_language():
    ended = text("job.step_exceeded", limit=text("limits.memory_mb"))

    assert ended.into(Language.JAPANESE) == "メモリ: 制限超過"


def test_a_value_is_never_read_as_a_placeholder():
    assert "{name} {0.__class__}" in str(text("job.title", id="{name} {0.__class__}"))


def test_a_time_is_written_with_its_offset():
    at = datetime(2026, 1, 31, 12, 0, 0, tzinfo=UTC)

    assert str(text("job.waits_retry_until", time=at)).endswith("at 2026-01-31 12:00:00+00:00.")
