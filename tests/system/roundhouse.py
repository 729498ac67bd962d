"""A real server for the tests, driven only through its public interfaces.

Nothing here shares code with the program: HTTP by httpx, files by rounds.py, totals by DuckDB.
"""

import contextlib
import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import time

import httpx

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
BINARY = pathlib.Path(os.environ.get("RH_BINARY", ROOT / "build" / "bin" / "roundhouse"))
FINAL_STATES = {"stored", "failed", "refused", "cancelled", "checked"}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Server:
    """One `roundhouse serve` process on a data directory; it can be killed and started again."""

    def __init__(self, data: pathlib.Path, *arguments: str, environment: dict[str, str] | None = None, shards=()):
        """`shards`: URLs of the ClickHouse servers that it uses; without any it has a ClickHouse of its own."""
        self.data = data
        self.arguments = list(arguments)
        self.environment = environment or {}
        self.shards = [httpx.URL(url) for url in shards]
        self.process: subprocess.Popen | None = None
        self.url = ""
        self.host = "127.0.0.1"
        self.log_path = data.parent / f"{data.name}.log"

    def start(
        self, environment: dict[str, str] | None = None, timeout: float = 120, *, ready: bool = True
    ) -> "Server":
        """Until it says where it listens, which it does when it is ready; if `ready` is false, until it takes
        files (or it has died)."""
        env = {**os.environ, **self.environment, **(environment or {})}
        port = 0 if ready else free_port()
        command = [str(BINARY), "serve", "--data", str(self.data), "--listen", f"{self.host}:{port}"]
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(
                command + self.arguments, stdout=subprocess.PIPE, stderr=log, env=env, text=True
            )
        if not ready:
            self.url = f"http://127.0.0.1:{port}"
            self._wait_until_live(timeout)
            return self
        line = self._first_line(timeout)
        if not line and "ROUNDHOUSE_KILL_AT" in env:
            return self  # it is to die, and did so before it was ready
        found = re.search(r"http://[0-9.:\[\]a-f]+:\d+", line)
        if not found:
            self.process.kill()
            self.process.wait()
            raise RuntimeError(f"the server did not start: {line!r}\n{self.log_tail()}")
        self.url = found.group(0)
        return self

    def _wait_until_live(self, timeout: float) -> None:
        deadline = time.monotonic() + timeout
        while self.is_running():
            with contextlib.suppress(httpx.TransportError):
                self.get("/livez")
                return
            assert time.monotonic() < deadline, self.log_tail()
            time.sleep(0.01)

    def _first_line(self, timeout: float) -> str:
        import select

        readable, _, _ = select.select([self.process.stdout], [], [], timeout)
        return self.process.stdout.readline() if readable else ""

    def log_tail(self) -> str:
        return self.log_path.read_text(errors="replace")[-4000:] if self.log_path.exists() else ""

    def check_no_sanitizer_report(self) -> None:
        """An instrumented server may have ended by one when a test killed it, or did not look how it ended."""
        log = self.log_path.read_text(errors="replace") if self.log_path.exists() else ""
        report = re.search(r"(?m)^.*(Sanitizer|runtime error):", log)
        assert report is None, log[report.start() :][:8000]

    def stop(self, timeout: float = 20) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def is_running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def wait_dead(self, timeout: float) -> int:
        return self.process.wait(timeout)

    # -- HTTP

    def request(self, method: str, path: str, **options) -> httpx.Response:
        options.setdefault("timeout", 120)
        return httpx.request(method, self.url + path, **options)

    def get(self, path: str, **options) -> httpx.Response:
        return self.request("GET", path, **options)

    def post(self, path: str, **options) -> httpx.Response:
        return self.request("POST", path, **options)

    def upload(self, content, *, wait: int | None = 60, headers=None, **params) -> httpx.Response:
        """Posts a file (bytes or a path); with `wait`, the answer is the finished state if it comes in time."""
        if isinstance(content, pathlib.Path):
            content = content.read_bytes()
        headers = {"Content-Type": "text/csv", **(headers or {})}
        if wait:
            headers["Prefer"] = f"wait={wait}"
        return self.post("/v1/uploads", content=content, params=params, headers=headers, timeout=(wait or 0) + 120)

    def stored(self, content, **params) -> dict:
        """Uploads and insists on it being stored."""
        answer = self.upload(content, **params)
        assert answer.status_code in (200, 202), answer.text
        upload = self.wait_final(answer.json()["id"])
        assert upload["state"] == "stored", upload
        return upload

    def wait_final(self, upload_id: str, timeout: float = 120) -> dict:
        deadline = time.monotonic() + timeout
        while True:
            answer = self.get(f"/v1/uploads/{upload_id}")
            assert answer.status_code == 200, answer.text
            if answer.json()["state"] in FINAL_STATES:
                return answer.json()
            assert time.monotonic() < deadline, answer.text
            time.sleep(0.05)

    def wait_ready(self, timeout: float = 120) -> None:
        """Until /readyz says so: a killed ClickHouse is being started again, and reads answer 503 so long."""
        deadline = time.monotonic() + timeout
        while (answer := self.get("/readyz")).status_code != 200:
            assert time.monotonic() < deadline, answer.text
            time.sleep(0.05)

    def aggregates(self, **params) -> list[dict]:
        """Every row that matches, by JSON pages."""
        rows, cursor = [], None
        params.setdefault("limit", 10_000)
        while True:
            page = self.get("/v1/aggregates", params={**params, **({"cursor": cursor} if cursor else {})})
            assert page.status_code == 200, page.text
            rows += page.json()["data"]
            cursor = page.json()["next_cursor"]
            if cursor is None:
                return rows

    # -- ClickHouse, as a person with the owner's credentials

    def command(self, *arguments: str) -> list[str]:
        """The program, run where the data directory is."""
        return [str(BINARY), *arguments]

    def clickhouse_info(self, *arguments: str) -> dict:
        command = self.command("clickhouse", "info", "--data", str(self.data), "--json", *arguments)
        return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)

    def clickhouse(self, sql: str, **parameters) -> str:
        """The answer; with shards, the lines of all of them, one after the other."""
        places = [(url.copy_with(userinfo=b""), url.username, url.password) for url in self.shards]
        if not places:
            info = self.clickhouse_info()
            places = [(info["url"], info["user"], info["password"])]
        lines = ""
        for url, user, password in places:
            answer = httpx.post(
                url,
                content=sql,
                params={"database": "roundhouse", **{f"param_{k}": v for k, v in parameters.items()}},
                headers={"X-ClickHouse-User": user, "X-ClickHouse-Key": password},
                timeout=120,
            )
            assert answer.status_code == 200 and "Code: " not in answer.text[:200], answer.text
            lines += answer.text
        return lines

    def clickhouse_pid(self) -> int:
        """The engine: the server's child process."""
        children = pathlib.Path(f"/proc/{self.process.pid}/task")
        for task in children.iterdir():
            for child in (task / "children").read_text().split():
                command = pathlib.Path(f"/proc/{child}/cmdline").read_bytes().split(b"\0")
                if b"clickhouse" in command:
                    return int(child)
        raise RuntimeError("the server has no ClickHouse child")
