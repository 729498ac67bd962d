"""Partitions are added to the topic of rows while a server runs on it, and while a file is half published.

A stack of its own, since partitions cannot be taken away again.
"""

import signal

import httpx
import pytest
from confluent_kafka.admin import NewPartitions
from kafka_site import TOPIC, Site, check_exactly_once, check_matched, make_file, send, wait_stored
from native_stack import wait_for

BEFORE, AFTER, LAST = 4, 7, 10


@pytest.fixture
def site(tmp_path):
    made = Site(tmp_path)
    try:
        yield made
    finally:
        made.end_servers()
        made.stack.run("down")
        assert made.stack.processes() == []


def grow(site: Site, count: int) -> None:
    site.admin().create_partitions([NewPartitions(TOPIC, count)])[TOPIC].result(60)
    topics = site.admin().list_topics
    wait_for(lambda: len(topics(TOPIC, timeout=30).topics[TOPIC].partitions) == count, f"{count} partitions")


def partitions_of(site: Site, upload_id: str) -> set[int]:
    players: dict[str, set[int]] = {}
    for message, record in site.rows_of(upload_id):
        players.setdefault(record["user_id"], set()).add(message.partition())
    assert all(len(found) == 1 for found in players.values()), "a player stays in one partition"
    return set.union(*players.values())


def check_shards(site: Site, upload_id: str) -> None:
    """Partition p lies on shard p modulo 2."""
    for shard in (1, 2):
        sql = f"SELECT DISTINCT part FROM roundhouse.game_rounds WHERE upload_id = '{upload_id}'"
        parts = httpx.post(site.env[f"STACK_CLICKHOUSE_{shard}"], content=sql).text.split()
        assert parts and {int(part) % 2 for part in parts} == {shard - 1}


@pytest.mark.parametrize("restart", ["stopped", "killed"])
def test_partitions_are_added_while_the_server_restarts(site, rng, restart):
    """A member of the group that comes back at once is given what it had, and sees no change."""
    servers = [site.start(kafka_partitions=str(BEFORE)), site.start()]
    wait_stored(servers[0], send(servers[0], make_file(rng)[0], filename="before.csv"))
    grow(site, AFTER)
    for server in servers:
        if restart == "stopped":
            assert server.stop() == 0
        else:
            server.kill()
        server.start()
    content, rows = make_file(rng)
    upload_id = wait_stored(servers[1], send(servers[1], content, filename="after.csv"))["id"]
    assert partitions_of(site, upload_id) == set(range(AFTER))
    check_exactly_once(servers[0], rows)
    check_matched(servers[1], upload_id)


def test_a_server_comes_back_to_another_topic(site, rng):
    """Its group gives it what it had of the one before, which is nothing to it now."""
    server, moved = site.start(kafka_partitions=str(BEFORE)), site.start(kafka_topic="another-topic")
    wait_stored(moved, send(moved, make_file(rng)[0], filename="before.csv"))
    assert moved.stop() == 0
    moved.environment["ROUNDHOUSE_KAFKA_TOPIC"] = TOPIC
    moved.start()
    content, rows = make_file(rng)
    upload_id = wait_stored(moved, send(moved, content, filename="after.csv"))["id"]
    check_exactly_once(server, rows)
    check_matched(moved, upload_id)


def test_partitions_are_added_while_files_go_through(site, rng):
    first, first_rows = make_file(rng)
    server = site.start(kafka_partitions=str(BEFORE))
    first_id = wait_stored(server, send(server, first, filename="before.csv"))["id"]
    assert partitions_of(site, first_id) == set(range(BEFORE))

    grow(site, AFTER)
    second, second_rows = make_file(rng)
    second_id = wait_stored(server, send(server, second, filename="after.csv"))["id"]
    assert partitions_of(site, second_id) == set(range(AFTER))

    # Half published, in the first of two transactions, it keeps the partitions it began with.
    third, third_rows = make_file(rng, 150_000)
    assert server.stop() == 0
    server.start({"ROUNDHOUSE_KILL_AT": "kafka_before_commit:2"})
    third_id = send(server, third, filename="between.csv")
    assert server.wait_dead(120) == -signal.SIGKILL
    grow(site, LAST)
    server.start()
    wait_stored(server, third_id)
    assert partitions_of(site, third_id) == set(range(AFTER))

    for each, rows in ((first_id, first_rows), (second_id, second_rows), (third_id, third_rows)):
        check_exactly_once(server, rows)
        check_matched(server, each)
        check_shards(site, each)
