"""kill -9 at any moment, then a restart: every accepted row is counted exactly once.

Totals come from DuckDB over the same rows. RH_TEST_KILLS sets the number of random kills.
"""

import contextlib
import gzip
import http.client
import json
import os
import random
import signal
import socket
import subprocess
import threading
import time

import httpx
import pytest
from roundhouse import BINARY, Server
from rounds import expected_hourly, make_rows, served_hourly, to_csv, with_refused_rows

KILLS = int(os.environ.get("RH_TEST_KILLS", "60"))
ROWS = 150_000  # three cells


def kill_points() -> list[str]:
    """The program's own list, which it prints when asked for one that it does not have."""
    answer = subprocess.run(
        [BINARY, "serve", "--data", "/nonexistent"],
        env={**os.environ, "ROUNDHOUSE_KILL_AT": "?"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    names = [line.strip() for line in answer.stderr.splitlines() if line.startswith("  ")]
    assert answer.returncode == 2 and len(names) > 10, answer.stderr
    return names


def make_file(rng: random.Random, rows: int = ROWS) -> tuple[str, list[tuple]]:
    """A file with one refused row in each thousand, and what must be counted of it."""
    accepted = make_rows(rng, rows, players=50, games=6, hours=24 * 40)
    return to_csv(with_refused_rows(accepted)), expected_hourly(accepted)


def check_exactly_once(server: Server, expected: list[tuple], uploads: int = 1) -> None:
    server.wait_ready()
    listed = server.get("/v1/uploads").json()["data"]
    assert [upload["state"] for upload in listed] == ["stored"] * uploads, listed
    assert sorted(served_hourly(server.aggregates())) == sorted(expected)


def send_until_stored(server: Server, content: str, **policy) -> dict:
    """What a careful client does: sends again until the server has said that it has the file."""
    answer = server.upload(content.encode(), filename="kills.csv", wait=None, **policy)
    assert answer.status_code in (200, 202), answer.text
    return server.wait_final(answer.json()["id"])


@pytest.mark.parametrize("point", ["stored_before_uploads_row", "stored_before_ledger", "stored_after_ledger"])
def test_a_correction_is_killed_while_it_becomes_stored(start_server, rng, point):
    """ClickHouse knows of both files what the ledger does not know yet."""
    wrong, _ = make_file(rng, 1_000)
    right, expected = make_file(rng, 1_000)
    server = start_server()
    original = send_until_stored(server, wrong)["id"]
    assert server.stop() == 0
    server.start({"ROUNDHOUSE_KILL_AT": point})
    with contextlib.suppress(httpx.HTTPError):
        server.upload(right.encode(), filename="right.csv", replaces=original, wait=None)
    assert server.wait_dead(60) == -signal.SIGKILL
    server.start()
    correction = server.get("/v1/uploads", params={"filename": "right.csv"}).json()["data"][0]["id"]
    stored = server.wait_final(correction)
    assert stored["state"] == "stored" and stored["replaces"] == original
    assert server.get(f"/v1/uploads/{original}").json()["voided_version"] == stored["stored_version"]
    assert sorted(served_hourly(server.aggregates())) == sorted(expected)


@pytest.mark.timeout(1200)
@pytest.mark.parametrize("point", [point for point in kill_points() if not point.startswith("kafka_")])
def test_killed_at_each_named_stage(start_server, rng, point):
    content, expected = make_file(rng)
    server = start_server(environment={"ROUNDHOUSE_KILL_AT": point})
    server.wait_ready()  # before that, no row goes into ClickHouse ahead
    # A file that may be refused for its rejects is stored from the log alone.
    policy = {"max_errors": 1_000_000} if point.startswith("sink_") else {}
    acknowledged = None
    with contextlib.suppress(httpx.HTTPError):  # it may be killed before it can answer
        acknowledged = server.upload(content.encode(), filename="kills.csv", wait=None, **policy).json()["id"]
    assert server.wait_dead(120) == -signal.SIGKILL, f"{point} was not passed"
    server.environment = {}
    server.start()
    if acknowledged:
        assert server.wait_final(acknowledged)["state"] == "stored"
    upload = send_until_stored(server, content, **policy)
    assert upload["state"] == "stored" and acknowledged in (None, upload["id"])
    check_exactly_once(server, expected)


@pytest.mark.timeout(3000)
def test_killed_at_random_moments(start_server, rng):
    """Server, engine or both, again and again, while one file after the other goes through."""
    server = start_server()
    expected, stored_ids = [], set()
    kills = 0
    while kills < KILLS:
        content, hourly = make_file(rng)
        expected += hourly
        upload_id = None
        for _ in range(rng.randrange(4, 9)):
            victim = rng.choice(["server", "engine", "both"])
            thread = None
            if upload_id is None:
                thread = threading.Thread(target=try_upload, args=(server, content))
                thread.start()
            time.sleep(rng.random() * 1.2)
            kill(server, victim)
            kills += 1
            if thread:
                thread.join()
            if not server.is_running():
                server.start()
            with_id = server.get("/v1/uploads", params={"limit": 1}).json()["data"]
            if with_id and with_id[0]["id"] not in stored_ids:
                upload_id = with_id[0]["id"]
        upload = send_until_stored(server, content)
        assert upload["state"] == "stored", upload
        stored_ids.add(upload["id"])
    check_exactly_once(server, expected, uploads=len(stored_ids))


def try_upload(server: Server, content: str) -> None:
    with contextlib.suppress(httpx.HTTPError):  # killed in the middle: the test sends it again
        server.upload(content.encode(), filename="kills.csv", wait=None)


def kill(server: Server, victim: str) -> None:
    try:
        engine = server.clickhouse_pid()
    except (RuntimeError, FileNotFoundError):
        engine = None  # just being started again
    if victim in ("engine", "both") and engine:
        with contextlib.suppress(ProcessLookupError):
            os.kill(engine, signal.SIGKILL)
    if victim in ("server", "both"):
        server.kill()


def test_no_engine_outlives_a_killed_server(start_server):
    server = start_server()
    engine = server.clickhouse_pid()
    server.kill()
    deadline = time.monotonic() + 60
    while os.path.exists(f"/proc/{engine}") and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not os.path.exists(f"/proc/{engine}")


def test_second_server_on_a_data_directory_says_so(start_server):
    server = start_server()
    second = subprocess.run(
        [BINARY, "serve", "--data", str(server.data), "--listen", "127.0.0.1:0"],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert second.returncode == 1
    assert "Another roundhouse server uses" in second.stderr
    assert server.get("/livez").status_code == 200


def test_sigterm_drains_and_ends_everything_in_time(start_server, rng):
    content, expected = make_file(rng)
    server = start_server()
    upload_id = server.upload(content.encode(), wait=None).json()["id"]
    engine = server.clickhouse_pid()
    assert server.stop(timeout=15) == 0, server.log_tail()
    assert not os.path.exists(f"/proc/{engine}")
    server.start()
    assert server.wait_final(upload_id)["state"] == "stored"
    check_exactly_once(server, expected)


def test_sigterm_tells_a_client_that_still_sends(start_server, rng):
    content, _expected = make_file(rng)
    server = start_server("data", "--drain-s", "1")
    half = content[: len(content) // 2].encode()
    with socket.create_connection(("127.0.0.1", httpx.URL(server.url).port)) as client:
        head = f"POST /v1/uploads HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/csv\r\nContent-Length: {len(content)}\r\n"
        client.sendall(head.encode() + b"\r\n" + half)
        deadline = time.monotonic() + 60
        while not list((server.data / "incoming").iterdir()) and time.monotonic() < deadline:
            time.sleep(0.05)
        assert server.stop(timeout=15) == 0, server.log_tail()
        answer = http.client.HTTPResponse(client)
        answer.begin()
        assert answer.status == 503 and json.loads(answer.read())["code"] == "stopping"
    assert '"stopped"' in server.log_tail()
    server.start()
    assert server.get("/v1/uploads").json()["data"] == []


def test_upload_cut_off_while_received_leaves_nothing(start_server, rng):
    content, expected = make_file(rng, rows=20_000)
    server = start_server()

    def half():
        yield content[: len(content) // 2].encode()
        raise ConnectionAbortedError

    with pytest.raises((httpx.HTTPError, ConnectionAbortedError)):
        httpx.post(server.url + "/v1/uploads", content=half(), headers={"Content-Type": "text/csv"})
    assert server.get("/v1/uploads").json()["data"] == []
    assert not list((server.data / "incoming").iterdir()) or wait_empty(server.data / "incoming")
    server.stored(content.encode())
    check_exactly_once(server, expected)


def wait_empty(directory) -> bool:
    deadline = time.monotonic() + 60
    while list(directory.iterdir()) and time.monotonic() < deadline:
        time.sleep(0.05)
    return not list(directory.iterdir())


def test_same_file_at_the_same_moment_is_one_upload(start_server, rng):
    content, expected = make_file(rng, rows=20_000)
    server = start_server()
    answers = []

    def send():
        answers.append(server.upload(content.encode(), wait=None))

    threads = [threading.Thread(target=send) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answer.status_code for answer in answers) == [200] * 5 + [202]
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert sum(answer.json()["duplicate"] for answer in answers) == 5
    server.wait_final(answers[0].json()["id"])
    check_exactly_once(server, expected)
    # also after a restart, and with its gzip
    server.stop()
    server.start()
    again = server.upload(gzip.compress(content.encode()), headers={"Content-Encoding": "gzip"})
    assert again.status_code == 200 and again.json()["duplicate"] is True
    check_exactly_once(server, expected)


def test_duplicate_by_label_counts_once_for_each_label(start_server, rng):
    content, expected = make_file(rng, rows=5_000)
    server = start_server()
    first = server.stored(content.encode())
    for _ in range(2):
        second = server.stored(content.encode(), allow_duplicate="correction of May")
        assert second["id"] != first["id"]
    doubled = [(*row[:3], *(2 * figure for figure in row[3:])) for row in expected]
    check_exactly_once(server, doubled, uploads=2)
