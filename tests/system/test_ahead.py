"""Rows go into ClickHouse while their file is still being judged: what if it then comes to nothing?"""

import os
import signal
import subprocess
import time

from roundhouse import BINARY
from rounds import expected_hourly, make_rows, served_hourly, to_csv

TABLES = ["game_rounds", "hourly", "hourly_by_game", "game_hourly", "games"]


def wait_for(condition, seconds: float = 60):
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, "it did not come"
        time.sleep(0.02)
    return found


def rows_of(server, upload_id: str) -> list[int]:
    counts = ", ".join(f"(SELECT count() FROM {table} WHERE upload_id = '{upload_id}')" for table in TABLES)
    return [int(count) for count in server.clickhouse(f"SELECT {counts} FORMAT TSV").split()]


def test_a_cancelled_upload_leaves_no_rows_and_may_be_sent_again(start_server, tmp_path):
    """Cancelled after ClickHouse has its first rows and before the whole file is judged."""
    server = start_server()
    path = tmp_path / "rounds.csv"
    command = [str(BINARY), "generate", "--rows", "4000000", "--encoding", "utf-8", "--out", str(path)]
    subprocess.run(command, check=True, capture_output=True)
    upload_id = server.upload(path, wait=None).json()["id"]
    wait_for(lambda: rows_of(server, upload_id)[0] > 0)
    before = server.get(f"/v1/uploads/{upload_id}").json()["state"]
    answer = server.post(f"/v1/uploads/{upload_id}/cancel")
    assert answer.status_code == 200 and answer.json()["state"] == "cancelled", answer.text
    assert before == "validating", "ClickHouse had no rows before the file was judged"
    wait_for(lambda: rows_of(server, upload_id) == [0] * len(TABLES))
    assert server.aggregates() == []

    upload = server.stored(path)
    assert upload["id"] == upload_id and upload["rows"]["accepted"] == 4_000_000
    for table in TABLES[1:]:
        assert server.clickhouse(f"SELECT sum(rounds) FROM {table} FINAL").strip() == "4000000", table


def test_a_hung_clickhouse_does_not_hold_up_the_log(start_server, rng):
    """The file is judged and in the log, whatever ClickHouse does; its rows follow when it goes on."""
    server = start_server()
    rows = make_rows(rng, 400_000, players=50, games=6, hours=24 * 40)
    engine = server.clickhouse_pid()
    os.kill(engine, signal.SIGSTOP)
    try:
        upload_id = server.upload(to_csv(rows).encode(), wait=None).json()["id"]
        wait_for(lambda: server.get(f"/v1/uploads/{upload_id}").json()["state"] == "storing")
        assert list(server.data.glob(f"log/{upload_id}/*.avro"))
    finally:
        os.kill(engine, signal.SIGCONT)
    assert server.wait_final(upload_id)["state"] == "stored"
    assert sorted(served_hourly(server.aggregates())) == sorted(expected_hourly(rows))


def test_a_killed_clickhouse_gets_the_rows_again(start_server, rng):
    server = start_server()
    rows = make_rows(rng, 700_000, players=50, games=6, hours=24 * 40)
    upload_id = server.upload(to_csv(rows).encode(), wait=None).json()["id"]
    os.kill(server.clickhouse_pid(), signal.SIGKILL)
    assert server.wait_final(upload_id)["state"] == "stored"
    server.wait_ready()
    assert sorted(served_hourly(server.aggregates())) == sorted(expected_hourly(rows))
