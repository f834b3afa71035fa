"""Runs OpenStack Swift with its S3 API in this process. Its argument is an empty directory."""

import sys
from pathlib import Path

import eventlet
from eventlet import wsgi
from swift.account.server import app_factory as account
from swift.common import utils
from swift.common.ring import RingBuilder
from swift.common.wsgi import loadapp
from swift.container.server import app_factory as container
from swift.obj.mem_server import app_factory as objects

_BACKENDS = {"account": account, "container": container, "object": objects}
_FILTERS = ("catch_errors", "gatekeeper", "listing_formats", "bulk", "slo", "dlo")
_SWIFT_CONF = "[swift-hash]\nswift_hash_path_suffix = tests\n"
_PROXY_CONF = """
[DEFAULT]
swift_dir = {directory}
[pipeline:main]
pipeline = catch_errors gatekeeper listing_formats bulk s3api tempauth slo dlo proxy-server
[app:proxy-server]
use = egg:swift#proxy
account_autocreate = true
[filter:tempauth]
use = egg:swift#tempauth
user_test_tester = testing .admin
[filter:s3api]
use = egg:swift#s3api
"""


def main(directory: Path) -> None:
    """Serve until the process is killed; print the port once the server listens."""
    utils.monkey_patch()
    (directory / "swift.conf").write_text(_SWIFT_CONF)
    utils.set_swift_dir(str(directory))
    _serve_backends(directory)
    listener = eventlet.listen(("127.0.0.1", 0))
    sys.stdout.write(f"{listener.getsockname()[1]}\n")
    sys.stdout.flush()
    wsgi.server(listener, _proxy(directory), log_output=False)


def _serve_backends(directory):
    disk = directory / "disk"
    (disk / "d1").mkdir(parents=True)
    for name, application in _BACKENDS.items():
        listener = eventlet.listen(("127.0.0.1", 0))
        _write_ring(directory / f"{name}.ring.gz", listener.getsockname()[1])
        conf = {"devices": str(disk), "mount_check": "false", "swift_dir": str(directory)}
        eventlet.spawn(wsgi.server, listener, application(conf), log_output=False)


def _write_ring(path, port):
    builder = RingBuilder(part_power=1, replicas=1, min_part_hours=0)
    place = {"id": 0, "region": 1, "zone": 1, "weight": 1, "device": "d1"}
    builder.add_dev({**place, "ip": "127.0.0.1", "port": port})
    builder.rebalance()
    builder.get_ring().save(str(path))


def _proxy(directory):
    path = directory / "proxy-server.conf"
    filters = "".join(f"[filter:{name}]\nuse = egg:swift#{name}\n" for name in _FILTERS)
    path.write_text(_PROXY_CONF.format(directory=directory) + filters)
    return loadapp(str(path))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
