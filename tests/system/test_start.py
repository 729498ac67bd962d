"""The server listens at once, and takes files while ClickHouse is starting, migrating, or dying of it.

The engine is made slow by a library that stands before the real one (slow_chdb.c) and waits for a file.
"""

import concurrent.futures
import contextlib
import json
import os
import pathlib
import signal
import subprocess
import time

import httpx
import pytest
from roundhouse import BINARY, ROOT, Server
from rounds import expected_hourly, make_rows, served_hourly, to_csv

LIBRARY = pathlib.Path(os.environ.get("ROUNDHOUSE_LIBCHDB", BINARY.parent.parent / "lib" / "libchdb.so")).resolve()


def make_file(rng, rows: int = 70_000) -> tuple[bytes, list[tuple]]:
    accepted = make_rows(rng, rows, players=20, games=4, hours=24 * 3)
    return to_csv(accepted).encode(), expected_hourly(accepted)


def wait_until(condition, timeout: float = 60):
    deadline = time.monotonic() + timeout
    while not (value := condition()):
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.01)
    return value


@pytest.fixture(scope="module")
def slow_library(tmp_path_factory) -> pathlib.Path:
    library = tmp_path_factory.mktemp("slow") / "libchdb.so"
    source = ROOT / "tests" / "system" / "slow_chdb.c"
    subprocess.run(["clang-19", "-shared", "-fPIC", "-o", library, source], check=True)
    return library


class SlowServer(Server):
    """Its engine does not answer before open()."""

    def __init__(self, data: pathlib.Path, library: pathlib.Path):
        self.gate = data.parent / "gate"
        super().__init__(
            data,
            environment={
                "ROUNDHOUSE_LIBCHDB": str(library),
                "REAL": str(LIBRARY),
                "GATE": str(self.gate),
            },
        )

    def open(self) -> None:
        self.gate.touch()

    def close(self) -> None:
        self.gate.unlink()

    def state(self, upload_id: str) -> str:
        return self.get(f"/v1/uploads/{upload_id}").json()["state"]


@pytest.fixture
def slow_server(tmp_path, slow_library):
    server = SlowServer(tmp_path / "data", slow_library)
    yield server
    if server.is_running():
        server.kill()


def check_is_starting(server: Server) -> None:
    plain = server.get("/readyz")
    assert plain.status_code == 503 and "clickhouse starting" in plain.text, plain.text
    checks = {check["name"]: check for check in server.get("/readyz?verbose").json()["checks"]}
    assert not checks["clickhouse"]["ok"] and "clickhouse starting" in checks["clickhouse"]["detail"]
    assert all(check["ok"] for name, check in checks.items() if name != "clickhouse"), checks
    assert server.get("/livez").status_code == 200
    code, said = health(server)
    assert code == 1 and said.startswith("not ready: clickhouse starting"), said
    assert health(server, "--live") == (0, "alive")
    assert health(server, "--allow-degraded")[0] == 1


def health(server: Server, *arguments: str) -> tuple[int, str]:
    command = [BINARY, "health", "--server", server.url, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    return done.returncode, done.stdout.strip()


def check_is_unavailable(answer: httpx.Response) -> None:
    assert answer.status_code == 503, answer.text
    assert answer.json()["code"] == "clickhouse_unavailable"
    assert int(answer.headers["Retry-After"]) > 0


def test_files_are_taken_and_published_before_the_engine_answers(slow_server, rng):
    content, expected = make_file(rng)
    server = slow_server.start(ready=False)
    check_is_starting(server)
    check_is_unavailable(server.get("/v1/aggregates"))
    check_is_unavailable(server.get("/v1/aggregates", headers={"Accept": "text/csv"}))
    answer = server.upload(content, wait=None)
    assert answer.status_code == 202, answer.text
    upload_id = answer.json()["id"]
    wait_until(lambda: server.state(upload_id) == "storing")
    assert server.upload(content, wait=None).json()["duplicate"] is True
    assert server.get(f"/v1/uploads/{upload_id}/original").content == content
    check_is_starting(server)
    server.open()
    assert server.wait_final(upload_id)["state"] == "stored"
    assert server.get("/readyz").text == "ready\n"
    assert health(server) == (0, "ready")
    assert json.loads(health(server, "--json")[1]) == {"ok": True, "detail": "ready"}
    assert sorted(served_hourly(server.aggregates())) == sorted(expected)
    assert server.stop() == 0
    assert health(server) == (5, "")


def test_what_needs_the_engine_waits_or_is_refused_until_it_answers(slow_server, rng):
    """With figures of an earlier run: none is changed, shown or compared before ClickHouse is there."""
    first, _ = make_file(rng, 1000)
    second, expected = make_file(rng, 1000)
    third, _ = make_file(rng, 1000)
    slow_server.open()
    server = slow_server.start()
    stored = [server.stored(content)["id"] for content in (first, second)]
    assert server.stop() == 0
    server.close()
    server.start(ready=False)
    check_is_starting(server)
    check_is_unavailable(server.get("/v1/aggregates"))
    check_is_unavailable(server.post(f"/v1/uploads/{stored[0]}/void"))
    assert server.get(f"/v1/uploads/{stored[0]}").json()["state"] == "stored"
    asked = server.post("/v1/reconciliations", json={"upload_id": stored[1]})
    assert asked.status_code == 202 and asked.json()["state"] == "running"
    cancelled = server.upload(third, wait=None).json()["id"]
    wait_until(lambda: server.state(cancelled) == "storing")
    assert server.post(f"/v1/uploads/{cancelled}/cancel").status_code in (200, 202)
    server.open()
    assert server.wait_final(cancelled)["state"] == "cancelled"
    server.wait_ready()
    assert server.post(f"/v1/uploads/{stored[0]}/void").status_code == 200
    report = f"/v1/reconciliations/{asked.json()['id']}"
    done = wait_until(
        lambda: server.get(report).json() if server.get(report).json()["state"] != "running" else None
    )
    assert (done["state"], done["verdict"]) == ("done", "matched")
    assert sorted(served_hourly(server.aggregates())) == sorted(expected)


def test_an_engine_killed_before_it_answers_is_started_again(slow_server, rng):
    content, expected = make_file(rng)
    server = slow_server.start(ready=False)
    upload_id = server.upload(content, wait=None).json()["id"]
    killed = set()
    while len(killed) < 4:
        with contextlib.suppress(RuntimeError, FileNotFoundError):  # between two engines
            if (engine := server.clickhouse_pid()) not in killed:
                killed.add(engine)
                os.kill(engine, signal.SIGKILL)
        time.sleep(0.01)
    check_is_starting(server)
    server.open()
    assert server.wait_final(upload_id)["state"] == "stored"
    assert sorted(served_hourly(server.aggregates())) == sorted(expected)


def test_an_engine_killed_while_its_tables_are_made_is_tried_again(tmp_path, rng):
    """Killed a moment after it first answers, again and again, until that has interrupted three migrations."""
    interrupted = 0
    for attempt in range(30):
        if interrupted >= 3:
            break
        content, expected = make_file(rng, 1000)
        server = Server(tmp_path / f"data{attempt}").start(ready=False)
        try:
            upload_id = server.upload(content, wait=None).json()["id"]
            killed = kill_after_first_answers(server, rng)
            assert server.wait_final(upload_id)["state"] == "stored", server.log_tail()
            server.wait_ready()
            assert sorted(served_hourly(server.aggregates())) == sorted(expected)
            retries = server.log_path.read_text().count("preparing ClickHouse and the log is tried again")
            interrupted += min(retries, killed)
            assert server.stop() == 0
        finally:
            if server.is_running():
                server.kill()
    assert interrupted >= 3


def kill_after_first_answers(server: Server, rng) -> int:
    """Kills up to three engines, each shortly after its first answer; how many were killed before it was ready."""
    connection = server.data / "clickhouse" / "connection.json"
    killed = set()
    while len(killed) < 3 and server.get("/readyz").status_code != 200:
        with contextlib.suppress(FileNotFoundError, ProcessLookupError, RuntimeError, json.JSONDecodeError):
            engine = json.loads(connection.read_text())["pid"]
            if engine in killed or engine != server.clickhouse_pid():
                continue
            time.sleep(rng.random() * 0.03)
            os.kill(engine, signal.SIGKILL)
            killed.add(engine)
    return len(killed)


@pytest.mark.parametrize("stopped", [False, True])
def test_sigterm_ends_a_server_whose_engine_does_not_answer(slow_server, rng, stopped):
    content, expected = make_file(rng)
    server = slow_server.start(ready=False)
    upload_id = server.upload(content, wait=None).json()["id"]
    engine = wait_until(lambda: pid_of_engine(server))
    if stopped:
        os.kill(engine, signal.SIGSTOP)
    assert server.stop(timeout=15) == 0, server.log_tail()
    assert not os.path.exists(f"/proc/{engine}")
    server.open()
    server.start()
    assert server.wait_final(upload_id)["state"] == "stored"
    assert sorted(served_hourly(server.aggregates())) == sorted(expected)


def pid_of_engine(server: Server) -> int | None:
    with contextlib.suppress(RuntimeError, FileNotFoundError):
        return server.clickhouse_pid()
    return None


@pytest.mark.parametrize("asks", ["aggregates", "reconciliation"])
def test_sigterm_ends_a_server_that_is_asked_while_its_engine_hangs(start_server, rng, asks):
    content, expected = make_file(rng, 5_000)
    server = start_server()
    upload_id = server.stored(content)["id"]
    engine = server.clickhouse_pid()
    os.kill(engine, signal.SIGSTOP)

    def ask() -> httpx.Response | None:
        with contextlib.suppress(httpx.HTTPError):
            if asks == "aggregates":
                return server.get("/v1/aggregates", headers={"Accept": "text/csv"})
            return server.post("/v1/reconciliations", json={"upload_id": upload_id}, headers={"Prefer": "wait=60"})
        return None

    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        asked = pool.submit(ask)
        time.sleep(1)  # nothing shows that the question has reached the engine
        assert server.stop(timeout=15) == 0, server.log_tail()
        answer = asked.result(timeout=60)
    assert answer is None or answer.status_code in (202, 503), answer.text
    assert not os.path.exists(f"/proc/{engine}")
    server.start()
    assert sorted(served_hourly(server.aggregates())) == sorted(expected)
    found = server.get("/v1/reconciliations").json()["data"]
    assert len(found) == (1 if asks == "reconciliation" else 0)
    for one in found:  # it goes on
        path = f"/v1/reconciliations/{one['id']}"
        wait_until(lambda path=path: server.get(path).json()["state"] != "running")
        assert server.get(path).json()["verdict"] == "matched"


def test_an_engine_that_hangs_is_killed_and_started_again(start_server, rng):
    content, expected = make_file(rng)
    server = start_server(environment={"ROUNDHOUSE_CLICKHOUSE_HUNG_AFTER_S": "8"})
    engine = server.clickhouse_pid()
    os.kill(engine, signal.SIGSTOP)
    upload_id = server.upload(content, wait=None).json()["id"]
    assert server.wait_final(upload_id)["state"] == "stored"
    assert "roundhouse_clickhouse_restarts_total 0\n" not in server.get("/metrics").text
    assert "it answered nothing for" in server.log_path.read_text()
    assert not os.path.exists(f"/proc/{engine}")
    assert sorted(served_hourly(server.aggregates())) == sorted(expected)


def test_sigterm_ends_a_server_whose_engine_hangs_while_it_is_prepared(start_server, rng):
    content, expected = make_file(rng)
    server = start_server(ready=False)
    connection = server.data / "clickhouse" / "connection.json"
    wait_until(connection.exists)
    engine = server.clickhouse_pid()
    os.kill(engine, signal.SIGSTOP)
    upload_id = server.upload(content, wait=None).json()["id"]
    assert server.stop(timeout=15) == 0, server.log_tail()
    assert not os.path.exists(f"/proc/{engine}")
    server.start()
    assert server.wait_final(upload_id)["state"] == "stored"
    assert sorted(served_hourly(server.aggregates())) == sorted(expected)


def run_serve(data: pathlib.Path, library: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [BINARY, "serve", "--data", data, "--listen", "127.0.0.1:0"],
        env={**os.environ, "ROUNDHOUSE_LIBCHDB": library},
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_a_missing_engine_ends_the_start_before_anything_listens(tmp_path):
    ended = run_serve(tmp_path / "data", "/nowhere/libchdb.so")
    assert ended.returncode == 1
    assert "/nowhere/libchdb.so" in ended.stderr and ended.stdout == ""


def test_a_library_that_is_no_engine_ends_the_server(tmp_path):
    other = tmp_path / "libchdb.so"
    other.write_bytes(b"not what it should be")
    ended = run_serve(tmp_path / "data", str(other))
    assert ended.returncode == 1
    last = ended.stderr.strip().splitlines()[-1]
    assert last.startswith("roundhouse: The embedded ClickHouse did not start") and str(other) in last


def test_a_refused_migration_ends_the_server_and_names_its_file(start_server):
    server = start_server()
    for sql in ("DROP VIEW v_games", "DROP TABLE games", "CREATE TABLE games (x UInt8) ENGINE = Memory"):
        server.clickhouse(sql)
    assert server.stop() == 0
    server.start(ready=False)
    assert server.wait_dead(60) == 1
    last = server.log_tail().strip().splitlines()[-1]
    assert "roundhouse: Applying 0006_games.sql failed." in last and "Code: 8." in last


def test_kafka_tried_on_an_empty_directory_leaves_the_choice(start_server, rng):
    nowhere = "127.0.0.1:1"  # where nothing listens
    kafka = {
        "ROUNDHOUSE_LOG": "kafka",
        "ROUNDHOUSE_KAFKA_BROKERS": nowhere,
        "ROUNDHOUSE_REGISTRY_URL": f"http://{nowhere}/apis/ccompat/v7",
    }
    server = start_server(environment=kafka, ready=False)
    server.kill()
    for name in kafka:
        server.environment.pop(name)
    server.start()
    content, expected = make_file(rng, 1_000)
    server.stored(content)
    server.kill()
    server.start()
    assert sorted(served_hourly(server.aggregates())) == sorted(expected)
    server.kill()
    server.start(kafka, ready=False)
    assert server.wait_dead(30) == 1
    assert "other_log" in server.log_tail() or "are in the embedded log" in server.log_tail(), server.log_tail()
    server.start()


def test_an_environment_variable_that_is_no_setting_is_said(start_server):
    """It may be a slip, or another's (Kubernetes makes some of a service's name): no reason to end."""
    server = start_server(
        environment={"ROUNDHOUSE_UPLOAD_SIMULTANOUS_MAX": "1", "ROUNDHOUSE_PORT": "tcp://10.0.0.1:80"}
    )
    lines = [line for line in server.log_tail().splitlines() if "is no setting" in line]
    assert len(lines) == 2
    assert any("SIMULTANOUS" in line and "ROUNDHOUSE_UPLOAD_SIMULTANEOUS_MAX" in line for line in lines)
