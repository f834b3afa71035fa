"""The machine as programs see it: names, time zone and settings of runtimes, and no secret."""

import os
import pwd
import stat
import tomllib
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from adapters.local_engine.sandbox import rootfs
from adapters.local_engine.sandbox.supervisor.protocol import USER
from domain.execution import Note
from tests.contract.engine_kit.harness import Program
from tests.support.sandbox import isolated_engine

_MADE = Path(rootfs.__file__).with_name("etc")
_TABLE = Path(rootfs.__file__).with_name("etc.toml")
_PYTHON = """
import socket
for name in ("localhost", socket.gethostname()):
    with socket.create_server((name, 0)) as server:
        with socket.create_connection((name, server.getsockname()[1])) as client:
            print(name, server.accept()[0].getpeername() == client.getsockname())
"""
_NODE = """
const net = require("net"), os = require("os");
const names = ["localhost", os.hostname()];
const next = () => {
    const name = names.shift();
    if (name === undefined) return;
    const server = net.createServer(() => {}).listen(0, name, () => {
        const client = net.connect(server.address().port, name, () => {
            console.log(name, true); client.destroy(); server.close(); next();
        });
        server.on("connection", socket => socket.destroy());
    });
};
next();
"""
_JAVA = """
import java.net.*;
class Names {
    public static void main(String[] args) throws Exception {
        for (String name : new String[] {"localhost", InetAddress.getLocalHost().getHostName()})
            try (var server = new ServerSocket(0, 1, InetAddress.getByName(name));
                 var client = new Socket(name, server.getLocalPort())) {
                System.out.println(name + " " + client.isConnected());
            }
    }
}
"""
_C = r"""
#define _GNU_SOURCE
#include <netdb.h>
#include <stdio.h>
#include <unistd.h>
int main(void) {
    char own[64];
    gethostname(own, sizeof own);
    const char *names[] = {"localhost", own};
    for (int n = 0; n < 2; n++) {
        struct addrinfo *found = NULL;
        printf("%s %s\n", names[n], getaddrinfo(names[n], "80", NULL, &found) == 0 ? "True" : "False");
    }
}
"""


@pytest.fixture(scope="module")
def kit(tmp_path_factory):
    with isolated_engine(tmp_path_factory.mktemp("rootfs")) as kit:
        yield kit


def _python(kit, code):
    ended = kit.run(Program(code=code))
    assert ended.stderr == b""
    return ended.stdout.decode()


@pytest.mark.parametrize(
    ("language", "code"), [("python", _PYTHON), ("node", _NODE), ("java", _JAVA), ("c", _C)]
)
def test_the_box_s_own_names_lead_to_itself(kit, language, code):
    support = next(each for each in kit.engine.languages() if each.language.name == language)
    if not support.is_available:
        pytest.skip(str(support.unavailable_because))

    ended = kit.run(Program(language=language, code=code, limits={"timeout_ms": 20_000}))

    assert ended.stdout.decode().lower() == "localhost true\nbox true\n", ended


def test_users_are_those_of_the_box(kit):
    code = "import grp, os, pwd\nme = pwd.getpwuid(os.getuid())\n"
    code += "print(me.pw_name, me.pw_dir == os.environ['HOME'], grp.getgrgid(os.getgid()).gr_name)\n"
    code += "print([user.pw_name for user in pwd.getpwall()])"

    assert _python(kit, code) == "box True box\n['root', 'box', 'nobody']\n"
    assert f"box:x:{USER}:{USER}:box:{rootfs.HOME}:" in (_MADE / "passwd").read_text()


def test_numbers_have_their_names(kit):
    code = "import socket; print(socket.getservbyname('https'), socket.getprotobyname('udp'))"

    assert _python(kit, code) == "443 17\n"


@pytest.mark.skipif(not Path("/etc/localtime").is_symlink(), reason="this machine does not name its zone")
def test_the_time_zone_is_the_machine_s(kit):
    assert (
        _python(kit, "import os; print(os.readlink('/etc/localtime'))")
        == f"{Path('/etc/localtime').readlink()}\n"
    )


def test_certificates_are_there_and_keys_are_not(kit):
    code = "import os, ssl\nprint(len(ssl.create_default_context().get_ca_certs()) > 0, "
    code += "os.path.exists('/etc/ssl/private'))"

    expected = Path("/etc/ssl/certs/ca-certificates.crt").exists()
    assert _python(kit, code) == f"{expected} False\n"


def _shown():
    patterns = tomllib.loads(_TABLE.read_text())["shown"]
    found = {path for pattern in patterns for path in Path("/etc").glob(pattern) if path.exists()}
    return [path for path in found if path.stat().st_mode & stat.S_IROTH]


def test_nothing_else_of_etc_is_seen(kit):
    made = {path.name for path in _MADE.iterdir()}
    shown = {path.relative_to("/etc").parts[0] for path in _shown()}

    seen = set(_python(kit, "import os; print(*os.listdir('/etc'))").split())

    assert seen == made | shown | {"sh", "reaper"}
    assert not seen & {
        "shadow",
        "gshadow",
        "sudoers",
        "ssh",
        "machine-id",
        "mysql",
        "pip.conf",
        "npmrc",
        "krb5.keytab",
    }
    users = {user.pw_name for user in pwd.getpwall()} - {"root", "nobody"}
    assert not users & {line.split(":")[0] for line in (_MADE / "passwd").read_text().splitlines()}


@pytest.mark.skipif(not os.access("/etc", os.W_OK), reason="only root may put files into /etc")
def test_what_not_everybody_may_read_is_not_shown(monkeypatch, tmp_path):
    with TemporaryDirectory(dir="/etc", prefix="service-server-shown-") as directory:
        place = Path(directory)
        place.chmod(0o755)
        for name, mode in {"open": 0o644, "closed": 0o640}.items():
            (place / name).write_text(name)
            (place / name).chmod(mode)
        table = tmp_path / "etc.toml"
        table.write_text(f'shown = ["ld.so.*", "alternatives", "{place.name}/*"]')
        monkeypatch.setattr("adapters.local_engine.sandbox.rootfs._TABLE", table)

        with isolated_engine(tmp_path) as kit:
            assert _python(kit, f"import os; print(os.listdir('{place}'))") == "['open']\n"


def test_the_table_names_no_place_of_secrets():
    patterns = tomllib.loads(_TABLE.read_text())["shown"]

    assert not any(pattern.startswith(("*", "/", ".")) or ".." in pattern for pattern in patterns)


_CONNECTS = {
    "python": "import urllib.request\nurllib.request.urlopen('http://example.com')",
    "node": "require('net').connect(80, '192.0.2.1')",
    "ruby": "require 'socket'; TCPSocket.new('example.com', 80)",
}


@pytest.mark.parametrize("language", _CONNECTS)
def test_a_program_that_looks_for_a_network_is_told_that_there_is_none(kit, language):
    support = next(each for each in kit.engine.languages() if each.language.name == language)
    if not support.is_available:
        pytest.skip(str(support.unavailable_because))

    assert Note.NO_NETWORK in kit.run(Program(language=language, code=_CONNECTS[language])).result.notes
