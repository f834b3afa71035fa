"""Case sets and checkers on a service as it is started: from files on disk to verdicts."""

import json

import httpx
import pytest

from tests.support import service

_CHECKER = """
#include "numbers.h"
int main(int, char** argv) { return same(argv[2], argv[3]) ? 0 : 1; }
"""
_NUMBERS = """
#include <fstream>
inline bool same(const char* output, const char* answer) {
    std::ifstream found(output), expected(answer);
    long long a, b;
    return (found >> a) && (expected >> b) && a == b;
}
"""
_PARITY = """
number = int(open(__import__("sys").argv[1]).read())
print(number, flush=True)
raise SystemExit(input() != ("even", "odd")[number % 2])
"""


@pytest.fixture
def cases(tmp_path):
    files = {
        "1.in": "2",
        "1.out": "4",
        "10.in": "10",
        "10.out": "20\n",
        "2.in": "3",
        "2.ans": "6",
        "notes": "",
    }
    for name, content in files.items():
        (tmp_path / name).write_text(content)
    return tmp_path


def test_cases_from_a_directory_are_judged_by_a_checker(env, server, cases):
    at_server = {**env, "SERVICE_SERVER_SERVER_URL": server.url}

    def command(*words):
        ran = service.run("case-sets", *words, env=at_server)
        assert ran.returncode == 0, ran.stderr
        return ran.stdout.decode()

    assert command("put", "demo", "double", str(cases)) == "stored double@1, 3 cases\n"
    assert command("put", "demo", "double", str(cases)) == "unchanged: double@1, 3 cases\n"
    (cases / "10.out").write_text("21")
    assert json.loads(command("put", "demo", "double", str(cases), "--json"))["version"] == 2
    assert "double" in command("list", "demo")
    shown = json.loads(command("show", "demo", "double@1", "--json"))
    assert [case["name"] for case in shown["cases"]] == ["1", "2", "10"]
    assert command("show", "demo", "double@1").splitlines()[-1].split("\t")[:3] == ["10", "1.0", "no"]

    upload = {
        "project": "demo",
        "code": "print(2 * int(input()))",
        "language": "python",
        "case_set": "double",
        "checker": {
            "kind": "program",
            "language": "cpp",
            "code": _CHECKER,
            "files": [{"path": "numbers.h", "content": _NUMBERS}],
        },
        "execute": True,
    }
    with httpx.Client(base_url=server.url, timeout=60) as http:
        job = _ended(http, http.post("/api/upload", json=upload).json())
        assert {case["name"]: case["verdict"] for case in job["data"]["result"]["cases"]} == {
            "1": "accepted",
            "2": "accepted",
            "10": "wrong_answer",
        }
        assert (job["spec"]["case_set"], job["spec"]["checker"]) == ("double@2", "program")


def test_an_interactor_speaks_with_the_program(server):
    upload = {
        "project": "demo",
        "code": "print('odd' if int(input()) % 2 else 'even')",
        "language": "python",
        "cases": [{"stdin": "6"}, {"stdin": "7"}],
        "interactor": {"language": "python", "code": _PARITY},
        "execute": True,
    }
    with httpx.Client(base_url=server.url, timeout=60) as http:
        job = _ended(http, http.post("/api/upload", json=upload).json())
        assert (job["status"], job["data"]["result"]["passed"]) == ("SUCCESS", 2)


def _ended(http, job):
    status = http.get(f"/api/jobs/{job['job_id']}/status", params={"wait": 50}).json()["status"]
    assert status in {"SUCCESS", "FAILED"}
    return http.get(f"/api/jobs/{job['job_id']}").json()
