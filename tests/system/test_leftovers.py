"""Rows of uploads that are not stored after all do not stay in ClickHouse, however late they came."""

import json
import subprocess
import threading
import time
import uuid

import httpx
from roundhouse import BINARY
from rounds import expected_hourly, make_rows, served_hourly, to_csv

TABLES = ("game_rounds", "hourly", "hourly_by_game", "game_hourly", "games")


def wait_until(condition, timeout: float = 60):
    deadline = time.monotonic() + timeout
    while not (value := condition()):
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.1)
    return value


def rows_of(server, upload_id: str) -> dict[str, int]:
    return {
        table: int(server.clickhouse(f"SELECT count() FROM {table} WHERE upload_id = {{id:UUID}}", id=upload_id))
        for table in TABLES
    }


def insert_late(server, of: dict, upload_id: str) -> None:
    """As an INSERT that nobody waits for any more: the rows of another upload under this id."""
    answer = ask(
        server,
        "INSERT INTO game_rounds SELECT * REPLACE ({to:UUID} AS upload_id) FROM "
        "(SELECT * FROM game_rounds WHERE upload_id = {of:UUID})",
        wait_end_of_query="1",
        param_of=of["id"],
        param_to=upload_id,
    )
    # Read back it could be gone again already.
    assert int(json.loads(answer.headers["X-ClickHouse-Summary"])["written_rows"]) > of["rows"]["accepted"]


def ask(server, sql: str, **parameters: str) -> httpx.Response:
    info = server.clickhouse_info()
    return httpx.post(
        info["url"],
        content=sql,
        params={"database": info["database"], **parameters},
        headers={"X-ClickHouse-User": info["user"], "X-ClickHouse-Key": info["password"]},
        timeout=120,
    )


def test_they_are_looked_for_soon_after_the_end(start_server, rng):
    """Not only with an audit, which comes after ten minutes; and never those that a version counts."""
    server = start_server()
    accepted = make_rows(rng, 500)
    kept = server.stored(to_csv(accepted).encode())
    refused = server.upload(to_csv([*make_rows(rng, 50), ["x"] * 10]).encode(), on_error="abort").json()
    counted = server.upload(to_csv([*make_rows(rng, 60), ["x"] * 10]).encode(), on_error="abort").json()
    assert refused["state"] == counted["state"] == "refused"
    server.clickhouse(
        "INSERT INTO uploads SELECT * REPLACE ({to:UUID} AS upload_id, 1000 AS stored_version) FROM uploads",
        to=counted["id"],
    )
    insert_late(server, kept, counted["id"])
    before = rows_of(server, counted["id"])
    insert_late(server, kept, refused["id"])
    wait_until(lambda: not any(rows_of(server, refused["id"]).values()), 100)
    assert rows_of(server, counted["id"]) == before
    assert sorted(served_hourly(server.aggregates())) == sorted(expected_hourly(accepted))


def test_rows_that_came_after_the_end_of_their_upload_are_removed(start_server, rng):
    server = start_server("data", "--audit-interval-s", "1")
    accepted = make_rows(rng, 500)
    kept = server.stored(to_csv(accepted).encode())
    refused = server.upload(to_csv([*make_rows(rng, 50), ["x"] * 10]).encode(), on_error="abort").json()
    assert refused["state"] == "refused"
    deleted = str(uuid.UUID(int=rng.getrandbits(128), version=4))
    # Counted by a version that this ledger does not know, as after an older ledger was restored: not for a program
    # to remove.
    unknown = str(uuid.UUID(int=rng.getrandbits(128), version=4))
    server.clickhouse(
        "INSERT INTO uploads SELECT * REPLACE ({to:UUID} AS upload_id, 1000 AS stored_version) FROM uploads",
        to=unknown,
    )
    insert_late(server, kept, unknown)
    before = rows_of(server, unknown)
    insert_late(server, kept, deleted)
    insert_late(server, kept, refused["id"])
    for gone in (refused["id"], deleted):
        wait_until(lambda gone=gone: not any(rows_of(server, gone).values()))
    assert rows_of(server, unknown) == before
    assert sorted(served_hourly(server.aggregates())) == sorted(expected_hourly(accepted))
    assert server.get(f"/v1/uploads/{kept['id']}").json()["warnings"] == []


def test_rows_are_removed_also_without_a_background_audit(start_server, rng):
    server = start_server("data", "--audit-interval-s", "0")
    kept = server.stored(to_csv(make_rows(rng, 500)).encode())
    deleted = str(uuid.UUID(int=rng.getrandbits(128), version=4))
    insert_late(server, kept, deleted)
    assert server.stop() == 0
    server.start()
    wait_until(lambda: not any(rows_of(server, deleted).values()))
    assert rows_of(server, kept["id"])["game_rounds"] == 500


def test_the_same_file_sent_while_its_leftovers_are_removed_is_counted_once(start_server, rng):
    server = start_server("data", "--audit-interval-s", "1")
    kept = server.stored(to_csv(make_rows(rng, 500)).encode())
    for _ in range(5):
        rows = make_rows(rng, 2000)
        content = to_csv([*rows, ["x"] * 10]).encode()
        refused = server.upload(content, on_error="abort").json()
        assert refused["state"] == "refused"
        insert_late(server, kept, refused["id"])
        time.sleep(rng.random())
        again = server.stored(content)  # under the same id, if the policy is no part of it
        assert sum(row["rounds"] for row in server.aggregates(player_id=sorted({r[2] for r in rows}))) == len(rows)
        reconciliation = server.post(
            "/v1/reconciliations", json={"upload_id": again["id"]}, headers={"Prefer": "wait=60"}
        ).json()
        assert reconciliation["verdict"] == "matched", reconciliation


def test_a_cancel_ends_the_inserts_that_still_run(start_server, tmp_path, rng):
    """An INSERT whose connection broke goes on in ClickHouse; here a person runs one under such a name."""
    server = start_server()
    while True:
        content = generated(tmp_path, seed=rng.randrange(10**6))
        upload_id = server.upload(content, wait=None).json()["id"]
        answers = []
        late = threading.Thread(target=lambda to=upload_id, into=answers: into.append(insert_slowly(server, to)))
        late.start()
        wait_until(lambda to=upload_id: is_inserting(server, to))
        cancelled = server.post(f"/v1/uploads/{upload_id}/cancel")
        state = server.wait_final(upload_id)["state"]
        if state == "cancelled":
            break
        assert (cancelled.status_code, state) == (409, "stored")
        server.clickhouse("KILL QUERY WHERE query_id LIKE 'insert-%' SYNC")
        late.join()
    late.join(60)
    assert not late.is_alive() and "QUERY_WAS_CANCELLED" in answers[0], answers
    wait_until(lambda: not any(rows_of(server, upload_id).values()))


def generated(tmp_path, seed: int) -> bytes:
    path = tmp_path / "generated.csv"
    subprocess.run(
        [BINARY, "generate", "--rows", "1000000", "--seed", str(seed), "--out", path],
        check=True,
        capture_output=True,
    )
    return path.read_bytes()


def insert_slowly(server, upload_id: str) -> str:
    """A row each tenth of a second, for a minute."""
    return ask(
        server,
        f"INSERT INTO game_rounds SELECT '{upload_id}', number + 1, 0, now64(3), number, 'late', 1, 1, 0, 0, 0, "
        "'game', 'provider' FROM numbers(600) WHERE sleepEachRow(0.1) = 0 "
        "SETTINGS max_block_size = 1, max_insert_block_size = 1, min_insert_block_size_rows = 1",
        query_id=f"insert-{upload_id}-0",
    ).text


def is_inserting(server, upload_id: str) -> bool:
    found = server.clickhouse(
        "SELECT count() FROM system.processes WHERE query_id = {name:String}", name=f"insert-{upload_id}-0"
    )
    return found.strip() == "1"


def test_every_insert_is_named_for_its_upload(start_server, rng):
    """What the cancel above relies on, from ClickHouse's own log of queries."""
    server = start_server()
    upload = server.stored(to_csv(make_rows(rng, 70_000)).encode())
    server.clickhouse("SYSTEM FLUSH LOGS")
    lines = server.clickhouse(
        "SELECT query_id FROM system.query_log WHERE type = 'QueryFinish' AND query_kind = 'Insert' "
        "AND has(tables, 'roundhouse.game_rounds') FORMAT JSONEachRow"
    ).splitlines()
    names = [json.loads(line)["query_id"] for line in lines]
    assert names and all(name.startswith(f"insert-{upload['id']}-") for name in names), names
    assert len(set(names)) == len(names)
