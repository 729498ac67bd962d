"""Damage and outages that are no kill: a log or an original that the disk has altered, an engine that
hangs, fails or lost its tables, a version that was begun and not finished. The server goes on, or says
what is wrong; it never counts a row twice, loses one, or waits for ever.
"""

import contextlib
import json
import os
import pathlib
import re
import shutil
import signal
import sqlite3
import subprocess
import time

import httpx
import pytest
from roundhouse import BINARY
from rounds import expected_hourly, make_rows, served_hourly, to_csv

ROWS = 70_000  # two cells


def make_file(rng, rows: int = ROWS) -> tuple[bytes, list[tuple]]:
    accepted = make_rows(rng, rows, players=20, games=4, hours=24 * 40)
    return to_csv(accepted).encode(), expected_hourly(accepted)


def killed_at(start_server, point: str, content: bytes):
    """A server that died there with one upload, and is not started again yet. A file that may be refused
    for its rejects is stored from the log alone."""
    server = start_server(environment={"ROUNDHOUSE_KILL_AT": point})
    with contextlib.suppress(httpx.HTTPError):  # it may die before it answers
        server.upload(content, wait=None, max_errors=1_000_000)
    assert server.wait_dead(120) == -signal.SIGKILL
    server.environment = {}
    return server


def only_upload(server) -> dict:
    uploads = server.get("/v1/uploads").json()["data"]
    assert len(uploads) == 1, uploads
    return uploads[0]


def ledger_rows(server, sql: str, *parameters) -> list[tuple]:
    """The ledger of a server that does not run."""
    database = sqlite3.connect(server.data / "ledger.sqlite")
    try:
        rows = database.execute(sql, parameters).fetchall()
        database.commit()
        return rows
    finally:
        database.close()


def only_directory(path: pathlib.Path) -> pathlib.Path:
    found = [entry for entry in path.iterdir() if entry.is_dir()]
    assert len(found) == 1, found
    return found[0]


def wait_until(condition, timeout: float = 60):
    deadline = time.monotonic() + timeout
    while not (value := condition()):
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.1)
    return value


def flip_a_byte(directory: pathlib.Path) -> None:
    file = next(directory.glob("*.avro"))
    data = bytearray(file.read_bytes())
    data[len(data) * 3 // 4] ^= 0x20
    file.write_bytes(data)


def cut_the_rows(directory: pathlib.Path) -> None:
    file = next(directory.glob("*.avro"))
    os.truncate(file, file.stat().st_size - 1000)


def lose_the_rows(directory: pathlib.Path) -> None:
    next(directory.glob("*.avro")).unlink()


def damage_the_manifest(directory: pathlib.Path) -> None:
    file = next(path for path in directory.iterdir() if path.suffix != ".avro")
    file.write_bytes(file.read_bytes()[:-30])


def lose_the_manifest(directory: pathlib.Path) -> None:
    next(path for path in directory.iterdir() if path.suffix != ".avro").unlink()


DAMAGES = [flip_a_byte, cut_the_rows, lose_the_rows, damage_the_manifest, lose_the_manifest, shutil.rmtree]


@pytest.mark.parametrize("point", ["publish_after_rename", "sink_before_insert", "sink_before_audit"])
@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_log_is_written_again(start_server, rng, damage, point):
    content, expected = make_file(rng)
    server = killed_at(start_server, point, content)
    damage(only_directory(server.data / "log"))
    server.start()
    upload = server.wait_final(only_upload(server)["id"])
    assert upload["state"] == "stored", upload
    assert sorted(served_hourly(server.aggregates())) == sorted(expected)


@pytest.mark.parametrize("again_at", ["validate_middle", "validate_before_seal", "sink_after_insert"])
def test_killed_while_a_damaged_log_is_written_again(start_server, rng, again_at):
    content, expected = make_file(rng)
    server = killed_at(start_server, "sink_before_insert", content)
    flip_a_byte(only_directory(server.data / "log"))
    server.start(environment={"ROUNDHOUSE_KILL_AT": again_at})
    assert server.wait_dead(120) == -signal.SIGKILL
    server.start()
    upload = server.wait_final(only_upload(server)["id"])
    assert upload["state"] == "stored", upload
    assert sorted(served_hourly(server.aggregates())) == sorted(expected)


def test_an_obstacle_while_the_log_is_written_again_is_waited_out(start_server, rng):
    content, expected = make_file(rng)
    server = killed_at(start_server, "sink_before_insert", content)
    flip_a_byte(only_directory(server.data / "log"))
    rejects = only_directory(server.data / "uploads") / "rejects.ndjson"
    rejects.unlink()
    rejects.mkdir()  # so the file of rejects cannot be made
    server.start()
    wait_until(lambda: "tried again" in server.log_tail())
    rejects.rmdir()
    upload = server.wait_final(only_upload(server)["id"])
    assert upload["state"] == "stored", upload
    assert sorted(served_hourly(server.aggregates())) == sorted(expected)


@pytest.mark.parametrize("damage", ["cut", "altered", "gone"])
def test_a_damaged_original_fails_the_upload_and_the_file_may_be_sent_again(start_server, rng, damage):
    content, expected = make_file(rng)
    server = killed_at(start_server, "receive_after_ledger", content)
    original = only_directory(server.data / "uploads") / "original.zst"
    if damage == "cut":
        os.truncate(original, original.stat().st_size // 2)
    elif damage == "altered":
        data = bytearray(original.read_bytes())
        data[len(data) // 2] ^= 1
        original.write_bytes(data)
    else:
        original.unlink()
    server.start()
    upload = server.wait_final(only_upload(server)["id"])
    assert upload["state"] == "failed"
    assert upload["error"]["code"] == ("original_missing" if damage == "gone" else "original_damaged")
    assert server.aggregates() == []
    again = server.stored(content)
    assert again["id"] == upload["id"]
    assert sorted(served_hourly(server.aggregates())) == sorted(expected)


def test_log_and_original_damaged_fail_the_upload_and_leave_no_row(start_server, rng):
    content, expected = make_file(rng)
    server = killed_at(start_server, "sink_before_audit", content)
    ledger_rows(server, "UPDATE uploads SET checkpoint_cell = 0")
    flip_a_byte(only_directory(server.data / "log"))
    original = only_directory(server.data / "uploads") / "original.zst"
    os.truncate(original, original.stat().st_size // 2)
    server.start()
    upload = server.wait_final(only_upload(server)["id"])
    assert upload["state"] == "failed" and upload["error"]["code"] == "original_damaged"
    for table in ("game_rounds", "hourly", "hourly_by_game", "game_hourly", "games"):
        assert server.clickhouse(f"SELECT count() FROM {table}").strip() == "0", table
    server.stored(content)
    assert sorted(served_hourly(server.aggregates())) == sorted(expected)


def test_a_void_that_the_engine_could_not_take_blocks_nobody(start_server, rng):
    """The version is reserved in the ledger when the engine dies: whoever comes next finishes it."""
    server = start_server()
    second, expected = make_file(rng, 100)
    for _ in range(20):
        first, _ = make_file(rng, 100)
        upload = server.stored(first)
        os.kill(server.clickhouse_pid(), signal.SIGKILL)
        answer = server.post(f"/v1/uploads/{upload['id']}/void")
        if answer.status_code == 503:
            break
        assert answer.status_code == 200, "the engine was back sooner"
    assert answer.status_code == 503
    server.stored(second)
    assert server.post(f"/v1/uploads/{upload['id']}/void").status_code == 200
    assert sorted(served_hourly(server.aggregates())) == sorted(expected)


def test_a_reserved_version_is_finished_before_other_uploads(start_server, rng):
    """An upload that died holding the next version may be younger than others that wait."""
    for attempt in range(20):
        large, expected_large = make_file(rng, 400_000)
        small, expected_small = make_file(rng, 100)
        server = start_server(f"data{attempt}", environment={"ROUNDHOUSE_KILL_AT": "stored_before_ledger"})
        holder = server.upload(large, wait=None).json()["id"]
        other = None
        with contextlib.suppress(httpx.HTTPError):  # it may have died already
            other = server.upload(small, wait=None).json()["id"]
        assert server.wait_dead(120) == -signal.SIGKILL
        server.environment = {}
        states = [state for (state,) in ledger_rows(server, "SELECT state FROM uploads")]
        if other and states == ["storing", "storing"]:
            break
    assert other and states == ["storing", "storing"], "the small file was to be published before it died"
    ledger_rows(
        server,
        "UPDATE uploads SET created_at = created_at + 3600000 WHERE lower(hex(id)) = ?",
        holder.replace("-", ""),
    )
    server.start()
    for upload_id in (holder, other):
        assert server.wait_final(upload_id)["state"] == "stored"
    rows = {row[:3]: row for row in expected_large}
    for row in expected_small:
        key = row[:3]
        rows[key] = (*key, *(a + b for a, b in zip(rows[key][3:], row[3:], strict=True))) if key in rows else row
    assert sorted(served_hourly(server.aggregates())) == sorted(rows.values())


def test_an_upload_deleted_while_it_waits_is_forgotten_by_the_queue(start_server, rng):
    server = start_server()
    for _ in range(20):
        large, _ = make_file(rng, 600_000)
        small, _ = make_file(rng, 100)
        first = server.upload(large, wait=None).json()["id"]
        waiting = server.upload(small, wait=None).json()["id"]
        deleted = server.request("DELETE", f"/v1/uploads/{waiting}")
        if deleted.status_code == 204:
            break
        assert deleted.json()["code"] == "upload_stored", "its turn came sooner"
    assert deleted.status_code == 204
    assert server.wait_final(first)["state"] == "stored"
    assert server.get(f"/v1/uploads/{waiting}").status_code == 404
    other, _ = make_file(rng, 100)
    server.stored(other)  # one queue: the deleted one's turn has come before
    assert "publishing an upload is tried again" not in server.log_tail()


def test_publishing_that_cannot_go_on_is_said_wherever_one_looks(start_server, rng, tmp_path):
    """The log's folder is none for a while, as a full disk or a lost mount makes it."""
    content, expected = make_file(rng)
    server = start_server()
    log, kept = server.data / "log", tmp_path / "kept"
    log.rename(kept)
    log.write_text("no folder")
    path = tmp_path / "rounds.csv"
    path.write_bytes(content)
    client = subprocess.Popen(
        [str(BINARY), "upload", "--server", server.url, str(path)], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    try:
        wait_until(lambda: server.get("/v1/uploads").json()["data"])
        waiting = wait_until(lambda: [w for w in only_upload(server)["warnings"] if w["code"] == "waiting"])
        said, reason = waiting[0]["detail"].split(" until it goes on: ")
        assert said == "Publishing waits and is tried again" and reason in server.log_tail()
        assert server.get(f"/v1/uploads/{only_upload(server)['id']}").json()["warnings"] == waiting
        check = check_of(server, "publisher")
        assert check["ok"] is False and reason in check["detail"]
        ready = server.get("/readyz")
        assert ready.status_code == 503 and "publishing is tried again" in ready.text
        verbose = server.get("/readyz?verbose").json()
        assert verbose["ready"] is False and verbose["degraded"] is False
        metrics = server.get("/metrics").text
        assert 'roundhouse_waiting_uploads{stage="publish"} 1\n' in metrics
        assert int(re.search(r"roundhouse_publish_retries_total (\d+)", metrics).group(1)) >= 1
        while b"Publishing waits" not in client.stderr.readline():
            assert client.poll() is None
    finally:
        log.unlink()
        kept.rename(log)
    out, _ = client.communicate(timeout=60)
    assert client.returncode == 0 and b": stored as " in out
    assert only_upload(server)["warnings"] == [] and check_of(server, "publisher")["ok"] is True
    assert server.get("/readyz").text == "ready\n"
    assert 'roundhouse_waiting_uploads{stage="publish"} 0\n' in server.get("/metrics").text
    assert sorted(served_hourly(server.aggregates())) == sorted(expected)


def test_an_engine_that_hangs_delays_and_loses_nothing(start_server, rng):
    content, expected = make_file(rng)
    server = start_server()
    engine = server.clickhouse_pid()
    os.kill(engine, signal.SIGSTOP)
    try:
        answer = server.upload(content, wait=None)
        assert answer.status_code == 202
        time.sleep(20)
        assert server.get(f"/v1/uploads/{answer.json()['id']}").json()["state"] == "storing"
        assert server.get("/livez").status_code == 200
    finally:
        os.kill(engine, signal.SIGCONT)
    assert server.wait_final(answer.json()["id"])["state"] == "stored"
    assert server.clickhouse_pid() == engine
    assert sorted(served_hourly(server.aggregates())) == sorted(expected)


def test_a_server_ends_though_its_engine_hangs(start_server, rng):
    content, expected = make_file(rng)
    server = start_server()
    engine = server.clickhouse_pid()
    os.kill(engine, signal.SIGSTOP)
    upload_id = server.upload(content, wait=None).json()["id"]
    wait_until(lambda: server.get(f"/v1/uploads/{upload_id}").json()["state"] == "storing")
    assert server.stop(timeout=30) == 0
    assert not pathlib.Path(f"/proc/{engine}").exists()
    server.start()
    assert server.wait_final(upload_id)["state"] == "stored"
    assert sorted(served_hourly(server.aggregates())) == sorted(expected)


FIGURES = [
    ({}, {}),
    ({"granularity": "total", "group_by": "none"}, {}),
    ({}, {"Accept": "text/csv"}),
    ({"limit": 7}, {"Accept": "text/csv"}),
    ({}, {"Accept": "application/x-ndjson"}),
    ({"count": "exact"}, {}),
]


def refused_figures(server, **params) -> str:
    """Every kind of answer is a problem with one and the same detail."""
    details = set()
    for query, headers in FIGURES:
        answer = server.get("/v1/aggregates", params={**query, **params}, headers=headers)
        assert (answer.status_code, answer.headers["content-type"]) == (503, "application/problem+json"), (
            answer.text
        )
        assert answer.json()["code"] == "figures_incomplete" and answer.headers["retry-after"]
        details.add(answer.json()["detail"])
    assert len(details) == 1
    return details.pop()


def check_of(server, name: str) -> dict:
    return next(check for check in server.get("/readyz?verbose").json()["checks"] if check["name"] == name)


def lost_warnings(upload: dict) -> list[str]:
    return [warning["detail"] for warning in upload["warnings"] if warning["code"] == "figures_incomplete"]


def test_figures_of_lost_tables_are_not_given(start_server, rng, tmp_path):
    """The engine's directory is gone. The server says so wherever figures or the files are asked for, goes on
    taking files, and gives the figures again when the directory is back."""
    server = start_server("data", "--audit-interval-s", "1")
    contents, expected = zip(*(make_file(rng, 100) for _ in range(3)), strict=True)
    uploads = [server.stored(content) for content in contents]
    etag = server.get("/v1/aggregates").headers["etag"]
    assert server.stop() == 0
    (server.data / "clickhouse").rename(tmp_path / "kept")
    server.start()
    detail = refused_figures(server)
    assert "3 stored uploads" in detail and "version 3" in detail and "allow_duplicate" in detail, detail
    assert "1 stored upload " in refused_figures(server, as_of=1)
    assert server.get("/v1/aggregates", headers={"If-None-Match": etag}).status_code == 503
    audit = check_of(server, "audit")
    assert audit["ok"] is False and "3 are lost" in audit["detail"]
    ready = server.get("/readyz")
    assert ready.status_code == 200 and ready.text.startswith("degraded: ") and "3 are lost" in ready.text
    verbose = server.get("/readyz?verbose").json()
    assert verbose["ready"] is True and verbose["degraded"] is True
    assert "roundhouse_missing_uploads 3\n" in server.get("/metrics").text

    again = server.upload(contents[0]).json()
    assert again["duplicate"] is True and lost_warnings(again)
    listed = server.get("/v1/uploads").json()["data"]
    assert all(lost_warnings(upload) for upload in listed) and len(listed) == 3
    more, more_expected = make_file(rng, 100)
    assert not lost_warnings(server.stored(more))
    refused_figures(server)

    # Voided, they are missed by no version from then on.
    for upload in uploads:
        assert server.post(f"/v1/uploads/{upload['id']}/void").status_code == 200
    assert sorted(served_hourly(server.aggregates())) == sorted(more_expected)
    for _ in range(10):  # a void writes the upload's row anew, and no rounds; audits come in between
        refused_figures(server, as_of=3)
        time.sleep(0.2)
    assert check_of(server, "audit")["ok"] is True and server.get("/readyz").text == "ready\n"

    assert server.stop() == 0
    shutil.rmtree(server.data / "clickhouse")
    (tmp_path / "kept").rename(server.data / "clickhouse")
    server.start()
    assert sorted(served_hourly(server.aggregates(as_of=1))) == sorted(expected[0])
    assert "1 stored upload " in refused_figures(server)  # what came while the directory was away


def test_lost_tables_are_found_by_the_audit_too(start_server, rng):
    """Emptied by hand while the server runs, in ways that its list of uploads does not show."""
    server = start_server("data", "--audit-interval-s", "1")
    content, expected = make_file(rng, 100)
    upload = server.stored(content)
    kept = server.clickhouse("SELECT * FROM hourly FORMAT TSV")
    server.clickhouse("TRUNCATE TABLE hourly")
    wait_until(lambda: server.get("/v1/aggregates").status_code == 503)
    refused_figures(server)
    found = server.get(f"/v1/uploads/{upload['id']}").json()
    assert lost_warnings(found)
    assert any(w["code"] == "audit_mismatch" and "hourly" in w["detail"] for w in found["warnings"])
    assert "roundhouse_audit_mismatched_uploads 1\n" in server.get("/metrics").text
    server.clickhouse("TRUNCATE TABLE hourly_by_game")
    server.clickhouse(f"INSERT INTO hourly FORMAT TSV\n{kept}")
    wait_until(lambda: server.get("/v1/aggregates").status_code == 200)
    assert sorted(served_hourly(server.aggregates())) == sorted(expected)
    assert not lost_warnings(server.get(f"/v1/uploads/{upload['id']}").json())

    rows = server.clickhouse("SELECT * FROM uploads FINAL FORMAT TSV")
    server.clickhouse("TRUNCATE TABLE uploads")
    wait_until(lambda: server.get("/v1/aggregates").status_code == 503)
    server.clickhouse(f"INSERT INTO uploads FORMAT TSV\n{rows}")
    wait_until(lambda: server.get("/v1/aggregates").status_code == 200)
    assert sorted(served_hourly(server.aggregates())) == sorted(expected)


def test_the_command_line_says_that_figures_are_lost(start_server, rng, tmp_path):
    server = start_server("data")
    content, _ = make_file(rng, 100)
    server.stored(content)
    assert server.stop() == 0
    shutil.rmtree(server.data / "clickhouse")
    server.start()

    def run(*arguments: str) -> subprocess.CompletedProcess:
        return subprocess.run(
            [str(BINARY), *arguments, "--server", server.url], capture_output=True, text=True, timeout=60
        )

    figures = run("aggregates", "--all")
    assert figures.returncode == 5 and not figures.stdout and "1 stored upload " in figures.stderr
    health = run("health")
    assert health.returncode == 1 and health.stdout.startswith("degraded: ")
    assert json.loads(run("health", "--json").stdout)["ok"] is False
    assert run("health", "--live").returncode == 0
    in_service = run("health", "--allow-degraded")  # what docker-compose.yaml asks
    assert in_service.returncode == 0 and in_service.stdout.startswith("degraded: ")
    path = tmp_path / "rounds.csv"
    path.write_bytes(content)
    again = run("upload", str(path))
    assert again.returncode == 0 and "warning: ClickHouse has lost its rows" in again.stdout


@pytest.mark.parametrize(
    "table, tampering",
    [
        ("uploads", "DELETE FROM uploads WHERE 1"),
        (
            "uploads",
            "INSERT INTO uploads SELECT * REPLACE (stored_version AS voided_version, revision + 1 AS revision)"
            " FROM uploads",
        ),
        (
            "game_rounds",
            "INSERT INTO game_rounds SELECT * REPLACE (real_amount_bet + toDecimal64('0.000001', 6) AS real_amount_bet)"
            " FROM game_rounds ORDER BY row_number LIMIT 1",
        ),
        ("game_rounds", "DELETE FROM game_rounds WHERE row_number = 7"),
        ("hourly", "INSERT INTO hourly SELECT * REPLACE (7 AS cell) FROM hourly LIMIT 1"),
        ("games", "DELETE FROM games WHERE game_id IN (SELECT min(game_id) FROM games)"),
    ],
)
def test_the_background_audit_names_the_table_that_was_changed(start_server, rng, table, tampering):
    server = start_server("data", "--audit-interval-s", "1")
    content, _ = make_file(rng, 1000)
    upload = server.stored(content)
    server.clickhouse(tampering)
    found = wait_until(
        lambda: [
            warning
            for warning in server.get(f"/v1/uploads/{upload['id']}").json()["warnings"]
            if warning["code"] == "audit_mismatch"
        ]
    )
    assert table in found[0]["detail"]


@pytest.mark.parametrize("zone", ["America/New_York", "Pacific/Auckland"])
def test_the_machine_s_time_zone_changes_no_figure(start_server, rng, zone):
    """Rounds of the first and last hour of months, as audited and served on a machine far from UTC."""
    lines = [
        ("2024-01-31 23:59:59.999", 1, "p", 5, "1.000001"),
        ("2024-02-01 00:00:00.000", 2, "p", 5, "2.000001"),
        ("2024-02-29 23:00:00.000", 3, "p", 5, "3.000001"),
        ("2024-03-01 00:00:00.000", 4, "p", 5, "4.000001"),
    ]
    header = (
        "created_timestamp,game_instance_id,user_id,game_id,real_amount_bet,bonus_amount_bet,"
        "real_amount_win,bonus_amount_win,game_name,provider\n"
    )
    server = start_server(environment={"TZ": zone})
    body = header + "".join(f"{t},{i},{u},{g},{a},0,0,0,Book,Maker\n" for t, i, u, g, a in lines)
    server.stored(body.encode())
    served = {row["hour"]: row["real_amount_bet"] for row in server.aggregates()}
    assert served == {
        "2024-01-31T23:00:00Z": "1.000001",
        "2024-02-01T00:00:00Z": "2.000001",
        "2024-02-29T23:00:00Z": "3.000001",
        "2024-03-01T00:00:00Z": "4.000001",
    }


def test_a_lost_ledger_is_no_reason_to_remove_the_uploads(start_server, rng):
    content, expected = make_file(rng, 100)
    server = start_server()
    server.stored(content)
    assert server.stop() == 0
    ledger = server.data / "ledger.sqlite"
    ledger.rename(server.data / "saved")
    with pytest.raises(RuntimeError, match=r"ledger\.sqlite is gone"):
        server.start(timeout=30)
    assert only_directory(server.data / "log") and only_directory(server.data / "uploads")
    (server.data / "saved").rename(ledger)
    server.start()
    assert sorted(served_hourly(server.aggregates())) == sorted(expected)


def test_a_table_of_somebody_else_is_no_rollup(start_server, rng):
    """A copy that a person made beside the rollups gets no rows, and is nobody's figure."""
    server = start_server()
    content, expected = make_file(rng, 100)
    server.clickhouse("CREATE TABLE kept_for_later AS hourly")
    server.stored(content)
    assert sorted(served_hourly(server.aggregates())) == sorted(expected)


def test_rows_deleted_and_inserted_again_count_once(start_server, rng):
    """What the sink's repair relies on: a deleted row hides no equal one that comes after it."""
    server = start_server()
    content, expected = make_file(rng, 5000)
    server.stored(content)
    tables = ["game_rounds", "hourly", "hourly_by_game", "game_hourly", "games"]
    for table in tables:
        server.clickhouse(
            f"CREATE TABLE kept_{table} ENGINE = MergeTree ORDER BY tuple() AS SELECT * FROM {table}"
        )
    for merged in (False, True):
        for table in tables:
            server.clickhouse(f"DELETE FROM {table} WHERE 1 SETTINGS lightweight_deletes_sync = 2")
            assert server.clickhouse(f"SELECT count() FROM {table} FINAL").strip() == "0", table
        assert server.aggregates() == []
        for _ in range(2):  # as a replay that is itself replayed
            server.clickhouse("INSERT INTO game_rounds SELECT * FROM kept_game_rounds")
        if merged:
            for table in tables:
                server.clickhouse(f"OPTIMIZE TABLE {table} FINAL")
        assert sorted(served_hourly(server.aggregates())) == sorted(expected)
        for table in tables:
            rows = f"SELECT count(), sum(real_amount_bet), sum(bonus_amount_win) FROM {table}"
            assert server.clickhouse(rows + " FINAL") == server.clickhouse(
                rows.replace(" FROM ", " FROM kept_")
            ), table
