"""The log in Kafka and the rows on two ClickHouse shards: every accepted row counts once, whatever is killed.

One stack for the module; each test starts processes of its own on it, with players that no other test has. Rows are
read out of the topic by confluent-kafka with its AvroDeserializer, what must be counted is computed by DuckDB.
"""

import contextlib
import http.server
import json
import os
import re
import signal
import socket
import threading
import time
from decimal import Decimal

import httpx
import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import NewTopic
from confluent_kafka.schema_registry import SchemaRegistryClient
from kafka_site import (
    CONTROL,
    ROWS,
    TOPIC,
    check_exactly_once,
    check_matched,
    kafka_check,
    make_file,
    metric,
    send,
    served,
    wait_stored,
)
from native_stack import wait_for
from roundhouse import Server
from rounds import expected_hourly, make_rows, to_csv

KILLED_AT = [
    "publish_before_rename",
    "kafka_before_commit",
    "kafka_before_commit:2",
    "kafka_after_commit",
    "kafka_before_unstage",
    "sink_before_insert",
    "sink_after_insert",
    "sink_after_checkpoint",
    "sink_before_audit",
    "stored_before_uploads_row",
    "stored_before_ledger",
    "stored_after_ledger",
]


def test_the_topic_has_exactly_the_accepted_rows(site, rng):
    content, rows = make_file(rng, 20_000)
    server = site.start()
    upload = wait_stored(server, send(server, content, filename="topic.csv"))
    found = site.rows_of(upload["id"])
    assert len(found) == len(rows) == upload["rows"]["accepted"]
    assert all(message.key().decode() == record["user_id"] for message, record in found)
    assert all(message.headers() is None for message, _ in found)
    by_number = sorted((record["row_number"], record) for _, record in found)
    assert len({number for number, _ in by_number}) == len(rows)
    for (_, record), row in zip(by_number, rows, strict=True):
        assert record["user_id"] == row[2] and record["game_instance_id"] == int(row[1])
        for column, text in zip(list(record)[4:8], row[4:8], strict=True):
            assert record[column] == (Decimal(0) if text in ("", "NaN") else Decimal(text))
    players = {}  # a player stays in one partition
    for message, record in found:
        assert players.setdefault(record["user_id"], message.partition()) == message.partition()
    check_exactly_once(server, rows)
    check_matched(server, upload["id"])


@pytest.mark.parametrize("point", KILLED_AT)
def test_killed_at_each_named_stage(site, rng, point):
    # What is published in two transactions, where the second one counts.
    content, rows = make_file(rng, 150_000 if point.startswith("kafka") else ROWS)
    server = site.start(environment={"ROUNDHOUSE_KILL_AT": point})
    upload_id = None
    with contextlib.suppress(httpx.HTTPError):
        upload_id = server.upload(content, filename="kills.csv", wait=None).json()["id"]
    assert server.wait_dead(120) == -signal.SIGKILL, f"{point} was not passed"
    server.start()
    again = send(server, content, filename="kills.csv")
    assert upload_id in (None, again)
    wait_stored(server, again)
    check_exactly_once(server, rows)
    assert site.count(again) == len(rows)


@pytest.mark.parametrize("part", ["broker", "registry", "clickhouse-1", "clickhouse-2"])
def test_a_part_killed_while_a_file_goes_through(site, rng, part):
    content, rows = make_file(rng, 500_000)
    server = site.start()
    upload_id = send(server, content, filename="parts.csv")
    time.sleep(rng.uniform(0.5, 4))
    site.stack.kill(part)
    time.sleep(rng.uniform(0, 3))
    site.stack.start(part)
    wait_stored(server, upload_id)
    check_exactly_once(server, rows)
    check_matched(server, upload_id)
    assert site.count(upload_id) == len(rows)


def test_killed_at_random_moments(site, rng):
    content, rows = make_file(rng, 500_000)
    server = site.start()
    upload_id = send(server, content, filename="random.csv")
    for _ in range(6):
        time.sleep(rng.uniform(0.1, 2.5))
        server.kill()
        server.start(ready=rng.random() < 0.5)
    wait_stored(server, upload_id)
    check_exactly_once(server, rows)
    check_matched(server, upload_id)
    assert site.count(upload_id) == len(rows)


def test_cancelled_while_it_is_judged_and_sent(site, rng):
    """Some of its rows are in the topic by then, and count nowhere."""
    content, rows = make_file(rng, 600_000)
    server = site.start()
    small, small_rows = make_file(rng, 5_000)
    upload_id = send(server, content, filename="cancelled.csv")
    key = f"published/{upload_id}".encode()

    def said() -> list:
        return [json.loads(m.value())["state"] for m in site.messages(CONTROL) if m.key() == key]

    wait_for(lambda: metric(server, "roundhouse_kafka_open_uploads") == 1, "some rows are committed")
    assert server.post(f"/v1/uploads/{upload_id}/cancel").status_code == 200
    wait_for(lambda: server.get(f"/v1/uploads/{upload_id}").json()["state"] == "cancelled", "it is cancelled")
    wait_for(lambda: said()[-1:] == ["abandoned"], "everybody knows that its rows do not count")
    wait_stored(server, send(server, small, filename="behind.csv"))
    check_exactly_once(server, small_rows)
    assert served(server, rows) == []
    # What waited for an INSERT went with the rows behind it or not at all; nothing of it stays.
    left = f"SELECT count() FROM game_rounds WHERE upload_id = '{upload_id}'"
    wait_for(lambda: set(server.clickhouse(left).split()) == {"0"}, "no rows of the cancelled upload are left")
    assert send(server, content, filename="cancelled.csv") == upload_id
    wait_stored(server, upload_id)
    check_exactly_once(server, rows)
    check_matched(server, upload_id)


def test_brokers_away_for_long_while_a_file_is_judged(site, rng):
    """Its rows are kept nowhere on the way into the topic: those that did not arrive are judged again."""
    content, rows = make_file(rng, 600_000)
    server = site.start()
    upload_id = send(server, content, filename="away.csv")
    wait_for(
        lambda: server.get(f"/v1/uploads/{upload_id}").json()["progress"]["rows"] > 100_000, "some rows are sent"
    )
    site.stack.kill("broker")
    try:
        wait_for(lambda: metric(server, "roundhouse_publish_retries_total") > 0, "sending is given up", 90)
        upload = server.get(f"/v1/uploads/{upload_id}").json()
        assert upload["state"] in ("validating", "publishing")
        assert "waiting" in [warning["code"] for warning in upload["warnings"]]
    finally:
        site.stack.start("broker")
    wait_stored(server, upload_id)
    check_exactly_once(server, rows)
    check_matched(server, upload_id)
    assert site.count(upload_id) == len(rows)


@pytest.mark.parametrize("how", ["killed", "stopped"])
def test_it_ends_in_time_while_brokers_are_away(site, rng, how):
    content, rows = make_file(rng, 600_000)
    server = site.start()
    upload_id = send(server, content, filename=f"{how}.csv")
    wait_for(
        lambda: server.get(f"/v1/uploads/{upload_id}").json()["progress"]["rows"] > 100_000, "some rows are sent"
    )
    broker = site.stack.pids()["broker"]
    if how == "killed":
        site.stack.kill("broker")
    else:
        os.kill(broker, signal.SIGSTOP)
    try:
        assert server.stop(timeout=15) == 0, server.log_tail()
    finally:
        if how == "killed":
            site.stack.start("broker")
        else:
            os.kill(broker, signal.SIGCONT)
    server.start()
    wait_stored(server, upload_id)
    check_exactly_once(server, rows)
    assert site.count(upload_id) == len(rows)


def test_what_is_no_row_goes_to_the_dead_letters_and_stalls_nothing(site, rng):
    content, rows = make_file(rng, 5_000)
    server = site.start()
    first = wait_stored(server, send(server, content, filename="before.csv"))
    good = site.rows_of(first["id"])[0][0].value()
    before = dead_letters(server)
    wrong = {
        b"not avro at all": "not_avro",
        b"": "not_avro",
        b"\0\x7f\xff\xff\xff" + good[5:]: "unknown_schema",
        good[:40]: "not_a_game_round",
        good + b"\0": "not_a_game_round",
        good.replace(first["id"].encode(), b"00000000-0000-8000-8000-00000000dead"): "unknown_upload",
    }
    producer = Producer({"bootstrap.servers": site.env["STACK_KAFKA"]})
    for partition in range(3):
        for value in wrong:
            producer.produce(TOPIC, value, key=b"somebody", partition=partition)
    assert producer.flush(30) == 0
    more, more_rows = make_file(rng, 5_000)
    wait_stored(server, send(server, more, filename="behind.csv"))
    check_exactly_once(server, rows)
    check_exactly_once(server, more_rows)
    wait_for(lambda: dead_letters(server) == before + 3 * len(wrong), "all are put aside")
    kept = [message for message in site.messages(f"{TOPIC}-dead-letters") if message.value() in wrong]
    assert len(kept) >= 3 * len(wrong)
    for message in kept:
        headers = dict(message.headers())
        assert headers["reason"].decode() == wrong[message.value()], headers
        assert headers["topic"].decode() == TOPIC and headers["partition"].decode() in "012"
        assert message.key() == b"somebody"
    ready = server.get("/readyz", params={"verbose": ""}).json()
    assert f"{before + 3 * len(wrong)} dead letters" in str(ready)


def test_every_process_counts_all_dead_letters(site, rng):
    servers = [site.start(), site.start()]
    wait_stored(servers[0], send(servers[0], make_file(rng, 1_000)[0], filename="first.csv"))
    before = dead_letters(servers[0])
    producer = Producer({"bootstrap.servers": site.env["STACK_KAFKA"]})
    for partition in range(12):
        producer.produce(TOPIC, b"no row", key=b"somebody", partition=partition)
    assert producer.flush(30) == 0
    for server in servers:
        wait_for(lambda s=server: dead_letters(s) == before + 12, "all are counted", 60)


def test_rows_that_come_again_or_are_made_up_count_nowhere(site, rng):
    """Of an upload that is whole: in its own partition, in another one, in one that its key would not choose."""
    content, rows = make_file(rng, 5_000)
    server = site.start()
    upload = wait_stored(server, send(server, content, filename="once.csv"))
    messages = [message for message, _ in site.rows_of(upload["id"])]
    before = dead_letters(server)
    producer = Producer({"bootstrap.servers": site.env["STACK_KAFKA"]})
    for message in messages[:300]:
        for partition in (message.partition(), (message.partition() + 1) % 12):
            producer.produce(TOPIC, message.value(), key=message.key(), partition=partition)
    producer.produce(TOPIC, messages[0].value(), key=messages[0].key())
    assert producer.flush(30) == 0
    more, more_rows = make_file(rng, 5_000)
    wait_stored(server, send(server, more, filename="behind.csv"))
    wait_for(lambda: dead_letters(server) == before + 601, "all are put aside")
    check_exactly_once(server, rows)
    check_exactly_once(server, more_rows)
    check_matched(server, upload["id"])
    reasons = [dict(m.headers())["reason"].decode() for m in site.messages(f"{TOPIC}-dead-letters")]
    assert reasons.count("not_of_upload") >= 601


def test_brokers_that_do_not_answer_are_named_with_the_cause_and_fill_no_log(site):
    properties = site.folder / "kafka.properties"
    properties.write_text("sasl.password=secret\n")
    properties.chmod(0o644)
    server = site.start(
        ready=False, kafka_brokers="127.0.0.1:9", kafka_topic="nowhere", kafka_properties_file=str(properties)
    )
    assert "may read kafka.properties_file" in server.log_path.read_text()
    wait_for(lambda: "127.0.0.1:9 failed: Connection refused" in kafka_check(server), "it is said", 90)
    assert "is tried again" not in server.log_path.read_text()  # it is said before the first attempt is given up
    lines = [line for line in server.log_path.read_text().splitlines() if '"librdkafka"' in line]
    assert 0 < len(lines) < 30
    assert server.stop(timeout=15) == 0, server.log_tail()
    assert "secret" not in server.log_path.read_text()
    properties.chmod(0o600)
    server.start(ready=False)
    assert server.log_path.read_text().count("may read kafka.properties_file") == 1


def test_a_broker_that_goes_away_is_said_while_nothing_is_sent(site, rng):
    server = site.start()
    wait_stored(server, send(server, make_file(rng, 1_000)[0], filename="before.csv"))
    site.stack.kill("broker")
    try:
        wait_for(lambda: server.get("/readyz").status_code == 503, "it is said")
        assert "Kafka: asking for the brokers failed" in kafka_check(server)
        upload_id = send(server, make_file(rng, 5_000)[0], filename="meanwhile.csv")
        (warning,) = server.get(f"/v1/uploads/{upload_id}").json()["warnings"]
        assert warning["code"] == "waiting" and "asking for the brokers failed" in warning["detail"]
        assert server.post(f"/v1/uploads/{upload_id}/cancel").status_code in (200, 503)
    finally:
        site.stack.start("broker")
    wait_for(lambda: server.get("/readyz").status_code == 200, "nobody sends anything, and it is ready again", 120)


class RegistersTwice(http.server.BaseHTTPRequestHandler):
    """Before the real registry: another process is a moment faster with each new subject, as Apicurio tells it."""

    target: str
    told: set[str]

    def forward(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        headers = {"Content-Type": self.headers.get("Content-Type", "application/json")}
        answer = httpx.request(self.command, self.target + self.path, content=body, headers=headers)
        status, text = answer.status_code, answer.content
        if (
            self.command == "POST"
            and re.fullmatch("/subjects/[^/]+/versions", self.path)
            and self.path not in self.told
        ):
            self.told.add(self.path)
            status, text = 409, b'{"error_code":409,"message":"An artifact with this ID already exists."}'
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    do_GET = do_POST = forward

    def log_message(self, *_) -> None:
        pass


def test_two_processes_that_register_the_schema_at_once_are_no_refusal(site, rng):
    told = set()
    handler = type("Handler", (RegistersTwice,), {"target": site.env["STACK_REGISTRY"], "told": told})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as proxy:
        threading.Thread(target=proxy.serve_forever, daemon=True).start()
        try:
            url = f"http://127.0.0.1:{proxy.server_address[1]}"
            server = site.start(registry_url=url)
            assert told == {f"/subjects/{TOPIC}-value/versions"}
            server.kill()
        finally:
            proxy.shutdown()


def test_it_ends_in_time_while_brokers_take_connections_and_say_nothing(site, rng):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = "{}:{}".format(*silent.getsockname())
        server = site.start(ready=False, kafka_brokers=address, kafka_topic="silent")
        send(server, make_file(rng, 1_000)[0], filename="waits.csv")
        wait_for(lambda: "kafka_unavailable" in server.log_path.read_text(), "somebody waits for the brokers", 90)
        assert server.stop(timeout=15) == 0, server.log_tail()


def test_a_control_topic_that_forgets_is_refused(site):
    """Kafka would drop the records that say what counts."""
    topic = NewTopic("forgetful-uploads", num_partitions=1, replication_factor=1)
    site.admin().create_topics([topic])["forgetful-uploads"].result()
    server = site.start(ready=False, kafka_control_topic="forgetful-uploads", kafka_topic="forgetful-bets")
    assert server.wait_dead(60) == 1
    assert "Set cleanup.policy=compact for it" in server.log_tail()


def test_a_registry_url_that_ends_before_its_api_is_told(site):
    url = site.env["STACK_REGISTRY"].removesuffix("/apis/ccompat/v7")
    server = site.start(ready=False, registry_url=url)
    assert server.wait_dead(60) == 1
    assert "registry.url must end where its API begins" in server.log_tail()


def test_two_processes_of_one_name_are_told(site, rng):
    """A data directory that was copied has the name of the first one."""
    one = site.start()
    copied = site.folder / f"node{len(site.servers)}"
    copied.mkdir()
    (copied / "node").write_text((one.data / "node").read_text())
    other = site.start()
    wait_for(lambda: "kafka_name_taken" in one.log_path.read_text() + other.log_path.read_text(), "it is said")
    other.kill()
    wait_for(lambda: one.get("/readyz").status_code == 200, "what is over is not said any more")
    content, rows = make_file(rng, 5_000)
    wait_stored(one, send(one, content, filename="names.csv"))
    check_exactly_once(one, rows)


def test_a_dead_letter_of_any_size_stalls_nothing(site, rng):
    """One that has no room for the headers is cut in its topic, and whole in the table."""
    large = b"\x01" + rng.randbytes(1_040_000)
    server = site.start()
    wait_stored(server, send(server, make_file(rng, 1_000)[0], filename="first.csv"))
    before = dead_letters(server)
    producer = Producer({"bootstrap.servers": site.env["STACK_KAFKA"], "message.max.bytes": 2_000_000})
    producer.produce(TOPIC, large, key=b"large", partition=3)
    assert producer.flush(30) == 0
    content, rows = make_file(rng, 5_000)
    wait_stored(server, send(server, content, filename="behind.csv"))
    check_exactly_once(server, rows)
    wait_for(lambda: dead_letters(server) == before + 1, "it is put aside")
    (kept,) = [message for message in site.messages(f"{TOPIC}-dead-letters") if message.key() == b"large"]
    assert len(kept.value()) < len(large) and large.startswith(kept.value())
    assert b"1040001 bytes" in dict(kept.headers())["cut"]
    answer = httpx.post(
        httpx.URL(site.env["STACK_CLICKHOUSE_2"]),  # where rows of partition 3 lie
        content="SELECT hex(value) FROM roundhouse.dead_letters FINAL WHERE key = 'large'",
        timeout=60,
    )
    assert bytes.fromhex(answer.text.strip()) == large


def dead_letters(server: Server) -> int:
    return metric(server, "roundhouse_dead_letters")


def test_two_processes_share_the_partitions_and_one_is_killed(site, rng):
    files = [make_file(rng) for _ in range(4)]
    one, other = site.start(), site.start()
    wait_for(lambda: {partitions_read(one), partitions_read(other)} == {6}, "each reads half of them", 120)
    ids = [send(server, content) for server, (content, _) in zip([one, other] * 2, files, strict=True)]
    time.sleep(rng.uniform(0.5, 3))
    other.kill()
    for upload_id in ids[::2]:
        wait_stored(one, upload_id)
    other.start()
    for upload_id in ids[1::2]:
        wait_stored(other, upload_id)
    for content, rows in files:
        for server in (one, other):
            wait_for(lambda s=server, r=rows: served(s, r) == sorted(expected_hourly(r)), "both serve all", 60)
        assert content


def partitions_read(server: Server) -> int:
    return metric(server, "roundhouse_kafka_partitions")


def test_a_void_counts_everywhere(site, rng):
    content, rows = make_file(rng, 2_000)
    one, other = site.start(), site.start()
    upload_id = wait_stored(one, send(one, content))["id"]
    wait_for(lambda: served(other, rows) == sorted(expected_hourly(rows)), "the other serves it", 30)
    assert one.post(f"/v1/uploads/{upload_id}/void").status_code == 200
    assert served(one, rows) == []
    wait_for(lambda: served(other, rows) == [], "the other knows of the void", 30)


def test_a_schema_that_does_not_fit_ends_the_server_with_a_clear_error(site):
    registry = SchemaRegistryClient({"url": site.env["STACK_REGISTRY"]})
    from confluent_kafka.schema_registry import Schema

    other = '{"type":"record","name":"Other","fields":[{"name":"x","type":"int"}]}'
    registry.register_schema("elsewhere-value", Schema(other, "AVRO"))
    registry.set_compatibility("elsewhere-value", "BACKWARD")
    with pytest.raises(RuntimeError) as failed:
        site.start(kafka_topic="elsewhere")
    assert "schema_refused" in str(failed.value) and "elsewhere-value" in str(failed.value)
    assert site.servers[-1].wait_dead(30) == 1


def test_a_data_directory_keeps_its_log(site, rng, tmp_path):
    alone = Server(tmp_path / "alone").start()
    alone.stored(to_csv(make_rows(rng, 50)).encode())
    assert alone.stop() == 0
    alone.environment = {**site.env, "ROUNDHOUSE_LOG": "kafka"}
    with pytest.raises(RuntimeError) as failed:
        alone.start()
    assert "--log=embedded" in str(failed.value)
