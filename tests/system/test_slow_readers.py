"""Clients that ask for long answers and never read them: more of them than the server has workers."""

import contextlib
import socket
import urllib.parse

from rounds import make_rows, to_csv

WORKERS = 12
PATIENCE_S = 30  # half of the time after which the server cuts an answer that nobody takes


def ask_and_not_read(server, target: str) -> socket.socket:
    url = urllib.parse.urlsplit(server.url)
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)  # the kernel takes no more for it
    connection.connect((url.hostname, url.port))
    connection.sendall(f"GET {target} HTTP/1.1\r\nHost: {url.netloc}\r\n\r\n".encode())
    connection.settimeout(PATIENCE_S)
    return connection


def test_who_does_not_read_holds_up_no_one_else(start_server, rng):
    server = start_server("data", "--http-workers", str(WORKERS))
    rows = make_rows(rng, 80_000, players=4000, games=20, hours=700)
    upload = server.stored(to_csv(rows).encode())
    bad = server.upload(to_csv([["yesterday", *row[1:]] for row in rows]).encode()).json()
    targets = [
        "/v1/aggregates?format=csv",
        "/v1/aggregates?format=ndjson",
        "/v1/aggregates?limit=10000",
        f"/v1/uploads/{upload['id']}/original",
        f"/v1/uploads/{bad['id']}/rejects?format=csv",
    ]
    with contextlib.ExitStack() as stack:
        readers = []
        for number in range(3 * WORKERS):
            target = targets[number % len(targets)]
            readers.append(stack.enter_context(contextlib.closing(ask_and_not_read(server, target))))
        answers = [reader.recv(1024, socket.MSG_WAITALL).decode(errors="replace") for reader in readers]
        sent = [answer for answer in answers if answer.startswith("HTTP/1.1 200 ")]
        refused = [answer for answer in answers if answer.startswith("HTTP/1.1 503 ")]
        assert len(sent) >= WORKERS // 3 and len(refused) > 0, answers
        assert len(sent) + len(refused) == len(answers), answers
        assert all('"code":"too_many_downloads"' in answer and "\r\nRetry-After: " in answer for answer in refused)
        for path in ("/livez", "/readyz", "/", "/v1/uploads?limit=1"):
            assert server.get(path, timeout=PATIENCE_S).status_code == 200, path
        headers = {"Content-Type": "text/csv", "Prefer": f"wait={PATIENCE_S}"}
        content = to_csv(make_rows(rng, 100)).encode()
        stored = server.post("/v1/uploads", content=content, headers=headers, timeout=2 * PATIENCE_S)
        assert stored.status_code == 200 and stored.json()["state"] == "stored", stored.text
    quick = server.get("/v1/aggregates", params={"format": "csv", "player_id": rows[0][2]})
    assert quick.status_code == 200
