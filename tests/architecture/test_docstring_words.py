"""Docstrings use vague words at most twice as often as three well-written projects do."""

from pathlib import Path

import pytest

from tests.docstring_words import GROUPS, docstrings, measure, places, sources

ROOT = Path(__file__).parents[2]
# Occurrences per 1,000 words of docstrings in the published packages, by `python -m tests.docstring_words`.
#                       what  tell  say   those nobody
REFERENCES = {
    "dramatiq 2.2.1": (0.00, 0.00, 0.00, 0.24, 0.24),
    "httpx 0.28.1": (0.00, 0.00, 0.00, 0.17, 0.34),
    "procrastinate 3.10.0": (0.39, 0.00, 0.00, 0.52, 0.00),
}
LIMITS = {
    group: 2 * max(figures[column] for figures in REFERENCES.values()) for column, group in enumerate(GROUPS)
}
# Each tree is measured as one.
TREES = {
    "adapters": ("adapters",),
    "application": ("application",),
    "domain": ("domain",),
    "entrypoints": ("entrypoints",),
    "tests": ("tests", "examples", "scripts"),
}


@pytest.mark.parametrize("tree", TREES)
def test_docstrings_use_vague_words_as_rarely_as_other_projects_do(tree):
    paths = list(sources(ROOT / directory for directory in TREES[tree]))
    found = measure(paths)
    assert found.words
    excessive = [group for group in GROUPS if found.per_thousand(group) > LIMITS[group]]
    assert not excessive, "\n".join(place for group in excessive for place in places(paths, group))


def test_forms_of_a_word_are_counted_in_docstrings_alone(tmp_path):
    module = tmp_path / "module.py"
    module.write_text(
        '"""Says what it was told."""\n\n\nclass Told:\n    """Whoever: one of those."""\n\n'
        '    def what(self):\n        # what\n        return "what"\n'
    )
    found = measure([module])
    assert found.words == 9
    assert found.occurrences == dict.fromkeys(GROUPS, 1)
    assert found.per_thousand("say") == pytest.approx(1000 / 9)
    assert [line for line, _ in docstrings(module)] == [1, 5]
    assert list(places([module], "those")) == [f"{module}:5: Whoever: one of those."]
