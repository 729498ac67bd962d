"""Rows on the two shards of a ClickHouse cluster are stored, counted, served and proven as on one.

The shards come from tools/stack; what is on them is asked of them directly, and what is expected is computed by
DuckDB. One roundhouse uses them in this module, restarted with its shards in another order where rows are to come
onto the other one.
"""

import json
import os
import signal
import subprocess
import threading
import time
from collections import defaultdict
from decimal import Decimal

import duckdb
import httpx
import pytest
from native_stack import Stack, wait_for
from roundhouse import BINARY, ROOT, Server
from rounds import AMOUNTS, expected_hourly, make_rows, served_hourly, to_csv

ROLLUPS = ["hourly", "hourly_by_game", "game_hourly", "games"]


class Cluster:
    """The two shards, and the roundhouse that keeps its rows there."""

    def __init__(self, folder):
        self.stack = Stack(folder / "stack")
        self.stack.run("up", "clickhouse-1", "clickhouse-2")
        self.env = self.stack.env()
        assert self.env["ROUNDHOUSE_LOG"] == "embedded"  # there is no Kafka
        self.urls = [httpx.URL(self.env[f"STACK_CLICKHOUSE_{shard}"]) for shard in (1, 2)]
        self.addresses = [f"{url.host}:{url.port}" for url in self.urls]
        self.password = self.urls[0].password
        self.server = Server(folder / "data")

    def environment(self, *, shards=(1, 2), **more) -> dict[str, str]:
        store = ",".join(self.env[f"STACK_CLICKHOUSE_{shard}"] for shard in shards)
        return {"ROUNDHOUSE_STORE": store, "ROUNDHOUSE_CLICKHOUSE_CLUSTER": "rivertech", **more}

    def serve(self, *, shards=(1, 2), ready=True) -> Server:
        """The server, with the shards in this order."""
        if self.server.is_running():
            assert self.server.stop() == 0, self.server.log_tail()
        return self.server.start(self.environment(shards=shards), ready=ready)

    def ask(self, shard: int, sql: str, content: bytes = b"", **settings) -> str:
        answer = self.request(shard, sql, content, **settings)
        return answer.text

    def request(self, shard: int, sql: str, content: bytes = b"", **settings) -> httpx.Response:
        params = {"database": "roundhouse", "query": sql, **settings}
        answer = httpx.post(self.urls[shard - 1], params=params, content=content, timeout=120)
        assert answer.status_code == 200 and "DB::Exception" not in answer.text[:300], answer.text
        return answer

    def kill(self, shard: int) -> None:
        self.stack.kill(f"clickhouse-{shard}")

    def start(self, shard: int) -> None:
        self.stack.start(f"clickhouse-{shard}")

    def insist_on_shards(self) -> None:
        """Both run; whatever ended one of them stands in its logs."""
        for shard in (1, 2):
            name = f"clickhouse-{shard}"
            if self.stack.pids()[name] is None:
                pytest.fail(f"{name} ended:\n{self.stack.run('logs', name, '--lines', '40').stdout}")

    def rows_on(self, shard: int, upload_id: str) -> int:
        return int(self.ask(shard, f"SELECT count() FROM game_rounds FINAL WHERE upload_id = '{upload_id}'"))

    def spread(self, upload_id: str) -> None:
        """Every second player's rows go to the other shard, as of another partition of the log."""
        halves = [self.rows_of(upload_id, part, f"cityHash64(user_id) % 2 = {part}") for part in (0, 1)]
        self.forget(upload_id)
        for shard, half in enumerate(halves, start=1):
            self.insert(shard, half)

    def move(self, upload_id: str) -> None:
        """All of its rows go to the other shard."""
        rows = self.rows_of(upload_id, 1)
        self.forget(upload_id)
        self.insert(2, rows)

    def rows_of(self, upload_id: str, part: int, where: str = "1") -> bytes:
        return self.request(
            1,
            f"SELECT * REPLACE({part} AS part) FROM game_rounds FINAL WHERE upload_id = '{upload_id}' "
            f"AND {where} ORDER BY row_number FORMAT Native",
        ).content

    def forget(self, upload_id: str) -> None:
        for table in ["game_rounds", *ROLLUPS]:
            self.ask(1, f"DELETE FROM {table} WHERE upload_id = '{upload_id}'", lightweight_deletes_sync=2)

    def insert(self, shard: int, rows: bytes) -> None:
        whole = {  # a block of Native as it is: the views must see whole cells
            "min_insert_block_size_rows": 100_000_000,
            "min_insert_block_size_bytes": 0,
            "max_insert_block_size": 100_000_000,
            "max_partitions_per_insert_block": 0,
            "async_insert": 0,
        }
        self.ask(shard, "INSERT INTO game_rounds FORMAT Native", rows, **whole)


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    cluster = Cluster(tmp_path_factory.mktemp("cluster"))
    try:
        yield cluster
        assert cluster.password not in cluster.server.log_path.read_text()
    finally:
        if cluster.server.is_running():
            cluster.server.kill()
        cluster.stack.run("down")
        assert cluster.stack.processes() == []


@pytest.fixture
def server(cluster) -> Server:
    """It runs, and both shards answer."""
    cluster.stack.run("up", "clickhouse-1", "clickhouse-2")
    if not cluster.server.is_running():
        cluster.serve()
    cluster.server.wait_ready()
    return cluster.server


@pytest.fixture
def two_files(cluster, server, rng):
    """(rows, upload) of a file on shard 1 and of one on shard 2, with the same players, games and hours, which no
    other test has."""
    start = f"{rng.randrange(1980, 2100)}-{rng.randrange(1, 13):02}-{rng.randrange(1, 27):02}"
    rows = make_rows(rng, 3000, players=30, games=4, hours=30, start=start)
    first = server.stored(to_csv(rows[:1500]).encode())
    second = server.stored(to_csv(rows[1500:]).encode())
    cluster.move(second["id"])
    assert [cluster.rows_on(shard, first["id"]) for shard in (1, 2)] == [1500, 0]
    assert [cluster.rows_on(shard, second["id"]) for shard in (1, 2)] == [0, 1500]
    return [(rows[:1500], first), (rows[1500:], second)]


def players_of(rows) -> list[str]:
    return sorted({row[2] for row in rows})


def served(server, rows, **params) -> list[tuple]:
    return served_hourly(server.aggregates(player_id=players_of(rows), **params))


def page_through(server, limit: int, **params) -> list[dict]:
    rows, cursor = [], None
    while True:
        page = server.get(
            "/v1/aggregates", params={**params, "limit": limit, **({"cursor": cursor} if cursor else {})}
        )
        assert page.status_code == 200, page.text
        assert len(page.json()["data"]) == limit or page.json()["next_cursor"] is None
        rows += page.json()["data"]
        cursor = page.json()["next_cursor"]
        if cursor is None:
            return rows


def reconciled(server, headers=None, **request) -> dict:
    answer = server.post("/v1/reconciliations", headers={"Prefer": "wait=60", **(headers or {})}, **request)
    assert answer.status_code in (200, 202), answer.text
    deadline = time.monotonic() + 120
    while answer.json()["state"] == "running":
        assert time.monotonic() < deadline, answer.text
        time.sleep(0.1)
        answer = server.get(f"/v1/reconciliations/{answer.json()['id']}")
    return answer.json()


# -- migrate


def test_migrating_again_changes_nothing(cluster, server):
    def tables() -> list[str]:
        sql = "SELECT name, create_table_query FROM system.tables WHERE database = 'roundhouse' ORDER BY name"
        return [cluster.ask(shard, sql) for shard in (1, 2)]

    before = tables()
    for _ in range(2):
        done = subprocess.run(
            [BINARY, "migrate", "--json"], env=cluster.environment(), capture_output=True, text=True, check=True
        )
        assert [name[:4] for name in json.loads(done.stdout)["applied"]][-2:] == ["0101", "0102"]
    assert tables() == before
    assert before[0] == before[1]
    for table in ["game_rounds", "uploads", *ROLLUPS]:
        assert "fsync_after_insert = 1" in cluster.ask(1, f"SHOW CREATE TABLE {table}")
    for table in ["game_rounds", *ROLLUPS]:
        assert "Distributed('rivertech'" in cluster.ask(2, f"SHOW CREATE TABLE {table}_all FORMAT TSVRaw")


def test_a_store_that_is_not_the_servers_cluster_is_refused(cluster, server, tmp_path):
    other_name = cluster.environment(ROUNDHOUSE_CLICKHOUSE_CLUSTER="elsewhere")
    for env in (other_name, cluster.environment(shards=(1,))):
        done = subprocess.run([BINARY, "migrate"], env=env, capture_output=True, text=True, check=False)
        assert done.returncode == 1 and "clickhouse.cluster" in done.stderr, done.stderr
        other = Server(tmp_path / "data", environment=env).start(ready=False)
        assert other.wait_dead(60) == 1
        assert "wrong_cluster" in other.log_tail() and cluster.password not in other.log_tail()


def test_shards_in_another_order_are_refused(cluster, server, tmp_path):
    """Rows that are read again would go to the other shard, and count on both."""
    env = cluster.environment(shards=(2, 1))
    done = subprocess.run([BINARY, "migrate"], env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 1 and "in the order of its remote_servers" in done.stderr, done.stderr
    other = Server(tmp_path / "data", environment=env).start(ready=False)
    assert other.wait_dead(60) == 1
    assert 'as shard 1, but in its cluster \\"rivertech\\" it is shard 2' in other.log_tail()


def test_a_second_ledger_is_refused(cluster, server, two_files, tmp_path):
    """Two would number the same versions, and each would count the other's rows."""
    rows = [row for of_file, _ in two_files for row in of_file]
    other = Server(tmp_path / "data", environment=cluster.environment()).start(ready=False)
    assert other.wait_dead(60) == 1
    assert "other_ledger" in other.log_tail() and cluster.password not in other.log_tail()
    assert served(server, rows) == expected_hourly(rows)


def test_a_server_that_is_refused_has_written_nothing(cluster, server, two_files, tmp_path):
    """A shard that is named by mistake is of another installation: what one knows is not told to the other."""
    server.stop()
    sql = "SELECT * FROM uploads FINAL ORDER BY upload_id"
    cluster.ask(
        2,
        "DELETE FROM uploads WHERE revision = (SELECT max(revision) FROM uploads)",
        lightweight_deletes_sync=2,
        allow_nondeterministic_mutations=1,
    )
    before = [cluster.ask(shard, sql) for shard in (1, 2)]
    assert before[0] != before[1]
    other = Server(tmp_path / "data").start(cluster.environment(), ready=False)
    assert other.wait_dead(60) == 1 and "other_ledger" in other.log_tail()
    assert [cluster.ask(shard, sql) for shard in (1, 2)] == before
    cluster.serve()
    assert cluster.ask(2, sql) == before[0]


def test_a_second_ledger_stores_nothing_either(tmp_path, rng):
    """Both began when nothing was stored."""
    cluster = Cluster(tmp_path)
    other = Server(tmp_path / "other", environment=cluster.environment())
    try:
        server = cluster.serve()
        other.start()
        rows, more, late = (make_rows(rng, 500) for _ in range(3))
        assert server.stored(to_csv(rows).encode())["stored_version"] == 1
        refused = other.upload(to_csv(more).encode(), wait=None).json()["id"]
        wait_for(lambda: "other_ledger" in other.log_path.read_text(), "it is said", 30)
        assert other.get(f"/v1/uploads/{refused}").json()["state"] == "storing"
        assert server.stored(to_csv(late).encode())["stored_version"] == 2
        assert served(server, rows) == expected_hourly(rows)
        assert served(server, more) == []
        assert other.stop() == 0
        other.start(ready=False)
        assert other.wait_dead(60) == 1
    finally:
        for each in (cluster.server, other):
            if each.is_running():
                each.kill()
        cluster.stack.run("down")


def test_passwords_are_not_shown(cluster):
    for arguments in (["config", "show"], ["config", "show", "--json"]):
        shown = subprocess.run(
            [BINARY, *arguments], env=cluster.environment(), capture_output=True, text=True, check=True
        ).stdout
        assert f"http://***@{cluster.addresses[1]}" in shown and cluster.password not in shown
    wrong = cluster.environment() | {"ROUNDHOUSE_STORE": cluster.environment()["ROUNDHOUSE_STORE"] + "/x"}
    refused = subprocess.run([BINARY, "config", "show"], env=wrong, capture_output=True, text=True, check=False)
    assert refused.returncode == 2 and "ROUNDHOUSE_STORE" in refused.stderr
    assert cluster.password not in refused.stderr


# -- one answer of two shards


def test_the_same_keys_on_both_shards_are_added_up(cluster, server, two_files):
    rows = [row for of_file, _ in two_files for row in of_file]
    assert served(server, rows) == expected_hourly(rows)

    players = players_of(rows)
    games = sorted({row[3] for row in rows}, key=int)
    whole = server.aggregates(player_id=players)
    assert page_through(server, 7, player_id=players) == whole
    latest = server.aggregates(player_id=players, order="-time")
    assert page_through(server, 7, player_id=players, order="-time") == latest
    assert sorted(latest, key=lambda row: (row["player_id"], int(row["game_id"]), row["hour"])) == whole
    counted = server.get("/v1/aggregates", params={"player_id": players, "limit": 1, "count": "exact"})
    assert counted.json()["count"] == len(whole)
    assert "partial" not in counted.json() and "ETag" in counted.headers

    by_game = defaultdict(lambda: [0, *[Decimal(0)] * 4])
    for row in expected_hourly(rows):
        for i, value in enumerate(row[3:]):
            by_game[row[1]][i] += value
    totals = server.aggregates(player_id=players, granularity="total", group_by="game_id")
    assert {r["game_id"]: [r["rounds"], *[Decimal(r[a]) for a in AMOUNTS]] for r in totals} == dict(by_game)
    (one,) = server.aggregates(player_id=players, granularity="total", group_by="none")
    assert one["rounds"] == len(rows)

    # Walks of whole tables, whose pages end at other keys on each shard.
    for params in ({"order": "game"}, {"order": "player"}, {"game_id": games[0]}, {"granularity": "day"}):
        assert page_through(server, 7, **params) == server.aggregates(**params), params
    text = server.get(
        "/v1/aggregates", params={"player_id": players}, headers={"Accept": "application/x-ndjson"}
    ).text
    assert [json.loads(line) for line in text.splitlines()[:-1]] == whole
    assert json.loads(text.splitlines()[-1])["_end"]["rows"] == len(whole)


def test_the_cluster_question_of_the_readme_has_the_same_answer(cluster, server, two_files):
    readme = (ROOT / "queries" / "README.md").read_text()
    question = readme.split("```sql\n")[2].split("```")[0].strip().rstrip(";")
    answers = [
        {
            game: Decimal(ggr)
            for game, ggr in (line.split("\t") for line in cluster.ask(shard, question).splitlines())
        }
        for shard in (1, 2)
    ]
    served_totals = server.aggregates(granularity="total", group_by="game_id")
    expected = {r["game_id"]: Decimal(r["real_amount_bet"]) - Decimal(r["real_amount_win"]) for r in served_totals}
    assert len(expected) >= 4
    assert answers == [expected, expected]


def test_uploads_on_either_shard_reconcile(cluster, server, two_files):
    for rows, upload in two_files:
        found = reconciled(server, json={"upload_id": upload["id"]})
        assert found["verdict"] == "matched", found
        assert found["totals"]["stored"]["rows"] == found["totals"]["aggregated"]["rows"] == len(rows)


def test_an_upload_on_both_shards_is_served_and_reconciles(cluster, server, rng):
    rows = make_rows(rng, 3000, players=30, games=4, hours=30)
    upload = server.stored(to_csv(rows).encode())
    cluster.spread(upload["id"])
    on_shards = [cluster.rows_on(shard, upload["id"]) for shard in (1, 2)]
    assert sum(on_shards) == 3000 and min(on_shards) > 500
    assert served(server, rows) == expected_hourly(rows)
    assert page_through(server, 7, player_id=players_of(rows)) == server.aggregates(player_id=players_of(rows))
    found = reconciled(server, json={"upload_id": upload["id"]})
    assert found["verdict"] == "matched", found

    # A row less on the second shard is seen, in the table where it is missing.
    key = "player_id, game_id, hour"
    lost = cluster.ask(
        2, f"SELECT {key} FROM hourly WHERE upload_id = '{upload['id']}' ORDER BY ALL LIMIT 1"
    ).split("\t")
    cluster.ask(
        2,
        f"DELETE FROM hourly WHERE upload_id = '{upload['id']}' AND player_id = '{lost[0]}' AND game_id = {lost[1]} "
        f"AND hour = '{lost[2].strip()}'",
        lightweight_deletes_sync=2,
    )
    found = reconciled(server, json={"upload_id": upload["id"]})
    assert found["verdict"] == "mismatched" and found["discrepancies"] >= 1, found


def test_a_statement_is_compared_with_the_rows_of_all_shards(cluster, server, two_files):
    rows = sorted((row for of_file, _ in two_files for row in of_file), key=lambda row: row[0])
    csv = {"Content-Type": "text/csv"}
    found = reconciled(server, content=to_csv(rows).encode(), headers=csv)
    assert found["verdict"] == "matched", found
    found = reconciled(server, content=to_csv(rows[:700] + rows[701:]).encode(), headers=csv)
    assert found["verdict"] == "mismatched" and found["discrepancies"] == 1, found


def test_a_void_holds_on_every_shard(cluster, server, two_files):
    (rows, upload), (others, _) = two_files
    version = server.get("/v1/aggregates", params={"limit": 1}).json()["version"]
    assert server.post(f"/v1/uploads/{upload['id']}/void").status_code == 200
    assert served(server, others) == expected_hourly(others)
    assert served(server, others, as_of=version) == expected_hourly(rows + others)
    same = "SELECT * FROM uploads FINAL ORDER BY upload_id"
    assert cluster.ask(1, same) == cluster.ask(2, same)


@pytest.mark.parametrize(
    ("lost", "said"),
    [
        ("1", "a shard had no uploads and was given them; if it is not a new one, it has lost its rows"),
        ("revision < (SELECT max(revision) FROM uploads)", "a shard lacked some uploads and was given them"),
        ("revision = (SELECT max(revision) FROM uploads)", "a shard was told what has changed while it was away"),
    ],
)
def test_a_shard_that_lacks_uploads_is_given_them(cluster, server, two_files, lost, said):
    rows = [row for of_file, _ in two_files for row in of_file]
    server.stop()
    sql = "SELECT * FROM uploads FINAL ORDER BY upload_id"
    before = cluster.ask(1, sql)
    cluster.ask(
        2, f"DELETE FROM uploads WHERE {lost}", lightweight_deletes_sync=2, allow_nondeterministic_mutations=1
    )
    cluster.serve()
    assert cluster.ask(1, sql) == cluster.ask(2, sql) == before
    assert served(server, rows) == expected_hourly(rows)
    told = [line for line in server.log_tail().splitlines() if said in line]
    assert told and f"shard 2 ({cluster.addresses[1]})" in told[0]


# -- a shard that is away


@pytest.mark.parametrize("shard", [1, 2])
def test_a_shard_is_killed_while_a_file_goes_through(cluster, server, rng, tmp_path, shard):
    """Shard 1 gets the rows, shard 2 only learns that they count."""
    path = tmp_path / "file.csv"
    options = ["--rows", "600000", "--encoding", "utf-8", "--seed", str(rng.randrange(10**6))]
    subprocess.run([BINARY, "generate", *options, "--out", path], check=True)
    before = sum(row["rounds"] for row in server.aggregates(granularity="total", group_by="none"))
    answers = []
    sending = threading.Thread(target=lambda: answers.append(server.upload(path, wait=None)))
    count = "SELECT count() FROM game_rounds FINAL"  # merges take away what was inserted twice
    rows_there = int(cluster.ask(1, count))
    sending.start()
    wait_for(lambda: int(cluster.ask(1, count)) > rows_there, "rows on shard 1")
    cluster.kill(shard)
    sending.join()
    time.sleep(rng.random())
    cluster.start(shard)
    try:
        upload = server.wait_final(answers[0].json()["id"], 300)
    except AssertionError:
        cluster.insist_on_shards()
        raise
    assert upload["state"] == "stored", upload
    after = sum(row["rounds"] for row in server.aggregates(granularity="total", group_by="none"))
    assert after - before == upload["rows"]["accepted"] == 600_000
    found = reconciled(server, json={"upload_id": upload["id"]})
    assert found["verdict"] == "matched", found
    assert hours_on_shards(cluster, upload["id"]) == hours_of(path)


def hours_of(path) -> list[tuple]:
    """(player, game, hour, rounds, real_amount_bet) of a generated file, by DuckDB."""
    amount = "sum(coalesce(try_cast(real_amount_bet AS DECIMAL(18,6)), 0))"
    return (
        duckdb.connect()
        .execute(
            f"SELECT user_id, game_id::UBIGINT::TEXT, "
            f"strftime(date_trunc('hour', created_timestamp::TIMESTAMP), '%Y-%m-%d %H:%M:%S'), count(*)::TEXT, "
            f"{amount} FROM read_csv(?, all_varchar=true, header=true) GROUP BY ALL ORDER BY ALL",
            [str(path)],
        )
        .fetchall()
    )


def hours_on_shards(cluster, upload_id: str) -> list[tuple]:
    text = cluster.ask(
        1,
        "SELECT player_id, toString(game_id) AS game, toString(hour) AS hour_text, toString(sum(rounds)), "
        f"sum(real_amount_bet) FROM hourly_all FINAL WHERE upload_id = '{upload_id}' GROUP BY ALL ORDER BY ALL FORMAT TSV",
    )
    rows = [line.split("\t") for line in text.splitlines()]
    return [(*row[:4], Decimal(row[4])) for row in rows]


def test_a_shard_that_is_down_is_named_and_uploads_wait_for_it(cluster, server, two_files, rng):
    (rows_1, first), (rows_2, _) = two_files
    rows, players = rows_1 + rows_2, players_of(rows_1 + rows_2)
    whole = server.get("/v1/aggregates", params={"player_id": players})
    cluster.kill(2)

    refused = server.get("/v1/aggregates", params={"player_id": players})
    assert refused.status_code == 503 and "Retry-After" in refused.headers
    assert refused.json()["code"] == "shard_unavailable" and cluster.addresses[1] in refused.json()["detail"]
    assert cluster.addresses[0] not in refused.text and cluster.password not in refused.text
    counted = server.get("/v1/aggregates", params={"player_id": players, "count": "exact", "partial": "true"})
    assert counted.status_code == 503 and counted.json()["code"] == "shard_unavailable"

    part = server.get("/v1/aggregates", params={"player_id": players, "partial": "true", "limit": 10_000})
    assert part.status_code == 200, part.text
    assert served_hourly(part.json()["data"]) == expected_hourly(rows_1)
    assert part.json()["partial"] == {"missing_shards": [cluster.addresses[1]]}
    assert part.headers["X-Roundhouse-Missing-Shards"] == cluster.addresses[1] and "ETag" not in part.headers
    words = [word for player in players for word in ("--player-id", player)]
    asked = [BINARY, "aggregates", "--server", server.url, "--all", "--limit", "7", *words]
    assert subprocess.run(asked, capture_output=True).returncode == 5
    shown = subprocess.run([*asked, "--partial"], capture_output=True, text=True)
    assert shown.returncode == 0 and len(shown.stdout.splitlines()) == len(part.json()["data"]) + 1
    assert f"the rows of {cluster.addresses[1]} are missing, which does not answer" in shown.stderr
    asked = [BINARY, "reconcile", first["id"], "--server", server.url]
    assert subprocess.run(asked, capture_output=True).returncode == 5
    paged = page_through(server, 7, player_id=players, partial="true")
    assert served_hourly(paged) == expected_hourly(rows_1)
    lines = server.get("/v1/aggregates", params={"player_id": players, "partial": "true", "format": "ndjson"})
    *all_rows, end = [json.loads(line) for line in lines.text.splitlines()]
    assert end["_end"]["partial"] == part.json()["partial"] and served_hourly(all_rows) == expected_hourly(rows_1)
    unchanged = server.get(
        "/v1/aggregates",
        params={"player_id": players, "partial": "true"},
        headers={"If-None-Match": whole.headers["ETag"]},
    )
    assert unchanged.status_code == 304  # who has the whole answer has a better one than this

    checks = {check["name"]: check for check in server.get("/readyz?verbose").json()["checks"]}
    assert not checks["clickhouse"]["ok"] and cluster.addresses[1] in checks["clickhouse"]["detail"]
    metrics = server.get("/metrics").text
    assert f'roundhouse_clickhouse_up{{shard="1",address="{cluster.addresses[0]}"}} 1' in metrics
    assert f'roundhouse_clickhouse_up{{shard="2",address="{cluster.addresses[1]}"}} 0' in metrics
    failed = reconciled(server, json={"upload_id": first["id"]})
    assert failed["state"] == "failed" and cluster.addresses[1] in json.dumps(failed), failed

    more = make_rows(rng, 1000)
    waiting = server.upload(to_csv(more).encode(), wait=None).json()
    wait_for(
        lambda: server.get(f"/v1/uploads/{waiting['id']}").json()["state"] == "storing", "it waits to be stored"
    )
    late = make_rows(rng, 1000)
    published = server.upload(to_csv(late).encode(), wait=None)
    assert published.status_code == 202, published.text

    cluster.start(2)
    for upload, of_file in ((waiting, more), (published.json(), late)):
        assert server.wait_final(upload["id"])["state"] == "stored"
        assert served(server, of_file) == expected_hourly(of_file)
    assert served(server, rows, partial="true") == expected_hourly(rows)
    again = server.get("/v1/aggregates", params={"player_id": players, "partial": "true"})
    assert "partial" not in again.json() and "ETag" in again.headers


def test_a_server_that_starts_while_a_shard_is_down_waits_for_it(cluster, server, two_files, rng):
    (rows_1, _), (rows_2, _) = two_files
    players = players_of(rows_1 + rows_2)
    assert server.stop() == 0
    cluster.kill(2)
    cluster.serve(ready=False)
    refused = server.get("/v1/aggregates", params={"player_id": players})
    assert refused.status_code == 503 and refused.json()["code"] == "shard_unavailable", refused.text
    assert cluster.addresses[1] in refused.json()["detail"]
    part = server.get("/v1/aggregates", params={"player_id": players, "partial": "true", "limit": 10_000})
    assert served_hourly(part.json()["data"]) == expected_hourly(rows_1)
    rows = make_rows(rng, 500)
    upload = server.upload(to_csv(rows).encode(), wait=None)
    assert upload.status_code == 202, upload.text
    cluster.start(2)
    assert server.wait_final(upload.json()["id"])["state"] == "stored"
    assert served(server, rows) == expected_hourly(rows)
    assert served(server, rows_1 + rows_2) == expected_hourly(rows_1 + rows_2)


def test_a_server_ends_although_a_shard_hangs(cluster, server, rng):
    """A stopped process keeps its connections and answers nothing, as a machine that swaps."""
    rows = make_rows(rng, 1000)
    pid = cluster.stack.pids()["clickhouse-1"]
    os.kill(pid, signal.SIGSTOP)
    try:
        upload = server.upload(to_csv(rows).encode(), wait=None)
        assert upload.status_code == 202, upload.text
        path = f"/v1/uploads/{upload.json()['id']}"
        wait_for(lambda: server.get(path).json()["state"] == "storing", "it is to be stored")
        checks = {check["name"]: check for check in server.get("/readyz?verbose").json()["checks"]}
        assert cluster.addresses[0] in checks["clickhouse"]["detail"]
        assert server.stop(timeout=60) == 0, server.log_tail()
    finally:
        os.kill(pid, signal.SIGCONT)
    cluster.serve()
    assert server.wait_final(upload.json()["id"])["state"] == "stored"
    assert served(server, rows) == expected_hourly(rows)
