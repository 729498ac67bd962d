"""A `roundhouse serve` process to measure, and what Linux says it used."""

import contextlib
import dataclasses
import http.client
import json
import os
import pathlib
import re
import select
import shutil
import signal
import socket
import subprocess
import time
import urllib.parse

TICKS_S = os.sysconf("SC_CLK_TCK")
START_S_MAX = 120
START_POLL_S = 0.01


@dataclasses.dataclass
class Usage:
    """What the server and its ClickHouse, if it has one, have used since their start."""

    server_cpu_s: float
    engine_cpu_s: float
    written_bytes: int

    def since(self, before: "Usage") -> "Usage":
        return Usage(
            self.server_cpu_s - before.server_cpu_s,
            self.engine_cpu_s - before.engine_cpu_s,
            self.written_bytes - before.written_bytes,
        )


class Body:
    """A file as the bytes of a request."""

    def __init__(self, file: pathlib.Path):
        self.file = file

    def header(self) -> str:
        return f"Content-Length: {self.file.stat().st_size}"

    def send(self, connection: socket.socket) -> None:
        with open(self.file, "rb") as file:
            connection.sendfile(file)  # by the kernel, so that the client costs next to nothing


@dataclasses.dataclass
class Answer:
    status: int
    text: str
    seconds: float  # from the body's first byte to the answer's last


def post(port: int, target: str, headers: dict[str, str], body: Body) -> Answer:
    lines = [f"POST {target} HTTP/1.1", f"Host: 127.0.0.1:{port}", body.header(), "Connection: close"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
        began = time.monotonic()
        body.send(connection)
        response = http.client.HTTPResponse(connection, method="POST")
        response.begin()
        text = response.read().decode()
        return Answer(response.status, text, time.monotonic() - began)


class Server:
    """One server on an empty data directory, removed at the end."""

    def __init__(self, binary: pathlib.Path, data: pathlib.Path, environment: dict[str, str] | None = None):
        shutil.rmtree(data, ignore_errors=True)
        self.binary, self.data, self.environment = binary, data, environment
        self.log_path = data.with_suffix(".log")
        self._start()

    def _start(self) -> None:
        words = ["serve", "--data", str(self.data), "--listen", "127.0.0.1:0", "--audit-interval-s", "0"]
        began = time.monotonic()
        with open(self.log_path, "wb") as log:
            self.process = subprocess.Popen(
                [str(self.binary), *words],
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                env=self.environment,
            )
        ready, _, _ = select.select([self.process.stdout], [], [], START_S_MAX)
        line = self.process.stdout.readline() if ready else ""
        found = re.search(r":(\d+)\s*$", line)
        if not found:
            self.close()
            raise RuntimeError(f"the server did not start; see {self.log_path}")
        self.port = int(found[1])
        while self._status("/readyz") != 200:  # it listens before ClickHouse is there
            time.sleep(START_POLL_S)
        self.start_s = time.monotonic() - began
        self.engine_pid = self._find_engine()

    def restart(self) -> None:
        """On what it has stored."""
        self._stop()
        self._start()

    def __enter__(self) -> "Server":
        return self

    def __exit__(self, *_) -> None:
        self.close()

    def close(self) -> None:
        self._stop()
        shutil.rmtree(self.data, ignore_errors=True)

    def _stop(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def _status(self, path: str) -> int:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=START_S_MAX)
        connection.request("GET", path)
        return connection.getresponse().status

    def _find_engine(self) -> int | None:
        for task in pathlib.Path(f"/proc/{self.process.pid}/task").iterdir():
            with contextlib.suppress(FileNotFoundError):  # a thread that has ended meanwhile
                for child in (task / "children").read_text().split():
                    return int(child)
        return None  # its rows are kept elsewhere

    # -- what it used

    def usage(self) -> Usage:
        written = 0
        for pid in filter(None, (self.process.pid, self.engine_pid)):
            text = pathlib.Path(f"/proc/{pid}/io").read_text()
            written += int(re.search(r"^write_bytes: (\d+)", text, re.MULTILINE)[1])
        return Usage(_cpu_s(self.process.pid), _cpu_s(self.engine_pid) if self.engine_pid else 0.0, written)

    def peak_memory_bytes(self) -> int:
        """Of the server process; ClickHouse is another process."""
        text = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(r"^VmHWM:\s+(\d+) kB", text, re.MULTILINE)[1]) * 1024

    def disk_bytes(self) -> dict[str, int]:
        return {
            name: sum(f.stat().st_blocks * 512 for f in (self.data / name).rglob("*") if f.is_file())
            for name in ("uploads", "log", "clickhouse")
        }

    # -- HTTP

    def get(self, path: str) -> dict:
        return self._json("GET", path)

    def post_json(self, path: str, body: bytes, prefer: str) -> dict:
        return self._json("POST", path, body, {"Content-Type": "application/json", "Prefer": prefer})

    def _json(
        self, method: str, path: str, body: bytes | None = None, headers: dict[str, str] | None = None
    ) -> dict:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=600)
        connection.request(method, path, body=body, headers=headers or {})
        answer = connection.getresponse()
        text = answer.read()
        connection.close()
        if answer.status >= 300:
            raise RuntimeError(f"{method} {path}: {answer.status} {text[:500]!r}")
        return json.loads(text)

    def clickhouse(self) -> dict:
        command = [str(self.binary), "clickhouse", "info", "--data", str(self.data), "--json"]
        return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)

    def sql(self, sql: str, body: Body | None = None, **settings: str) -> Answer:
        """As the owner; with a body, `sql` is an INSERT that takes it."""
        info = self.clickhouse()
        query = {"database": info["database"], "wait_end_of_query": "1", **settings}
        if body:
            query["query"] = sql
        target = "/?" + urllib.parse.urlencode(query)
        headers = {"X-ClickHouse-User": info["user"], "X-ClickHouse-Key": info["password"]}
        port = urllib.parse.urlsplit(info["url"]).port
        if body:
            answer = post(port, target, headers, body)
        else:
            began = time.monotonic()
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=600)
            connection.request("POST", target, body=sql, headers=headers)
            response = connection.getresponse()
            answer = Answer(response.status, response.read().decode(), time.monotonic() - began)
            connection.close()
        if answer.status != 200 or "Code: " in answer.text[:200]:
            raise RuntimeError(f"{sql[:80]}…: {answer.text[:1000]}")
        return answer


def _cpu_s(pid: int) -> float:
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS_S
