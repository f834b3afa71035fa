import contextlib
import socket
import sys

port, abstract = int(sys.argv[1]), sys.argv[2]
escapes = []
for address in (
    ("169.254.169.254", 80),
    ("169.254.170.2", 80),
    ("127.0.0.1", port),
    ("127.0.0.1", 3306),
    ("127.0.0.1", 6379),
    ("10.0.0.1", 53),
    ("192.0.2.1", 443),
):
    with contextlib.suppress(OSError), socket.create_connection(address, timeout=0.3):
        escapes.append(address)
with contextlib.suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
    udp.sendto(b"x", ("192.0.2.1", 53))
    escapes.append("udp")
with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as local:
    local.connect("\0" + abstract)
    escapes.append("abstract socket")
with contextlib.suppress(OSError):
    socket.getaddrinfo("example.com", 80)
    escapes.append("DNS")
for family in range(3, 46):
    if family == socket.AF_INET6:
        continue
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM, socket.SOCK_RAW, socket.SOCK_SEQPACKET):
        with contextlib.suppress(OSError):
            socket.socket(family, kind).close()
            escapes.append(f"family {family}")
for kind in (socket.SOCK_RAW,):
    with contextlib.suppress(OSError):
        socket.socket(socket.AF_INET, kind, 1).close()
        escapes.append("raw socket")
print(f"ESCAPED: {escapes}" if escapes else "CONTAINED")
