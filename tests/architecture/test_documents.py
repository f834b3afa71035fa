"""Documents link to existing documents and name existing tests, and each decision has its own number."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("adapters/**/*.md")])
DECISIONS = sorted(path.name for path in ROOT.glob("docs/adr/[0-9]*.md"))
_LINK = re.compile(r"\]\((?![a-z]+:)([^)#\s]*)(?:#([^)\s]+))?\)")
_TEST = re.compile(r"`(tests/[\w./-]+)`")
_FENCED = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
_NO_SLUG = re.compile(r"[^\w\- ]")


def _anchors(document: Path) -> set[str]:
    """Return the anchors of a document's headings, as GitHub makes them."""
    text = _FENCED.sub("", document.read_text())
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {_NO_SLUG.sub("", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_of_a_document_lead_somewhere(document):
    broken = []
    for path, anchor in _LINK.findall(_FENCED.sub("", document.read_text())):
        target = document.parent / path if path else document
        if not target.exists() or (anchor and anchor not in _anchors(target)):
            broken.append(f"{path}#{anchor}")
    assert broken == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_tests_that_a_document_names_exist(document):
    named = set(_TEST.findall(document.read_text()))
    assert [path for path in sorted(named) if not (ROOT / path).exists()] == []


def test_each_decision_has_a_number_of_its_own_and_is_in_the_index_once():
    numbers = [int(name.split("-")[0]) for name in DECISIONS]
    assert numbers == list(range(1, len(DECISIONS) + 1))
    index = (ROOT / "docs/adr/README.md").read_text()
    rows = re.findall(r"^\| \[(\d+)\]\(([^)]+)\)", index, re.MULTILINE)
    assert rows == [(str(number), name) for number, name in zip(numbers, DECISIONS, strict=True)]


@pytest.mark.parametrize("name", DECISIONS)
def test_the_heading_of_a_decision_has_its_number(name):
    heading = (ROOT / "docs/adr" / name).read_text().splitlines()[0]
    assert heading.startswith(f"# {int(name.split('-')[0])}. ")
