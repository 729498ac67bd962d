"""What files, clients and servers call themselves is shown, and never obeyed by a terminal or taken for a line."""

import http.server
import json
import os
import re
import socket
import subprocess
import threading

import pytest
from roundhouse import BINARY
from rounds import make_rows, to_csv

EVIL = "a\x1b[2Jb\x7f\x9bc\nroundhouse: stored d\r"
SHOWN = r"a\x1b[2Jb\x7f\u009bc\nroundhouse: stored d\r"
CONTROLS = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]")


def run(*arguments, code: int, **environment) -> tuple[str, str]:
    env = {**os.environ, **environment}
    done = subprocess.run([str(BINARY), *map(str, arguments)], capture_output=True, env=env, check=False)
    out, errors = done.stdout.decode(), done.stderr.decode()
    assert done.returncode == code, (done.returncode, out, errors)
    assert CONTROLS.search(out + errors) is None, (out, errors)
    lines = errors.split("\n")
    assert all(line == "" or line.startswith(("roundhouse: ", "  ")) for line in lines), lines
    assert "roundhouse: stored d" not in lines
    return out, errors


def test_names_and_values_of_files(tmp_path, rng):
    rows = make_rows(rng, 3)
    rows[1][3] = EVIL
    path = tmp_path / f"{EVIL}.csv"
    path.write_text(to_csv(rows), newline="")
    out, _ = run("check", path, code=0)
    assert out.startswith(r"a_[2Jb_\u009bc_roundhouse: stored d_.csv: checked as "), out
    out, _ = run("check", "--json", path, code=0)
    (fault,) = json.loads(out)["rejects"][0]["faults"]
    assert fault["value"] == EVIL
    path.write_bytes(b"")
    _, errors = run("check", path, code=1)
    assert f"{SHOWN}.csv: " in errors
    _, errors = run(
        "convert", tmp_path / (EVIL + os.fsdecode(b"\x9b") + ".csv"), "-o", tmp_path / "x.avro", code=1
    )
    assert rf"{SHOWN}\x9b.csv" in errors


@pytest.fixture
def evil_server():
    """Answers 422 to an upload, and else with an upload of evil words."""
    upload = {
        "id": "00000000-0000-8000-8000-000000000000",
        "state": "stored",
        "filename": EVIL,
        "encoding": EVIL,
        "delimiter": EVIL,
        "warnings": [{"code": "x", "detail": EVIL}],
    }
    problem = {"code": EVIL, "detail": EVIL, "errors": [{"detail": EVIL}], "trace_id": EVIL}

    class Handler(http.server.BaseHTTPRequestHandler):
        def answer(self, status, content):
            body = json.dumps(content, ensure_ascii=False).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def do_GET(self):
            listing = {"data": [upload], "next_cursor": None}
            self.answer(200, listing if self.path.startswith("/v1/uploads?") else upload)

        def do_POST(self):
            self.rfile.read(int(self.headers["Content-Length"]))
            self.answer(422, problem)

        def log_message(self, *_):
            pass

    listener = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=listener.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{listener.server_port}"
    listener.shutdown()
    thread.join()
    listener.server_close()


def test_words_of_a_server(evil_server, tmp_path):
    there = {"ROUNDHOUSE_SERVER": evil_server}
    out, _ = run("uploads", "00000000-0000-8000-8000-000000000000", code=0, **there)
    assert f"{SHOWN}: stored as " in out and f"warning: {SHOWN}\n" in out
    assert SHOWN in run("uploads", "--format", "table", code=0, **there)[0]
    out, _ = run("uploads", "--json", code=0, **there)
    assert json.loads(out)["data"][0]["filename"] == EVIL
    path = tmp_path / "rounds.csv"
    path.write_bytes(b"x")
    _, errors = run("upload", path, code=1, **there)
    assert errors.endswith(f"rounds.csv: {SHOWN}\n  {SHOWN}\n  trace_id {SHOWN}\n"), errors
    out, _ = run("health", code=0, **there)
    assert out.count("\n") == 1 and r"\u009b" in out


def test_values_of_a_text_log(start_server):
    server = start_server("data", "--logging-format", "text")
    address = server.url.removeprefix("http://").split(":")
    with socket.create_connection((address[0], int(address[1]))) as connection:
        connection.sendall(
            b"GET /a%1B%5B2J%C2%9B%0Ab%20status=200%22 HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
        )
        while connection.recv(65536):
            pass
    assert server.stop() == 0
    log = server.log_path.read_text()
    assert CONTROLS.search(log) is None
    (line,) = [line for line in log.splitlines() if "2J" in line]
    assert r'path="/a\x1b[2J\u009b\nb status=200\"" status=404' in line
