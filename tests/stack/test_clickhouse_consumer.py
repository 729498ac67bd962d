"""Both ClickHouse shards consume the topic themselves, by Kafka engine tables: what they deliver twice, torn or to
the other shard counts once.

What must be counted is computed by DuckDB, what is on a shard is asked of it directly.
"""

import json
import random
import re
import signal
import subprocess
import time

import httpx
import pytest
from confluent_kafka import Producer
from kafka_site import (
    TOPIC,
    Site,
    ask,
    check_exactly_once,
    check_matched,
    drop_all_records,
    kafka_check,
    make_file,
    metric,
    send,
    served,
    wait_stored,
)
from native_stack import wait_for
from roundhouse import BINARY, Server
from rounds import expected_hourly

ROWS = 350_000
SHARDS = (1, 2)
ROLLUPS = ("hourly", "hourly_by_game", "game_hourly", "games")
CONSUMING = ("staging_bets_mv", "staging_bets")
ON_THEIR_WAY = ("game_rounds_mv", "dead_letters_mv", "dead_letters_all", "staging_bets_read")
VIEWS = ("hourly_mv", "game_hourly_mv", "games_mv")


def start(site: Site, **settings) -> Server:
    return site.start(**{"consumer": "clickhouse", **settings})


def check_tables(site: Site, upload_id: str, rows: list) -> None:
    """Each row once over both shards, on the shard of its partition, and every rollup has all of them."""
    of_upload = f"WHERE upload_id = '{upload_id}'"
    sql = f"SELECT row_number FROM game_rounds FINAL {of_upload} AND part % 2 = "
    found = [int(n) for shard in SHARDS for n in ask(site, shard, f"{sql}{shard - 1}").split()]
    assert len(found) == len(set(found)) == len(rows)
    for shard in SHARDS:
        elsewhere = f"SELECT count() FROM game_rounds {of_upload} AND part % 2 != {shard - 1}"
        assert ask(site, shard, elsewhere) == "0"
    for rollup in ROLLUPS:
        sums = [ask(site, s, f"SELECT sum(rounds) FROM {rollup} FINAL {of_upload}") for s in SHARDS]
        assert sum(map(int, sums)) == len(rows), rollup


def check_all(site: Site, server: Server, upload_id: str, rows: list) -> None:
    check_exactly_once(server, rows)
    check_matched(server, upload_id)
    check_tables(site, upload_id, rows)
    assert site.count(upload_id) == len(rows)


def drop(site: Site, names) -> None:
    for shard in SHARDS:
        for name in names:
            ask(site, shard, f"DROP TABLE roundhouse.{name} SYNC")


def test_what_clickhouse_reads_is_stored_voided_and_replaced(site, rng):
    server = start(site)
    content, rows = make_file(rng, 20_000)
    first = wait_stored(server, send(server, content, filename="first.csv"))
    for shard in SHARDS:
        tables = ask(site, shard, "SELECT name FROM system.tables WHERE database = 'roundhouse'").split()
        assert set(CONSUMING) < set(tables) and not set(VIEWS) & set(tables)
        assert ask(site, shard, "SELECT engine FROM system.tables WHERE name = 'staging_bets'") == "Kafka"
    check_all(site, server, first["id"], rows)
    assert metric(server, "roundhouse_kafka_inserted_rows_total") == 0
    wait_for(lambda: metric(server, "roundhouse_kafka_partitions") == 12, "every partition is read")

    page = server.get("/v1/aggregates", params={"player_id": rows[0][2], "limit": 3}).json()
    again, again_rows = make_file(rng, 10_000)
    second = wait_stored(server, send(server, again, filename="second.csv", replaces=first["id"]))
    assert served(server, rows) == [] and served(server, again_rows) == sorted(expected_hourly(again_rows))
    following = {"player_id": rows[0][2], "limit": 3, "cursor": page["next_cursor"]}
    assert server.get("/v1/aggregates", params=following).json()["version"] == page["version"]
    assert server.post(f"/v1/uploads/{second['id']}/void").status_code == 200
    assert served(server, again_rows) == []


def test_processes_that_make_the_tables_at_the_same_time(site, rng):
    """None drops what another one has just made, and rows wait until there is what keeps them."""
    start(site)
    for _ in range(4):
        for server in site.servers:
            server.kill()
        drop(site, (*CONSUMING, *ON_THEIR_WAY))
        begun = [start(site, ready=False) for _ in range(3)]
        for server in begun:
            server.wait_ready()
        for shard in SHARDS:
            tables = ask(site, shard, "SELECT name FROM system.tables WHERE database = 'roundhouse'").split()
            assert {*CONSUMING, *ON_THEIR_WAY} < set(tables) and "consumer_tables_are_made" not in tables
        content, rows = make_file(rng, 5_000)
        upload_id = wait_stored(begun[0], send(begun[0], content, filename="made.csv"))["id"]
        check_all(site, begun[0], upload_id, rows)


def test_a_process_that_died_while_it_made_the_tables_holds_nobody_up(site):
    start(site).kill()
    drop(site, CONSUMING)
    for shard in SHARDS:
        ask(
            site,
            shard,
            "CREATE TABLE roundhouse.consumer_tables_are_made (nothing UInt8) ENGINE = Memory COMMENT 'dead'",
        )
    server = start(site, ready=False)
    wait_for(lambda: "Another process makes the tables" in server.get("/readyz?verbose").text, "it waits")
    server.wait_ready()


def test_shards_and_roundhouse_killed_at_random_moments(site, rng):
    content, rows = make_file(rng, ROWS)
    server = start(site)
    upload_id = send(server, content, filename="kills.csv")
    killed = ["clickhouse-1", "clickhouse-2", "roundhouse", rng.choice(["clickhouse-1", "clickhouse-2"])]
    rng.shuffle(killed)
    print(killed)
    for part in killed:
        pause(rng, 0.2, 3)
        if part == "roundhouse":
            server.kill()
            server.start(ready=False)
        else:
            site.stack.kill(part)
            pause(rng, 0, 2)
            site.stack.start(part)
    wait_stored(server, upload_id)
    check_all(site, server, upload_id, rows)


def pause(rng: random.Random, at_least: float, at_most: float) -> None:
    """The moment of a kill is what the test draws lots for."""
    time.sleep(rng.uniform(at_least, at_most))


def test_rows_that_retention_dropped_unread_are_said_and_come_again(site, rng):
    content, rows = make_file(rng, 20_000)
    server = start(site)
    for part in ("clickhouse-1", "clickhouse-2"):
        site.stack.kill(part)
    upload_id = send(server, content, filename="dropped.csv")
    wait_for(lambda: server.get(f"/v1/uploads/{upload_id}").json()["state"] == "storing", "all is published")
    drop_all_records(site)
    # Said before the servers read again: then nothing of it is left to be seen.
    wait_for(lambda: metric(server, "roundhouse_kafka_retention_losses_total") > 0, "the loss is said")
    assert metric(server, "roundhouse_kafka_lost_uploads") == 1
    site.stack.run("up")
    wait_stored(server, upload_id)
    check_exactly_once(server, rows)
    check_matched(server, upload_id)
    check_tables(site, upload_id, rows)
    wait_for(lambda: metric(server, "roundhouse_kafka_lost_uploads") == 0, "nothing is missing any more")
    for said in (kafka_check(server), server.log_path.read_text()):
        assert "kafka_retention_lost" in said and upload_id in said


def test_killed_between_two_rollups(site, rng):
    content, rows = make_file(rng, 70_000)
    server = start(site)
    server.kill()
    server.start({"ROUNDHOUSE_KILL_AT": "kafka_between_rollups:3"})
    upload_id = send(server, content, filename="rollups.csv")
    assert server.wait_dead(120) == -signal.SIGKILL
    server.start()
    wait_stored(server, upload_id)
    check_all(site, server, upload_id, rows)


def test_a_shard_that_is_away_gets_its_rows_when_it_is_back(site, rng):
    server = start(site)
    content, rows = make_file(rng, 20_000)
    upload_id = wait_stored(server, send(server, content, filename="away.csv"))["id"]
    site.stack.kill("clickhouse-2")
    later, later_rows = make_file(rng, 20_000)
    later_id = send(server, later, filename="later.csv")
    players = sorted({row[2] for row in rows})
    refused = server.get("/v1/aggregates", params={"player_id": players})
    assert refused.status_code == 503 and refused.json()["code"] == "shard_unavailable"
    part = server.get("/v1/aggregates", params={"player_id": players, "partial": "true"})
    assert part.status_code == 200 and len(part.json()["partial"]["missing_shards"]) == 1
    wait_for(lambda: site.count(later_id) == len(later_rows), "the rows are in the topic")
    wait_for(lambda: "shard 2" in kafka_check(server), "the consumer's trouble is said")
    assert server.get(f"/v1/uploads/{later_id}").json()["state"] == "storing"
    site.stack.start("clickhouse-2")
    wait_stored(server, later_id)
    check_all(site, server, upload_id, rows)
    check_all(site, server, later_id, later_rows)


def test_what_is_no_row_is_put_aside_and_a_registry_that_is_away_puts_nothing_aside(site, rng):
    content, rows = make_file(rng, 5_000)
    server = start(site)
    first = wait_stored(server, send(server, content, filename="before.csv"))
    good = site.rows_of(first["id"])[0][0].value()
    before = metric(server, "roundhouse_dead_letters")
    wrong = {
        b"not avro at all": "not_avro",
        b"\0\x7f\xff\xff\xff" + good[5:]: "unknown_schema",
        good[:40]: "not_a_game_round",
        good + b"\0": "not_a_game_round",
    }
    producer = Producer({"bootstrap.servers": site.env["STACK_KAFKA"]})
    for partition in range(2):
        for value in wrong:
            producer.produce(TOPIC, value, key=b"somebody", partition=partition)
    producer.flush()
    aside = before + 2 * len(wrong)
    wait_for(lambda: metric(server, "roundhouse_dead_letters") == aside, "all are put aside")
    sql = "SELECT DISTINCT hex(value), reason FROM dead_letters_all FINAL WHERE key = 'somebody'"
    found = dict(line.split("\t") for line in ask(site, 1, sql).splitlines())
    assert found == {value.hex().upper(): reason for value, reason in wrong.items()}

    for part in ("registry", "clickhouse-1", "clickhouse-2"):  # which forget the schema
        site.stack.kill(part)
    for part in ("clickhouse-1", "clickhouse-2"):
        site.stack.start(part)
    more, more_rows = make_file(rng, 5_000)
    more_id = send(server, more, filename="registry.csv")
    wait_for(lambda: "ClickHouse has taken none" in kafka_check(server), "it is said")
    assert metric(server, "roundhouse_dead_letters") == aside
    site.stack.start("registry")
    wait_stored(server, more_id)
    check_all(site, server, more_id, more_rows)
    check_exactly_once(server, rows)
    assert metric(server, "roundhouse_dead_letters") == aside


def forwarded(site: Site, key: bytes) -> list:
    if f"{TOPIC}-dead-letters" not in site.admin().list_topics(timeout=30).topics:
        return []
    return [message for message in site.messages(f"{TOPIC}-dead-letters") if message.key() == key]


def test_dead_letters_come_into_their_topic_once_whatever_is_killed(site, rng):
    server = start(site)
    wait_stored(server, send(server, make_file(rng, 1_000)[0], filename="first.csv"))
    key = rng.randbytes(8).hex().encode()
    producer = Producer({"bootstrap.servers": site.env["STACK_KAFKA"], "message.max.bytes": 2_000_000})
    wrong = [b"wrong %d" % number for number in range(2_500)]  # more than are sent in one go
    large = b"\x01" + rng.randbytes(1_040_000)  # there is no room for the headers
    for number, value in enumerate([*wrong, large]):
        producer.produce(TOPIC, value, key=key, partition=number % 3)
    assert producer.flush(60) == 0
    wait_for(lambda: len(forwarded(site, key)) >= len(wrong) + 1, "all are in the topic", 120)
    kept = forwarded(site, key)
    assert sorted(m.value() for m in kept) == sorted([*wrong, large[: len(large_one(kept))]])
    assert b"1040001 bytes" in dict(next(m for m in kept if len(m.value()) > 1_000).headers())["cut"]
    places = set()
    for message in kept:
        headers = {name: value.decode() for name, value in message.headers()}
        assert (headers["topic"], headers["reason"]) == (TOPIC, "not_avro") and headers["detail"]
        places.add((headers["partition"], headers["offset"]))
    assert len(places) == len(kept)

    server.kill()  # one that starts again does not send them again
    server.start({"ROUNDHOUSE_KILL_AT": "kafka_letters_sent"})
    producer.produce(TOPIC, b"one more", key=key, partition=0)
    assert producer.flush(30) == 0
    assert server.wait_dead(120) == -signal.SIGKILL
    server.start()
    wait_for(
        lambda: values(forwarded(site, key)).count(b"one more") == 2,
        "it is sent once more, and known by its place",
    )
    producer.produce(TOPIC, b"the last", key=key, partition=0)
    assert producer.flush(30) == 0
    wait_for(lambda: b"the last" in values(forwarded(site, key)), "it goes on")
    assert len(forwarded(site, key)) == len(wrong) + 1 + 2 + 1


def values(messages) -> list[bytes]:
    return [message.value() for message in messages]


def large_one(messages) -> bytes:
    return max(values(messages), key=len)


def test_rows_that_nobody_published_are_said_and_count_nowhere(site, rng):
    content, rows = make_file(rng, 5_000)
    server = start(site)
    first = wait_stored(server, send(server, content, filename="known.csv"))
    assert metric(server, "roundhouse_unknown_rows") == 0
    good = site.rows_of(first["id"])[0][0].value()
    before = metric(server, "roundhouse_dead_letters")
    producer = Producer({"bootstrap.servers": site.env["STACK_KAFKA"]})
    unknown = [b"00000000-0000-8000-8000-00000000dea%d" % number for number in range(2)]
    for partition in range(2):
        for upload_id in unknown:
            for _ in range(2):  # the same row twice is one
                producer.produce(TOPIC, good.replace(first["id"].encode(), upload_id), partition=partition)
    assert producer.flush(30) == 0
    wait_for(lambda: metric(server, "roundhouse_unknown_rows") == 4, "they are counted", 120)
    assert "4 rows of 2 uploads that nobody published" in kafka_check(server)
    assert server.get("/readyz").status_code == 200
    more, more_rows = make_file(rng, 5_000)
    wait_stored(server, send(server, more, filename="behind.csv"))
    check_exactly_once(server, rows)
    check_exactly_once(server, more_rows)
    assert metric(server, "roundhouse_dead_letters") == before
    for shard in SHARDS:
        ids = ", ".join(f"'{upload_id.decode()}'" for upload_id in unknown)
        ask(
            site,
            shard,
            f"DELETE FROM game_rounds WHERE upload_id IN ({ids}) SETTINGS lightweight_deletes_sync = 2",
        )
    wait_for(lambda: metric(server, "roundhouse_unknown_rows") == 0, "they are gone", 120)


def ddl(site: Site) -> list[dict[str, str]]:
    """Of each shard the consumer's tables and the statements that make them."""
    names = ", ".join(f"'{name}'" for name in (*CONSUMING, *ON_THEIR_WAY))
    sql = f"SELECT name, create_table_query FROM system.tables WHERE database = 'roundhouse' AND name IN ({names})"
    found = []
    for shard in SHARDS:
        lines = ask(site, shard, f"{sql} FORMAT JSONCompactEachRow").splitlines()
        found.append(dict(json.loads(line) for line in lines))
    return found


@pytest.mark.parametrize("interrupted", [False, True])
def test_tables_of_an_older_version_are_made_anew(site, rng, interrupted):
    """Older ones keep nothing of a dead letter but its place; if it was interrupted, those that consume are gone."""
    server = start(site)
    wait_stored(server, send(server, make_file(rng, 1_000)[0], filename="older.csv"))
    server.kill()
    now = ddl(site)
    drop(site, (*CONSUMING, *ON_THEIR_WAY))
    for shard, tables in zip(SHARDS, now, strict=True):
        assert set(tables) == {*CONSUMING, *ON_THEIR_WAY}
        older = {
            name: re.sub("Consumes the topic; [0-9A-F]+", "Consumes the topic; 0", text)
            for name, text in tables.items()
        }
        older["staging_bets_read"] = (
            "CREATE TABLE roundhouse.staging_bets_read (part UInt32, offset Int64) ENGINE = Null"
        )
        older["game_rounds_mv"] = (
            "CREATE VIEW roundhouse.game_rounds_mv AS SELECT part FROM roundhouse.staging_bets_read"
        )
        older["dead_letters_mv"] = (
            "CREATE MATERIALIZED VIEW roundhouse.dead_letters_mv TO roundhouse.dead_letters_all AS "
            "SELECT part, offset FROM roundhouse.staging_bets_read WHERE 0"
        )
        older["staging_bets_mv"] = (
            "CREATE MATERIALIZED VIEW roundhouse.staging_bets_mv TO roundhouse.staging_bets_read AS "
            "SELECT toUInt32(_partition) AS part, toInt64(_offset) AS offset FROM roundhouse.staging_bets WHERE 0"
        )
        for name in reversed((*(() if interrupted else CONSUMING), *ON_THEIR_WAY)):
            ask(site, shard, older[name])
    server.start()
    assert ddl(site) == now
    content, rows = make_file(rng, 20_000)
    upload_id = wait_stored(server, send(server, content, filename="newer.csv"))["id"]
    check_all(site, server, upload_id, rows)
    before = metric(server, "roundhouse_dead_letters")
    producer = Producer({"bootstrap.servers": site.env["STACK_KAFKA"]})
    producer.produce(TOPIC, b"wrong", key=b"newer", partition=1)
    assert producer.flush(30) == 0
    wait_for(lambda: metric(server, "roundhouse_dead_letters") == before + 1, "it is put aside")
    assert ask(site, 1, "SELECT DISTINCT value FROM dead_letters_all FINAL WHERE key = 'newer'") == "wrong"

    server.kill()
    server.start()
    assert ddl(site) == now


@pytest.mark.parametrize(
    "wrong",
    ["<distributed_foreground_insert>0<", "<max_partitions_per_insert_block>100<"],
    ids=["in_background", "few_partitions"],
)
def test_a_profile_that_would_lose_rows_is_refused(site, wrong):
    name = wrong[1:].partition(">")[0]
    profile = site.stack.folder / "clickhouse-2" / "config" / "users.d" / "zz-wrong.xml"
    profile.write_text(f"<clickhouse><profiles><default>{wrong}/{name}></default></profiles></clickhouse>\n")
    try:
        site.stack.kill("clickhouse-2")
        site.stack.start("clickhouse-2")
        refused = start(site, ready=False)
        assert refused.wait_dead(60) == 1
        address = httpx.URL(site.env["STACK_CLICKHOUSE_2"])
        assert "wrong_profile" in refused.log_tail() and f"{address.host}:{address.port}" in refused.log_tail()
    finally:
        profile.unlink()
        site.stack.kill("clickhouse-2")
        site.stack.start("clickhouse-2")
    start(site)


def test_a_topic_that_is_read_again_by_another_group_changes_no_figure(site, rng):
    content, rows = make_file(rng)
    server = start(site)
    upload_id = wait_stored(server, send(server, content, filename="again.csv"))["id"]
    server.kill()
    group = f"again-{rng.randrange(10**6)}"
    other = start(site, kafka_group=group)
    last = {message.partition(): message.offset() for message in site.messages(TOPIC)}
    wait_for(lambda: is_past(site.committed(group), last), "everything is read again")
    more, more_rows = make_file(rng, 5_000)
    more_id = wait_stored(other, send(other, more, filename="more.csv"))["id"]
    check_all(site, other, more_id, more_rows)
    other.kill()
    server.start()
    check_all(site, server, upload_id, rows)


def is_past(committed: dict, last: dict) -> bool:
    """The engine commits what is behind a row, and not the end of the transaction behind that."""
    return all((committed[partition] or 0) > offset for partition, offset in last.items())


@pytest.mark.parametrize("lacking", ["ROUNDHOUSE_LOG", "ROUNDHOUSE_STORE", "ROUNDHOUSE_REGISTRY_URL"])
def test_what_makes_no_sense_is_refused(site, lacking):
    names = [name for name in site.env if name.startswith("ROUNDHOUSE_") and name != lacking]
    env = {name: site.env[name] for name in names} | {"ROUNDHOUSE_CONSUMER": "clickhouse"}
    if lacking != "ROUNDHOUSE_LOG":
        env["ROUNDHOUSE_LOG"] = "kafka"
    for command in (["serve", "--data", str(site.folder / "refused"), "--listen", "127.0.0.1:0"], ["migrate"]):
        done = subprocess.run([BINARY, *command], env=env, capture_output=True, text=True, check=False)
        assert done.returncode != 0 and "--consumer=clickhouse needs" in done.stderr, done.stderr
    assert not (site.folder / "refused").exists()


def test_a_cluster_stays_with_its_consumer_until_its_tables_are_dropped(site, rng):
    content, rows = make_file(rng, 10_000)
    server = start(site)
    upload_id = wait_stored(server, send(server, content, filename="stays.csv"))["id"]
    server.kill()
    for other, names in (("roundhouse", CONSUMING), ("clickhouse", VIEWS)):
        refused = site.start(consumer=other, ready=False)
        assert refused.wait_dead(60) == 1
        assert "other_consumer" in refused.log_tail() and names[0] in refused.log_tail()
        drop(site, names)
        switched = site.start(consumer=other)
        more, more_rows = make_file(rng, 10_000)
        more_id = wait_stored(switched, send(switched, more, filename=f"{other}.csv"))["id"]
        check_all(site, switched, more_id, more_rows)
        check_exactly_once(switched, rows)
        check_tables(site, upload_id, rows)
        switched.kill()
