"""A whole answer that its client takes more slowly than ClickHouse lets one statement run."""

import csv
import http.client
import io
import os
import pathlib
import signal
import socket
import time
import urllib.parse

from rounds import make_rows, to_csv
from test_aggregates import Totals, served

LIMIT_S = 1
TIMEOUTS = "SELECT sum(value) FROM system.errors WHERE name = 'TIMEOUT_EXCEEDED'"


def limit_time(server) -> None:
    """Statements of the reading user end after LIMIT_S."""
    users = pathlib.Path(server.data) / "clickhouse" / "config" / "users.xml"
    text = users.read_text()
    assert text.count("<max_execution_time>60<") == 1
    users.write_text(text.replace("<max_execution_time>60<", f"<max_execution_time>{LIMIT_S}<"))
    os.kill(server.clickhouse_pid(), signal.SIGKILL)  # the next one reads the file
    server.wait_ready()


def read_slowly(server, target: str) -> bytes:
    """The body, by a client that takes a little, rests for longer than a statement may run, and so on."""
    connection = http.client.HTTPConnection("127.0.0.1", urllib.parse.urlsplit(server.url).port, timeout=120)
    connection.sock = socket.socket()
    connection.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)  # the kernel takes no more for it
    connection.sock.connect(("127.0.0.1", connection.port))
    connection.request("GET", target)
    answer = connection.getresponse()
    assert answer.status == 200
    body = b""
    for _ in range(2):
        time.sleep(2.5 * LIMIT_S)
        body += answer.read(1 << 20)
    body += answer.read()  # raises IncompleteRead if the answer is cut
    connection.close()
    return body


def test_a_client_slower_than_a_statement_may_be_gets_the_whole_file(start_server, rng):
    server = start_server()
    rows = make_rows(rng, 80_000, players=4000, games=20, hours=700)
    server.stored(to_csv(rows).encode())
    quick = server.get("/v1/aggregates", params={"format": "csv"}).content
    limit_time(server)
    slow = read_slowly(server, "/v1/aggregates?format=csv")

    assert slow == quick
    assert served(list(csv.DictReader(io.StringIO(slow.decode(), newline="")))) == Totals([rows]).by()
    assert int(server.clickhouse(TIMEOUTS)) > 0  # and ClickHouse did not wait for it
