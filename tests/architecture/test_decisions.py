"""The records of decisions are numbered once each and listed, and the documents' links lead to files."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
RECORDS = sorted((ROOT / "docs" / "adr").glob("[0-9]*.md"))
DOCUMENTS = sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md")])
LISTED = re.compile(r"^\| \[(\d+)\]\(([^)]+)\)", re.MULTILINE)
LINK = re.compile(r"\]\(((?!https?://|#)[^)# ]+)")


def test_each_decision_has_a_number_of_its_own():
    numbers = [int(record.name.partition("-")[0]) for record in RECORDS]
    headings = [int(record.read_text().removeprefix("# ").partition(".")[0]) for record in RECORDS]

    assert numbers == headings == list(range(1, len(RECORDS) + 1))


def test_every_decision_is_listed_in_order():
    listed = LISTED.findall((ROOT / "docs" / "adr" / "README.md").read_text())

    assert listed == [(str(number), record.name) for number, record in enumerate(RECORDS, 1)]


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda document: str(document.relative_to(ROOT)))
def test_links_between_documents_lead_to_files(document):
    links = LINK.findall(document.read_text())

    assert [link for link in links if not (document.parent / link).exists()] == []
