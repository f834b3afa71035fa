"""The catalogue is whole: every text in every language, each one used, and no sentence outside of it."""

import ast
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import fields
from functools import cache
from pathlib import Path
from string import Formatter

import pytest
from jinja2 import Environment, nodes

from adapters.http_engine.failures import FAILURES
from adapters.sql.legacy.importing import ImportCounts
from application.lists import ProjectOrder
from application.queries.timeline import Awaited
from application.use_cases.act_on_jobs import JobAction
from domain.api_key import KeyStatus
from domain.cases import Verdict
from domain.catalogue.language import Language
from domain.catalogue.text import Sentence, sentences
from domain.delivery import DeliveryStatus
from domain.execution import Note
from domain.job_lifecycle import JobStatus, Reason, State
from domain.limits import STANDARD_BOUNDS
from domain.session import SessionStatus
from domain.tenant import TenantStatus
from domain.webhook import WebhookStatus
from entrypoints.cli.columns import Column
from entrypoints.cli.errors import OS_FAULTS
from entrypoints.cli.settings_report import RULES
from entrypoints.http.dashboard import audit, cluster, history, keys, usage, visitor
from entrypoints.http.errors import PROBLEM_TYPES, PROBLEM_TYPES_BY_STATUS
from entrypoints.http.request_head import CODING, VERSION

ROOT = Path(__file__).parents[2]
CATALOGUE = ROOT / "domain/catalogue"
TEMPLATES = ROOT / "entrypoints/http/dashboard/templates"
SCRIPTS = ROOT / "entrypoints/http/dashboard/static"
AREAS = sorted({path.stem for path in CATALOGUE.glob("*/*.toml")})
STATUSES = (TenantStatus, KeyStatus, SessionStatus, WebhookStatus, DeliveryStatus, JobStatus)
KINDS = {
    "artifact",
    "backup",
    "batch",
    "blob",
    "case_set",
    "change",
    "code",
    "database",
    "delivery",
    "execution",
    "file",
    "job",
    "key",
    "log",
    "log_of_job",
    "metrics_of_cluster",
    "object",
    "output_of_job",
    "project",
    "runtime",
    "session",
    "tenant",
    "webhook",
}
PROBLEM_KINDS = (*PROBLEM_TYPES.values(), *PROBLEM_TYPES_BY_STATUS.values(), VERSION, CODING)
OBSTACLES = tomllib.loads((ROOT / "adapters/common/obstacles.toml").read_text(encoding="utf-8"))
# Codes that are put together when they are needed: their beginning, and every end that there is.
FAMILIES: Mapping[str, set[str]] = {
    "account.": set(keys.LIFETIMES),
    "cases.": set(Verdict),
    "cluster.last_": {name for _minutes, name in cluster.RANGES},
    "cluster.part_": {"code_store", "log_store", "database", "queue", "engine"},
    "cli.os_": set(OS_FAULTS.values()),
    "columns.": set(Column),
    "common.": {entry.name for entry in (*visitor.ENTRIES, *visitor.OWN_ENTRIES)},
    "common.last_": {*history.PERIODS, *audit.PERIODS, *usage.DAYS},
    "history.": {"today", "yesterday"},
    "history.about_": {JobAction.CANCEL, JobAction.DELETE},
    **{f"history.{beginning}_": set(JobAction) for beginning in ("ask", "do", "done")},
    "job.explain_": {*Reason, *State, "deferred"},
    "job.note_": set(Note),
    "job.stage_": {"uploaded", "queued", "building", "running", "ended"},
    "job.took_": {"queued", "building", "running", "ended"},
    "job.waits_": set(Awaited),
    "limits.": set(STANDARD_BOUNDS),
    "outcomes.runner_": {failure.name for failure in FAILURES},
    "obstacles.cause_": {obstacle["cause"] for obstacle in OBSTACLES["obstacles"]},
    "obstacles.remedy_": {name for names in OBSTACLES["remedies"].values() for name in names.values()},
    "obstacles.step_": {step.replace(" ", "_") for step in OBSTACLES["steps"]},
    "problems.kind_": KINDS,
    "problems.title_": {kind.name.replace("-", "_") for kind in PROBLEM_KINDS},
    "projects.sort_": set(ProjectOrder),
    "reasons.": set(Reason),
    "import.count_": {field.name for field in fields(ImportCounts)},
    "settings.rule_": set(RULES),
    "states.": {*State, *(status.lower() for statuses in STATUSES for status in statuses)},
}
PLURALS = {Language.ENGLISH: {"one", "other"}, Language.KOREAN: {"other"}, Language.JAPANESE: {"other"}}


def codes(language: Language) -> set[str]:
    return {f"{area}.{name}" for area in AREAS for name in sentences(language, area)}


def forms(sentence: Sentence) -> list[str]:
    return [sentence] if isinstance(sentence, str) else list(sentence.values())


def placeholders(sentence: Sentence) -> set[tuple[str, str]]:
    """Names of the values that a sentence has a place for, with their formats."""
    return {
        (name, spec or "")
        for form in forms(sentence)
        for _literal, name, spec, _conversion in Formatter().parse(form)
        if name is not None
    }


def names(sentence: Sentence) -> set[str]:
    plural = set() if isinstance(sentence, str) else {"count"}
    return {name for name, _spec in placeholders(sentence)} | plural


def sources() -> list[Path]:
    layers = ("domain", "application", "adapters", "entrypoints")
    return [path for layer in layers for path in sorted((ROOT / layer).rglob("*.py"))]


def uses_in_python(path: Path) -> Iterator[tuple[str, set[str] | None]]:
    """Codes given to `text(...)`, each with the names of its values; of a family its beginning, with None."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Name)
            and node.func.id == "text"
            and node.args
        ):
            code = node.args[0]
            if isinstance(code, ast.Constant):
                yield code.value, {str(keyword.arg) for keyword in node.keywords}
            elif isinstance(code, ast.JoinedStr) and isinstance(code.values[0], ast.Constant):
                yield code.values[0].value, None
            else:
                pytest.fail(f"{path}:{node.lineno}: begin the code with its area")


def uses_in_template(path: Path) -> Iterator[tuple[str, set[str] | None]]:
    """Codes given to `t(...)` in a template, as `uses_in_python` has them."""
    for call in Environment(autoescape=True).parse(path.read_text(encoding="utf-8")).find_all(nodes.Call):
        if not (isinstance(call.node, nodes.Name) and call.node.name == "t" and call.args):
            continue
        code = call.args[0]
        if isinstance(code, nodes.Const):
            yield code.value, {keyword.key for keyword in call.kwargs}
        elif isinstance(code, nodes.Concat) and isinstance(code.nodes[0], nodes.Const):
            yield code.nodes[0].value, None


def uses_in_script(path: Path) -> Iterator[str]:
    """Names of the area `scripts` that a script gives to `text(...)`."""
    for argument in re.findall(r"\btext\(([^;]*?)[,)]", path.read_text(encoding="utf-8")):
        yield from re.findall(r'"(\w+)"', argument)


@cache
def all_uses() -> list[tuple[str, str, set[str] | None]]:
    return [
        *((path.name, *use) for path in sources() for use in uses_in_python(path)),
        *((path.name, *use) for path in sorted(TEMPLATES.glob("*.html")) for use in uses_in_template(path)),
    ]


def own_scripts() -> list[Path]:
    return sorted(SCRIPTS.glob("*.js"))


@pytest.mark.parametrize("language", Language)
def test_no_code_lacks_a_language(language):
    assert codes(language) ^ codes(Language.ENGLISH) == set()


@pytest.mark.parametrize("area", AREAS)
def test_the_languages_of_a_text_have_the_same_placeholders_and_their_own_plurals(area):
    english = sentences(Language.ENGLISH, area)
    for language in Language:
        for name, sentence in sentences(language, area).items():
            assert placeholders(sentence) == placeholders(english[name]), f"{language} {area}.{name}"
            if not isinstance(sentence, str):
                assert set(sentence) == PLURALS[language], f"{language} {area}.{name}"


@pytest.mark.parametrize("area", AREAS)
def test_a_text_is_translated_and_written_as_prose_is(area):
    english = sentences(Language.ENGLISH, area)
    for language in Language:
        for name, sentence in sentences(language, area).items():
            for form in forms(sentence):
                assert form == form.strip() != "", f"{language} {area}.{name}"
                assert "  " not in form
                assert "<" not in form, "texts are no markup: pass elements as values"
            words = re.sub(r"\{.*?\}|`.*?`|\W", "", "".join(forms(english[name])))
            if language is not Language.ENGLISH and len(words) > 20:
                assert sentence != english[name], f"{language} {area}.{name} is not translated"


# Particles with two forms, of which the last letter of the word before them decides.
_KOREAN_PARTICLE = re.compile(r"""(?<!\})\}['"`]*(?:은|는|이|가|을|를|과|와|으로|로|이나|나)(?![가-힣])""")


@pytest.mark.parametrize("area", AREAS)
def test_no_korean_particle_depends_on_the_end_of_a_value(area):
    found = sentences(Language.KOREAN, area).values()

    assert [form for sentence in found for form in forms(sentence) if _KOREAN_PARTICLE.search(form)] == []


def test_every_code_that_is_used_exists_and_gets_the_values_of_its_placeholders():
    for place, code, values in all_uses():
        if values is None:
            assert code in FAMILIES, f"{place}: add {code} to the families"
            continue
        area, _, name = code.partition(".")
        known = sentences(Language.ENGLISH, area) if area in AREAS else {}
        assert name in known, f"{place}: {code} is not in the catalogue"
        assert values == names(known[name]), f"{place}: {code}"


def test_every_text_is_used():
    used = {code for _place, code, values in all_uses() if values is not None}
    used |= {beginning + end for beginning, ends in FAMILIES.items() for end in ends}
    used |= {f"scripts.{name}" for path in own_scripts() for name in uses_in_script(path)}

    assert codes(Language.ENGLISH) - used == set()
    assert used - codes(Language.ENGLISH) == set()
    assert set(FAMILIES) == {code for _place, code, values in all_uses() if values is None}


def test_scripts_use_texts_that_exist():
    used = {name for path in own_scripts() for name in uses_in_script(path)}

    assert used
    assert used <= set(sentences(Language.ENGLISH, "scripts"))


# Names, units and forms that are the same in every language.
SAME_EVERYWHERE = re.compile(
    r"(?:· )?Service Server|URL|ssk_…|MiB|ms|stdout|stderr|curl|out/\*\.png|service-server [\w .-]+|https://example.com/hook"
    r"|(?:GET|POST) /api/[\w/]+|case_set|·|/|(?:data-\w+=\W+)+|(?:(?:href|hx-[\w-]+)=\S* ?)+|\W+"
)
_CODE = re.compile(r"\{% block kind %\}\w+|\{%.*?%\}|\{\{.*?\}\}|\{#.*?#\}", re.DOTALL)
_SHOWN_ATTRIBUTES = ("aria-label", "placeholder", "title", "alt", "hx-confirm")


@pytest.mark.parametrize("path", sorted(TEMPLATES.glob("*.html")), ids=lambda path: path.name)
def test_a_template_has_no_sentence_of_its_own(path):
    html = _CODE.sub("", path.read_text(encoding="utf-8"))
    shown = re.sub(r"<(script|style)\b.*?</\1>", "", html, flags=re.DOTALL)
    attributes = [value for name in _SHOWN_ATTRIBUTES for value in re.findall(rf'\s{name}="([^"]*)"', shown)]
    texts = [*re.sub(r"<[^>]*>", "\n", shown).splitlines(), *attributes]

    assert [text for text in map(str.strip, texts) if not SAME_EVERYWHERE.fullmatch(text) and text] == []


# A letter, and a sentence after it: neither names of classes and events nor codes are like that.
_SENTENCE = re.compile(r"""["'`]([A-Z][a-z]+ (?:\$\{[^}]*\}|[\w ])*[^"'`]*)["'`]""")


@pytest.mark.parametrize("path", own_scripts(), ids=lambda path: path.name)
def test_a_script_has_no_sentence_of_its_own(path):
    assert _SENTENCE.findall(path.read_text(encoding="utf-8")) == []


def test_everything_that_may_not_exist_has_a_kind():
    found = {
        node.args[0].value.replace(" ", "_")
        for path in sources()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "NotFound"
        if node.args and isinstance(node.args[0], ast.Constant)
    }

    assert found == KINDS
