"""Attacks on the border between tenants: a real service, callers with keys, and a table of tricks."""

import base64
import html
import http.client
import json
import re
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from urllib.parse import parse_qs, quote, unquote, urlencode, urlsplit
from uuid import UUID, uuid4

import httpx
import pytest

from tests.attack.tenant_tricks import TRICKS, Trick
from tests.http.visitor import Visitor
from tests.support import service
from tests.support.keys import bearer
from tests.support.no_tls import NO_TLS

# In all that the victim has, and in no request of an attacker's.
SECRET = b"krait"
SCOPES = ["jobs:read", "jobs:write", "projects:write", "logs:read", "cluster:read", "keys:write"]
RUNS_ON = "import time\nprint('krait-running', flush=True)\ntime.sleep(600)"
ENDS = "import sys\nprint('krait-output', sys.stdin.read())"
IDS = ("job", "running", "pending", "execution", "key_id", "session", "log_key", "code_key") + (
    NEWER := ("wrote", "judged", "batch", "webhook", "delivery")
)
_WORD_CHARS = 6
# A heartbeat comes less often.
_STREAM_S = 5
Names = dict[str, str]


@dataclass(frozen=True)
class Answer:
    """The answer to a trick."""

    status: int
    body: bytes


class Member:
    """A caller with a key of a tenant, and a session on the dashboard."""

    def __init__(self, clients: ExitStack, url: str, key: str) -> None:
        self.key = key
        self.http = clients.enter_context(
            httpx.Client(base_url=url, verify=NO_TLS, headers=bearer(key), timeout=60)
        )
        visitor = Visitor(clients.enter_context(httpx.Client(base_url=url, verify=NO_TLS, timeout=60)))
        assert visitor.sign_in(key).status_code == 303
        self.cookie = "; ".join(f"{name}={value}" for name, value in visitor.http.cookies.items())
        self.csrf = visitor.token("/dashboard")

    def get(self, path: str, **params: object) -> httpx.Response:
        return self.http.get(path, params=params).raise_for_status()

    def post(self, path: str, **body: object) -> dict:
        return self.http.post(path, json=body).raise_for_status().json()

    def run(self, project: str, code: str, **more: object) -> dict:
        """Run a program to its end."""
        body = {"project": project, "code": code, "language": "python", "execute": True, **more}
        ended = self.post("/api/upload?wait=60", **body)
        assert ended["status"] == "SUCCESS", ended
        return ended

    def session(self) -> str:
        """Return the id of a session of the tenant."""
        page = self.http.get(
            "/dashboard/members/list", headers={"Cookie": self.cookie, "Accept": "text/html"}
        )
        return re.search(r"/sessions/([0-9a-f-]{36})/end", page.text)[1]

    def everything(self) -> object:
        """Return all that the tenant has, as its members see it, but for what changes by the minute."""
        jobs = self.get("/api/jobs", limit=1000).json()
        details = [self.get(f"/api/jobs/{job['job_id']}").text for job in jobs]
        keys = [{**key, "last_used_at": None} for key in self.get("/api/keys").json()]
        more = [self.get(path).json() for path in ("/api/projects", "/api/batches", "/api/webhooks")]
        sets = [self.get(f"/api/projects/{each['project_id']}/case-sets").json() for each in more[0]]
        return re.sub(r'"logs_url":"[^"]*"', "", "\n".join(details)), keys, more, sets


@dataclass(frozen=True)
class World:
    """A service with a victim, two attackers, and the administrator."""

    url: str
    admin: Member
    victim: Member
    attackers: Mapping[str, Member]
    names: Names


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    env = service.environment(
        tmp_path_factory.mktemp("tenants"),
        SERVICE_SERVER_AUTH="keys",
        SERVICE_SERVER_WEBHOOK_SECRETS="whsec_" + base64.b64encode(bytes(24)).decode(),
    )
    made = service.run("setup", "--json", env=env)
    assert made.returncode == 0, made.stderr
    with service.served(env) as server, ExitStack() as clients:
        admin = Member(clients, server.url, json.loads(made.stdout)["key"])
        members = {"default": Member(clients, server.url, a_key(admin, "default"))}
        for tenant in ("acme", "beta"):
            admin.post("/api/tenants", tenant=tenant)
            members[tenant] = Member(
                clients, server.url, a_key(admin, tenant, name="krait-key" if tenant == "beta" else "a key")
            )
        victim = members.pop("beta")
        yield World(server.url, admin, victim, members, the_victims(victim))


def a_key(admin: Member, tenant: str, name: str = "a key") -> str:
    return admin.post("/api/keys", name=name, scopes=SCOPES, tenant=tenant)["key"]


def the_victims(victim: Member) -> Names:
    """Give the victim its things, and return their names."""
    victim.post("/api/project", project_name="betas-own", description="krait-description")
    job = victim.run("betas-own", ENDS, stdin="krait-stdin", tags={"team": "krait-tag"})
    victim.run("betas-own", "print('krait-second')")
    many = the_victims_newer_things(victim)
    running = victim.post(
        "/api/upload", project="betas-own", code=RUNS_ON, language="python", execute=True, timeout_ms=600_000
    )
    first = {"Idempotency-Key": "krait-1"}
    upload = {"project": "betas-own", "code": "", "language": "python"}
    pending = victim.http.post("/api/upload", json=upload, headers=first).raise_for_status().json()
    page = victim.get("/api/jobs", limit=1)
    (project,) = victim.get("/api/projects").json()
    return {
        "job": job["job_id"],
        "running": running["job_id"],
        "pending": pending["job_id"],
        "execution": victim.get(f"/api/jobs/{job['job_id']}").json()["executions"][0]["execution_id"],
        "etag": victim.get(f"/api/jobs/{job['job_id']}").headers["etag"],
        "log_etag": victim.get("/api/log", log_key=job["log_key"]).headers["etag"],
        "project": "betas-own",
        "project_id": str(project["project_id"]),
        "log_key": job["log_key"],
        "code_key": job["code_key"],
        "cursor": parse_qs(urlsplit(page.links["next"]["url"]).query)["cursor"][0],
        "key_id": victim.get("/api/keys").json()[0]["key_id"],
        "session": victim.session(),
        **many,
    }


def the_victims_newer_things(victim: Member) -> Names:
    """Give the victim files of a program, cases, a case set, a batch and a webhook with a delivery."""
    code = "open('wrote.txt', 'w').write('krait-artifact')"
    wrote = victim.run("betas-own", code, artifacts=["wrote.txt"])
    case = {"name": "krait-case", "stdin": "krait\n", "expected_stdout": "krait\n"}
    judged = victim.run("betas-own", "print(input())", cases=[case])
    victim.http.put("/api/projects/betas-own/case-sets/final", json={"cases": [case]}).raise_for_status()
    job = {"project": "betas-own", "code": "", "language": "python", "execute": False}
    batch = victim.post("/api/batches", jobs=[job])
    hook = victim.post("/api/webhooks", url="https://krait.invalid/", project="betas-own")["webhook_id"]
    delivery = victim.post(f"/api/webhooks/{hook}/test")
    # Its state is to change by a trick alone.
    victim.http.patch(f"/api/webhooks/{hook}", json={"status": "DISABLED"}).raise_for_status()
    return {
        "wrote": wrote["job_id"],
        "judged": judged["job_id"],
        "batch": batch["batch_id"],
        "webhook": hook,
        "delivery": delivery["delivery_id"],
    }


def names_of_nothing(names: Names) -> Names:
    """Return names of the same forms that nothing has."""
    ids = ("job", "running", "pending", "execution", "key_id", "session", *NEWER)
    unknown = {name: str(uuid4()) for name in ids}
    log_name, code_name = uuid4(), uuid4()
    return {
        **names,
        **unknown,
        "project": "nobodys-x",
        "project_id": "9" * len(names["project_id"]),
        "log_key": f"tenants/beta/logs/{log_name}.json",
        "code_key": f"tenants/beta/betas-own/{code_name}.py",
        "etag": 'W/"none"',
        "log_etag": '"none"',
    }


def with_forms(names: Names, attacker: Member, own: Mapping[str, str]) -> Names:
    """Add other forms of the names, and the attacker's own."""

    def encoded(text: str) -> str:
        return "".join(f"%{byte:02x}" for byte in text.encode())

    def fullwidth(text: str) -> str:
        return quote("".join(chr(ord(char) + 0xFEE0) if char.isdecimal() else char for char in text))

    return {
        **names,
        "upper_job": names["job"].upper(),
        "encoded_job": encoded(names["job"]),
        "twice_encoded_job": quote(encoded(names["job"])),
        "fullwidth_job": fullwidth(names["job"]),
        "fullwidth_project_id": fullwidth(names["project_id"]),
        "twice_encoded_project": quote(encoded(names["project"])),
        "encoded_log_key": encoded(names["log_key"]),
        "twice_encoded_log_key": quote(encoded(names["log_key"])),
        "log_name": names["log_key"].rpartition("/")[2],
        "cookie": attacker.cookie,
        "csrf": attacker.csrf,
        **own,
    }


def own_names(attacker: Member) -> Names:
    """Give an attacker things of its own, and return their names."""
    job = attacker.run("mine", "print('mine')")
    query = parse_qs(urlsplit(job["logs_url"]).query)
    return {
        "own_job": job["job_id"],
        "own_log_key": job["log_key"],
        "own_signature": urlencode({name: query[name][0] for name in ("expires", "signature")}),
    }


def filled(text: str, names: Names) -> str:
    """Put the names in their places."""
    return re.sub(r"\{(\w+)\}", lambda place: names[place[1]], text)


def send(url: str, key: str, trick: Trick, names: Names) -> Answer:
    """Make the request of a trick, byte by byte as it is."""
    given = {name: filled(value, names) for name, value in trick.headers.items()}
    headers = given if "Cookie" in given else {**bearer(key), **given}
    body = None
    if trick.json is not None:
        body = filled(json.dumps(trick.json), names)
        headers = {**headers, "Content-Type": "application/json"}
    elif trick.form is not None:
        body = urlencode({name: filled(value, names) for name, value in trick.form.items()})
        headers = {**headers, "Content-Type": "application/x-www-form-urlencoded"}
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=_STREAM_S)
    try:
        connection.request(trick.method, filled(trick.target, names), body, headers)
        response = connection.getresponse()
        return Answer(response.status, b"".join(pieces(response)))
    finally:
        connection.close()


def pieces(response: http.client.HTTPResponse) -> Iterator[bytes]:
    """Read an answer to its end, or a stream until nothing comes."""
    try:
        while piece := response.read1(65_536):
            yield piece
    except TimeoutError:
        return


def but_for_names(answer: Answer, names: Names) -> tuple[int, bytes]:
    """Return an answer without the names that the request has, and the ids and numbers of each answer."""
    text = html.unescape(answer.body.decode(errors="replace"))
    if text.startswith("{"):
        problem = json.loads(text)
        text = json.dumps({**problem, "instance": None, "request_id": None}, ensure_ascii=False)
    else:
        text = ""  # a page has a token and a time of its own
    forms = {form(name) for name in names.values() for form in (str, quote, unquote, _unquote_twice)}
    for name in sorted(forms, key=len, reverse=True):
        # A number is part of other words: it stands in quotation marks, or as a value of the sentence.
        short = rf"'{re.escape(name)}'|(?<=\"name\": ){re.escape(name)}\b"
        text = re.sub(short, "*", text) if len(name) < _WORD_CHARS else text.replace(name, "*")
    return answer.status, text.encode()


def _unquote_twice(name: str) -> str:
    return unquote(unquote(name))


def is_named(trick: Trick) -> bool:
    """Whether a trick names a thing of the victim's."""
    text = f"{trick.target}{dict(trick.headers)}{trick.json}{trick.form}"
    return bool(re.search(r"\{(?!own_|cookie|csrf)\w+\}", text))


def shows_the_victims(trick: Trick, answer: Answer, names: Names) -> bool:
    """Whether an answer has a thing of the victim's, but for a name that the request has."""
    if SECRET in answer.body or b'"tenant":"beta"' in answer.body:
        return True
    if trick.recalls:
        return False
    asked = unquote(unquote(filled(f"{trick.target}{trick.json}", names))).lower()
    shown = answer.body.decode(errors="replace")
    return any(names[name] in shown and names[name] not in asked for name in IDS)


def test_there_are_enough_tricks_each_of_its_own():
    assert len({trick.name for trick in TRICKS}) == len(TRICKS) >= 60


def test_the_victim_itself_reaches_its_things_by_them(world: World):
    names = with_forms(world.names, world.victim, {})
    reads = [trick for trick in TRICKS if trick.reaches]
    assert len(reads) >= 20

    for trick in reads:
        answer = send(world.url, world.victim.key, trick, names)
        assert answer.status in {200, 206}, trick
        shown = [
            SECRET,
            *(world.names[name].encode() for name in ("job", "execution", "project", "key_id", "batch")),
        ]
        assert any(text in answer.body for text in shown), trick


@pytest.mark.parametrize("tenant", ["acme", "default"])
def test_no_trick_reaches_a_thing_of_another_tenant(world: World, tenant: str):
    attacker = world.attackers[tenant]
    own = own_names(attacker)
    names = with_forms(world.names, attacker, own)
    nothing = with_forms(names_of_nothing(world.names), attacker, own)
    before = world.victim.everything()
    tenants_before = world.admin.get("/api/tenants").json()
    reached, distinguished = [], []

    for trick in TRICKS:
        answer = send(world.url, attacker.key, trick, names)
        if shows_the_victims(trick, answer, names) or answer.status >= 500:
            reached.append((trick.name, answer))
        if is_named(trick) and not trick.creates:
            other = send(world.url, attacker.key, trick, nothing)
            if but_for_names(answer, names) != but_for_names(other, nothing):
                distinguished.append((trick.name, answer, other))

    assert reached == []
    assert distinguished == []
    assert world.victim.everything() == before
    assert world.admin.get("/api/tenants").json() == tenants_before


def test_a_key_of_one_project_reaches_no_other_of_its_tenant(world: World):
    own = world.attackers["acme"].run("mine", "print('mine')")
    assert UUID(own["job_id"])
    limited = world.attackers["acme"].post(
        "/api/keys", name="limited", scopes=["jobs:read", "logs:read"], project="mine"
    )["key"]
    other = world.attackers["acme"].run("another", "print('krait')")

    for path in (
        f"/api/jobs/{other['job_id']}",
        f"/api/status/{other['job_id']}",
        f"/api/jobs/{other['job_id']}/output/stdout",
        f"/api/log?log_key={other['log_key']}",
    ):
        assert httpx.get(world.url + path, headers=bearer(limited), verify=NO_TLS).status_code == 404
    listed = httpx.get(f"{world.url}/api/jobs?limit=1000", headers=bearer(limited), verify=NO_TLS).json()
    assert other["job_id"] not in {job["job_id"] for job in listed}
    assert own["job_id"] in {job["job_id"] for job in listed}
