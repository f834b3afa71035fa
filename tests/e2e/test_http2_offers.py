"""Clients that offer to go on with HTTP/2 are answered with HTTP/1.1, and their bodies count."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.service import Server

REVERSED = "print(input()[::-1])"
_JAVA = """
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;

public class Client {
    public static void main(String[] arguments) throws Exception {
        HttpRequest request = HttpRequest.newBuilder(URI.create(arguments[0]))
            .header("Content-Type", "application/json")
            .POST(HttpRequest.BodyPublishers.ofString(arguments[1]))
            .build();
        HttpClient client = HttpClient.newHttpClient();
        for (int i = 0; i < 2; i++) {
            HttpResponse<String> response = client.send(request, HttpResponse.BodyHandlers.ofString());
            System.out.println(response.body());
        }
    }
}
"""


def curl(url: str, body: str, _directory: Path) -> list[str]:
    request = ["-s", "-H", "Content-Type: application/json", "-d", body, url]
    return ["curl", "--http2", "-w", "\\n", *request, "--next", "--http2", "-w", "\\n", *request]


def java(url: str, body: str, directory: Path) -> list[str]:
    program = directory / "Client.java"
    program.write_text(_JAVA)
    return ["java", str(program), url, body]


@pytest.mark.parametrize("client", [curl, java])
def test_a_client_that_offers_http2_runs_a_program_with_its_input(
    server: Server, client: Callable[[str, str, Path], list[str]], tmp_path: Path
):
    body = {"project": "offers", "language": "python", "code": REVERSED, "execute": True, "stdin": "abc"}
    command = client(f"{server.url}/api/upload?wait=20", json.dumps(body), tmp_path)

    said = subprocess.run(command, capture_output=True, check=True, timeout=60, text=True).stdout

    jobs = [json.loads(line) for line in said.splitlines()]
    assert [job["data"]["result"]["stdout"] for job in jobs] == ["cba\n", "cba\n"]
