"""Does a part answer? Each probe speaks the part's own protocol and returns False for every failure."""

import base64
import contextlib
import http.client
import socket
import struct
import urllib.error
import urllib.parse
import urllib.request

TIMEOUT_S = 5
FAILURES = (OSError, http.client.HTTPException, struct.error, ValueError)
METADATA, METADATA_VERSION = 3, 1


def zookeeper(port: int) -> bool:
    """Its `srvr` word tells the mode only when it serves."""
    with contextlib.suppress(*FAILURES), socket.create_connection(("127.0.0.1", port), TIMEOUT_S) as link:
        link.sendall(b"srvr")
        with link.makefile("rb") as answer:
            return b"Mode: " in answer.read()
    return False


def brokers(port: int) -> set[int]:
    """Ids of the brokers that this one knows, if there is a controller: a Metadata request for no topic."""
    with contextlib.suppress(*FAILURES), socket.create_connection(("127.0.0.1", port), TIMEOUT_S) as link:
        client = b"roundhouse-stack"
        request = struct.pack(">hhih", METADATA, METADATA_VERSION, 1, len(client)) + client + struct.pack(">i", 0)
        link.sendall(struct.pack(">i", len(request)) + request)
        with link.makefile("rb") as answer:
            (length,) = struct.unpack(">i", answer.read(4))
            return parse_metadata(answer.read(length))
    return set()


def parse_metadata(body: bytes) -> set[int]:
    _, count = struct.unpack_from(">ii", body)
    at, ids = 8, set()
    for _ in range(count):
        (node, host) = struct.unpack_from(">ih", body, at)
        at += 6 + host + 4  # the port behind the name
        (rack,) = struct.unpack_from(">h", body, at)
        at += 2 + max(rack, 0)
        ids.add(node)
    (controller,) = struct.unpack_from(">i", body, at)
    return ids if controller in ids else set()


def http_text(url: str, body: bytes | None = None, method: str | None = None) -> str | None:
    """The text of a 200 answer; user and password may stand in the URL."""
    parts = urllib.parse.urlsplit(url)
    plain = parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
    request = urllib.request.Request(plain, data=body, method=method)
    if parts.username:
        credentials = base64.b64encode(f"{parts.username}:{parts.password}".encode()).decode()
        request.add_header("Authorization", f"Basic {credentials}")
    if method == "PUT":
        request.add_header("Content-Type", "application/vnd.schemaregistry.v1+json")
    with contextlib.suppress(*FAILURES):
        # Proxies of the environment are not for loopback.
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(request, timeout=TIMEOUT_S) as answer:
            return answer.read().decode()
    return None
