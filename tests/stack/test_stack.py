"""tools/stack starts a stack that works, and leaves nothing behind. Seen through public clients and /proc."""

import io
import json
import pathlib
import signal
import socket
import subprocess
import sys
import time
import uuid
from datetime import UTC, datetime
from decimal import Decimal

import fastavro
import httpx
import pytest
from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import NewTopic
from confluent_kafka.schema_registry import Schema, SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroDeserializer, AvroSerializer
from confluent_kafka.serialization import MessageField, SerializationContext
from native_stack import ROOT, TOOL, end, listening_addresses, wait_for

sys.path.insert(0, str(ROOT / "tools"))
from stack_parts import artifacts, parts, processes

PARTS = ["zookeeper", "broker", "registry", "clickhouse-1", "clickhouse-2"]
SCHEMA = (ROOT / "schemas" / "game_round.avsc").read_text()


# -- what `up` starts


def test_every_part_answers_and_a_second_up_changes_nothing(stack):
    before = stack.parts()
    assert list(before) == PARTS
    assert {row["state"] for row in before.values()} == {"answers"}
    stack.run("up")
    stack.run("start", "broker")
    assert stack.parts() == before


def test_parts_that_are_named_come_up_with_what_they_need_and_no_others(new_stack):
    shown = new_stack.run("up", "clickhouse-2").stdout.splitlines()
    assert [line.split()[:2] for line in shown] == [["clickhouse-2", "answers"]]
    assert {name for name, row in new_stack.parts().items() if row["state"] == "answers"} == {"clickhouse-2"}
    assert "nothing" in new_stack.run("up", "nothing", code=2).stderr
    new_stack.run("up", "broker")
    answering = {name for name, row in new_stack.parts().items() if row["state"] == "answers"}
    assert answering == {"clickhouse-2", "zookeeper", "broker"}


def test_it_listens_on_loopback_only(stack):
    for name, pid in stack.pids().items():
        addresses = listening_addresses(pid)
        assert addresses, name
        assert {address for address, _ in addresses} == {"127.0.0.1"}, (name, addresses)


def test_env_names_what_people_and_the_program_need(stack):
    env = stack.env()
    host, _, port = env["STACK_KAFKA"].partition(":")
    assert host == "127.0.0.1" and port.isdigit()
    assert env["STACK_REGISTRY"].startswith("http://127.0.0.1:")
    assert env["STACK_REGISTRY"].endswith("/apis/ccompat/v7")
    for shard in (1, 2):
        url = httpx.URL(env[f"STACK_CLICKHOUSE_{shard}"])
        assert url.username and url.password
        assert ask(env, shard, "SELECT getMacro('shard')") == str(shard)
    assert env["ROUNDHOUSE_KAFKA_BROKERS"] == env["STACK_KAFKA"]
    assert env["ROUNDHOUSE_REGISTRY_URL"] == env["STACK_REGISTRY"]
    assert env["ROUNDHOUSE_STORE"] == f"{env['STACK_CLICKHOUSE_1']},{env['STACK_CLICKHOUSE_2']}"
    assert env["ROUNDHOUSE_CLICKHOUSE_CLUSTER"] == "rivertech"
    assert env["ROUNDHOUSE_LOG"] == "kafka"


def test_passwords_are_for_the_owner_of_the_folder(stack):
    assert stack.folder.stat().st_mode & 0o077 == 0
    url = httpx.URL(stack.env()["STACK_CLICKHOUSE_1"])
    assert httpx.post(url.copy_with(password="wrong"), content="SELECT 1").status_code == 403
    # `default` is the server's own session; it may open ports and nothing else.
    assert httpx.post(url.copy_with(username="", password=""), content="SELECT count() FROM system.users").is_error


def test_status_and_logs(stack):
    shown = stack.run("status").stdout.splitlines()
    assert [line.split()[:2] for line in shown] == [[part, "answers"] for part in PARTS]
    assert "[KafkaServer id=1] started" in stack.run("logs", "broker", "--lines", "100000").stdout
    assert stack.run("logs").stdout.count("==>") >= len(PARTS)


# -- the parts do their work


def test_committed_rows_are_read_and_aborted_ones_are_not(stack, rng):
    topic = new_topic(stack, partitions=3)
    registry = SchemaRegistryClient({"url": stack.env()["STACK_REGISTRY"]})
    serialize = AvroSerializer(registry, SCHEMA, conf={"auto.register.schemas": True})
    context = SerializationContext(topic, MessageField.VALUE)
    rows = [round_of(rng, number) for number in range(1, 501)]
    producer = transactional_producer(stack)
    producer.begin_transaction()
    for row in rows[:100]:
        producer.produce(topic, key=row["user_id"], value=serialize(row, context))
    producer.flush()
    producer.abort_transaction()
    producer.begin_transaction()
    for row in rows:
        producer.produce(topic, key=row["user_id"], value=serialize(row, context))
    producer.commit_transaction()

    deserialize = AvroDeserializer(registry)
    read = [deserialize(message.value(), context) for message in consume(stack, topic, len(rows))]
    assert sorted(read, key=lambda row: row["row_number"]) == rows


def test_a_second_producer_of_the_same_id_fences_the_first(stack):
    topic = new_topic(stack, partitions=1)
    first = transactional_producer(stack, "the-same")
    first.begin_transaction()
    first.produce(topic, value=b"of the first")
    first.flush()
    second = transactional_producer(stack, "the-same")
    second.begin_transaction()
    second.produce(topic, value=b"of the second")
    second.commit_transaction()
    with pytest.raises(KafkaException) as fenced:
        first.commit_transaction()
    assert fenced.value.args[0].fatal()
    assert [message.value() for message in consume(stack, topic, 1)] == [b"of the second"]


def test_the_registry_speaks_as_confluents_does(stack):
    url, subject = stack.env()["STACK_REGISTRY"], f"s-{uuid.uuid4()}-value"
    registry = SchemaRegistryClient({"url": url})
    wanted = Schema(SCHEMA, "AVRO")
    schema_id = registry.register_schema(subject, wanted)
    assert registry.register_schema(subject, wanted) == schema_id
    assert json.loads(registry.get_schema(schema_id).schema_str) == json.loads(SCHEMA)
    assert registry.get_latest_version(subject).schema_id == schema_id
    assert httpx.get(f"{url}/config").json() == {"compatibilityLevel": "BACKWARD"}

    fields = json.loads(SCHEMA)
    with_more = {**fields, "fields": [*fields["fields"], {"name": "more", "type": "string"}]}
    refused = httpx.post(f"{url}/subjects/{subject}/versions", json={"schema": json.dumps(with_more)})
    assert refused.status_code == 409, refused.text  # readers of the new schema could not read the old rows
    assert httpx.post(f"{url}/subjects/{subject}/versions", json={"schema": "no schema"}).status_code == 422
    assert httpx.get(f"{url}/schemas/ids/999999").status_code == 404


def test_confluents_wire_format_is_read_by_another_avro(stack, rng):
    registry = SchemaRegistryClient({"url": stack.env()["STACK_REGISTRY"]})
    context = SerializationContext(f"t-{uuid.uuid4()}", MessageField.VALUE)
    row = round_of(rng, 1)
    message = AvroSerializer(registry, SCHEMA)(row, context)
    schema_id = registry.get_latest_version(f"{context.topic}-value").schema_id
    assert message[:5] == b"\0" + schema_id.to_bytes(4, "big")
    read = fastavro.schemaless_reader(io.BytesIO(message[5:]), fastavro.parse_schema(json.loads(SCHEMA)))
    assert read == row


def test_a_distributed_table_spans_both_shards(stack):
    env = stack.env()
    table = make_distributed_table(env)
    for shard in (1, 2):
        ask(env, shard, f"INSERT INTO {table} SELECT number + {shard}000 FROM numbers({shard}00)")
    for shard in (1, 2):
        assert ask(env, shard, f"SELECT count() FROM {table}") == f"{shard}00"
        assert ask(env, shard, f"SELECT count(), sum(x) FROM {table}_all") == f"300\t{104_950 + 419_900}"
        by_shard = f"SELECT shardNum(), count(), currentUser() FROM {table}_all GROUP BY ALL ORDER BY 1"
        assert ask(env, shard, by_shard) == "1\t100\troundhouse\n2\t200\troundhouse"


def test_clickhouse_itself_reads_the_topic_and_sets_aside_what_is_no_avro(stack, rng):
    env, topic, tag = stack.env(), new_topic(stack, partitions=1), uuid.uuid4().hex
    context = SerializationContext(topic, MessageField.VALUE)
    serialize = AvroSerializer(SchemaRegistryClient({"url": env["STACK_REGISTRY"]}), SCHEMA)
    rows = [round_of(rng, number) for number in range(1, 101)]
    producer = transactional_producer(stack)
    producer.begin_transaction()
    for row in rows:
        producer.produce(topic, value=serialize(row, context))
    producer.produce(topic, value=b"no Avro")
    producer.commit_transaction()

    columns = "row_number Int64, real_amount_bet Decimal(18, 6), upload_id UUID"
    ask(env, 2, "CREATE DATABASE IF NOT EXISTS roundhouse")
    ask(
        env,
        2,
        f"CREATE TABLE roundhouse.q_{tag} ({columns}) ENGINE = Kafka SETTINGS kafka_topic_list = '{topic}', "
        f"kafka_broker_list = '{env['STACK_KAFKA']}', kafka_group_name = '{tag}', kafka_format = 'AvroConfluent', "
        f"kafka_handle_error_mode = 'stream', format_avro_schema_registry_url = '{env['STACK_REGISTRY']}'",
    )
    ask(
        env, 2, f"CREATE TABLE roundhouse.r_{tag} ({columns}, error String) ENGINE = MergeTree ORDER BY row_number"
    )
    ask(
        env,
        2,
        f"CREATE MATERIALIZED VIEW roundhouse.v_{tag} TO roundhouse.r_{tag} "
        f"AS SELECT *, _error AS error FROM roundhouse.q_{tag}",
    )
    try:
        count = f"SELECT count() FROM roundhouse.r_{tag}"
        wait_for(lambda: int(ask(env, 2, count)) > len(rows), "ClickHouse has read the topic")
        good = f"SELECT row_number, real_amount_bet, upload_id FROM roundhouse.r_{tag} WHERE error = '' ORDER BY 1"
        read = [line.split("\t") for line in ask(env, 2, good).splitlines()]
        assert [(int(number), Decimal(amount), uuid.UUID(upload)) for number, amount, upload in read] == [
            (row["row_number"], row["real_amount_bet"], row["upload_id"]) for row in rows
        ]
        assert int(ask(env, 2, f"{count} WHERE error LIKE '%magic byte%'")) == 1
    finally:
        ask(env, 2, f"DROP TABLE roundhouse.v_{tag}")
        ask(env, 2, f"DROP TABLE roundhouse.q_{tag}")


# -- faults


def test_a_transaction_goes_on_after_kill_9_of_the_broker(stack):
    topic = new_topic(stack, partitions=1)
    producer = transactional_producer(stack)
    producer.begin_transaction()
    for number in range(100):
        producer.produce(topic, value=b"%d" % number)
    producer.flush()
    stack.kill("broker")
    for number in range(100, 200):
        producer.produce(topic, value=b"%d" % number)
    stack.start("broker")
    producer.commit_transaction(60)
    assert [int(message.value()) for message in consume(stack, topic, 200)] == list(range(200))


@pytest.mark.parametrize("part", PARTS)
def test_a_killed_part_comes_back_with_its_data_and_its_ports(stack, part):
    before, remembered = stack.parts(), remember(stack)
    stack.kill(part)
    during = stack.parts()
    assert during[part]["state"] == "stopped" and during[part]["pid"] is None
    assert {name: row for name, row in during.items() if name != part} == {
        name: row for name, row in before.items() if name != part
    }
    stack.run("status", code=1)
    stack.kill(part)  # again: nothing runs, nothing happens
    stack.start(part)
    after = stack.parts()
    assert {name: row["address"] for name, row in after.items()} == {
        name: row["address"] for name, row in before.items()
    }
    assert after[part]["state"] == "answers" and after[part]["pid"] != before[part]["pid"]
    still_there(stack, remembered)


def test_up_brings_back_what_was_killed(stack):
    remembered, pids = remember(stack), stack.pids()
    stack.kill("zookeeper")
    stack.kill("clickhouse-2")
    stack.up()
    changed = {name for name, pid in stack.pids().items() if pid != pids[name]}
    assert changed == {"zookeeper", "clickhouse-2"}
    still_there(stack, remembered)


def test_a_part_that_waits_for_another_says_for_which(stack):
    stack.run("kill", "broker")
    stack.run("kill", "zookeeper")
    try:
        failed = stack.run("start", "broker", "--timeout", "2", code=1)
        assert "broker waits for zookeeper, which is stopped: tools/stack start zookeeper" in failed.stderr
    finally:
        stack.run("start", "zookeeper")
        stack.run("start", "broker")


def test_a_part_that_cannot_start_says_why_and_leaves_no_process(stack):
    stack.kill("registry")
    host, _, port = httpx.URL(stack.env()["STACK_REGISTRY"]).netloc.decode().partition(":")
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind((host, int(port)))
        taken.listen()
        failed = stack.run("start", "registry", code=1)
    assert "registry ended while it started" in failed.stderr
    assert port in failed.stderr  # the end of its log
    assert stack.pids()["registry"] is None
    stack.start("registry")


def test_an_unknown_part_or_command_is_a_usage_error(stack, new_stack):
    for command in ("kill", "start", "logs"):
        refused = stack.run(command, "broker-2", code=2)
        assert "zookeeper, broker, registry, clickhouse-1, clickhouse-2" in refused.stderr
        new_stack.run(command, "keeper", code=2)
    stack.run("restart", code=2)
    stack.run("up", "--brokers", "2", code=2)
    assert "--brokers 1" in stack.run("up", "--brokers", "3", code=2).stderr
    new_stack.run("status", code=1)
    new_stack.run("env", code=1)
    assert not new_stack.folder.exists()


def test_three_brokers_survive_the_leader(three_brokers):
    stack = three_brokers
    assert list(stack.parts()) == ["zookeeper", "broker-1", "broker-2", "broker-3", *PARTS[2:]]
    stack.run("kill", "broker", code=2)
    assert stack.env()["STACK_KAFKA"].count(":") == 3
    topic = new_topic(stack, partitions=1, copies=3)
    producer = transactional_producer(stack)
    send(producer, topic, b"before")
    leader = leader_of(stack, topic)
    stack.kill(f"broker-{leader}")
    wait_for(lambda: leader_of(stack, topic) not in (leader, -1), "another leader")
    send(producer, topic, b"without it")
    stack.start(f"broker-{leader}")
    wait_for(lambda: len(partition_of(stack, topic).isrs) == 3, "three copies in step")
    send(producer, topic, b"after")
    assert [message.value() for message in consume(stack, topic, 3)] == [b"before", b"without it", b"after"]


# -- what stays behind: nothing


def test_down_leaves_no_process_no_port_and_no_file(new_stack):
    new_stack.up()
    pids = [pid for pid in new_stack.pids().values() if pid]
    ports = [port for pid in pids for _, port in listening_addresses(pid)]
    assert sorted(new_stack.processes()) == sorted(pids)
    assert len(ports) >= 7
    new_stack.run("down")
    assert new_stack.processes() == []
    assert not new_stack.folder.exists()
    for port in ports:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", port))
    assert [entry for entry in pathlib.Path("/tmp").glob("hsperfdata_*/*") if int(entry.name) in pids] == []
    new_stack.run("down")  # again: says that there is none


def test_down_with_keep_ends_cleanly_and_up_goes_on_with_the_data(new_stack):
    new_stack.up()
    remembered, addresses = remember(new_stack), new_stack.env()
    new_stack.run("down", "--keep")
    assert new_stack.processes() == []
    assert "shut down completed" in new_stack.run("logs", "broker", "--lines", "200").stdout
    new_stack.up()
    assert new_stack.env() == addresses
    still_there(new_stack, remembered)


def test_down_after_everything_was_killed(new_stack):
    new_stack.up()
    for part in PARTS:
        new_stack.kill(part)
    new_stack.run("down")
    assert not new_stack.folder.exists()


@pytest.mark.parametrize("signum", [signal.SIGKILL, signal.SIGINT])
def test_down_after_up_was_ended_halfway(new_stack, signum):
    # As from a terminal: tests that run in the background of a script inherit that SIGINT is ignored.
    halfway = subprocess.Popen(
        [TOOL, "--dir", new_stack.folder, "up"],
        stderr=subprocess.DEVNULL,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    try:
        wait_for(lambda: (new_stack.folder / "broker" / "pid").exists(), "the broker being started")
        halfway.send_signal(signum)
        halfway.wait(60)
    finally:
        end(halfway)
    # After Ctrl-C `up` ends what it started itself.
    assert bool(new_stack.processes()) == (signum == signal.SIGKILL)
    new_stack.run("down")
    assert new_stack.processes() == []
    assert not new_stack.folder.exists()


def test_another_process_with_a_recorded_number_is_left_alone(tmp_path):
    other = subprocess.Popen(["sleep", "600"])
    try:
        started = processes.start_time(other.pid)
        for noted in ({"started": started - 1, "boot": processes.boot()}, {"started": started, "boot": "another"}):
            (tmp_path / "pid").write_text(json.dumps({"pid": other.pid, **noted}))
            assert processes.pid_of(tmp_path) is None
            assert not processes.end(tmp_path, signal.SIGKILL, 1)
        (tmp_path / "pid").write_text(json.dumps({"pid": other.pid, "started": started, "boot": processes.boot()}))
        assert processes.pid_of(tmp_path) == other.pid
        assert other.poll() is None
    finally:
        end(other)


def test_a_folder_with_other_things_in_it_is_left_alone(new_stack):
    new_stack.folder.mkdir()
    (new_stack.folder / "precious").write_text("not ours")
    new_stack.run("up", code=2)
    assert [file.name for file in new_stack.folder.iterdir()] == ["precious"]
    new_stack.run("down")
    assert (new_stack.folder / "precious").read_text() == "not ours"
    for file in new_stack.folder.iterdir():
        file.unlink()
    new_stack.folder.rmdir()


# -- what it is made of


def test_an_artifact_that_is_not_what_was_pinned_is_refused(tmp_path, monkeypatch):
    pinned = tmp_path / "artifacts.txt"
    pinned.write_text(f"# two\na.b:c:1 {'0' * 64}\na.b:d:2:all:tar.gz {'1' * 64}\n")
    monkeypatch.setattr(artifacts, "PINNED", pinned)
    assert [artifact.file for artifact in artifacts.pinned()] == ["c-1.jar", "d-2-all.tar.gz"]
    folder = tmp_path / "fetched"
    folder.mkdir()
    (folder / "c-1.jar").write_bytes(b"anything")
    with pytest.raises(artifacts.FetchError, match=r"c-1\.jar has SHA-256"):
        artifacts.check(folder)
    (folder / "c-1.jar").rename(folder / "x-1.jar")
    with pytest.raises(artifacts.FetchError, match=r"c-1\.jar: missing"):
        artifacts.check(folder)


def test_what_is_kept_is_what_was_pinned():
    kept = artifacts.fetched() / "kafka"
    jars = [artifact.file for artifact in artifacts.pinned() if artifact.kind == "jar"]
    assert sorted(path.name for path in kept.iterdir()) == sorted(jars)


def test_only_a_key_that_is_there_gets_another_value():
    assert parts.with_properties("a.b=1\n#a.b=2\naxb=3\n", {"a.b": r"\1"}) == "a.b=\\1\n#a.b=2\naxb=3\n"
    with pytest.raises(KeyError):
        parts.with_properties("a=1\n", {"b": 2})


# -- how the tests reach the parts


def new_topic(stack, partitions: int, copies: int = 1) -> str:
    topic = f"t-{uuid.uuid4()}"
    admin = stack.kafka()  # what is asked of it ends with it
    for created in admin.create_topics([NewTopic(topic, partitions, copies)]).values():
        created.result(60)
    return topic


def transactional_producer(stack, name: str = "") -> Producer:
    settings = {
        "bootstrap.servers": stack.env()["STACK_KAFKA"],
        "transactional.id": name or f"p-{uuid.uuid4()}",
        "transaction.timeout.ms": 30_000,
    }
    producer = Producer(settings)
    producer.init_transactions(60)
    return producer


def send(producer: Producer, topic: str, value: bytes) -> None:
    producer.begin_transaction()
    producer.produce(topic, value=value)
    producer.commit_transaction(60)


def consume(stack, topic: str, count: int) -> list:
    """The committed messages of the topic, `count` of them and no more."""
    settings = {
        "bootstrap.servers": stack.env()["STACK_KAFKA"],
        "group.id": f"g-{uuid.uuid4()}",
        "isolation.level": "read_committed",
        "auto.offset.reset": "earliest",
        "enable.partition.eof": True,
    }
    consumer = Consumer(settings)
    partitions = list(consumer.list_topics(topic, timeout=60).topics[topic].partitions)
    consumer.assign([TopicPartition(topic, partition, 0) for partition in partitions])
    messages, ended, deadline = [], set(), time.monotonic() + 60
    try:
        while len(ended) < len(partitions):
            assert time.monotonic() < deadline, f"{len(messages)} of {count} messages"
            message = consumer.poll(1)
            if message is not None and message.error() is None:
                messages.append(message)
            elif message is not None:
                ended.add(message.partition())
    finally:
        consumer.close()
    assert len(messages) == count
    return messages


def partition_of(stack, topic: str):
    return stack.kafka().list_topics(topic, timeout=60).topics[topic].partitions[0]


def leader_of(stack, topic: str) -> int:
    return partition_of(stack, topic).leader


def ask(env: dict[str, str], shard: int, query: str) -> str:
    answer = httpx.post(env[f"STACK_CLICKHOUSE_{shard}"], content=query, timeout=60)
    assert answer.status_code == 200, answer.text
    return answer.text.strip()


def make_distributed_table(env: dict[str, str]) -> str:
    table = f"roundhouse.t_{uuid.uuid4().hex}"
    for shard in (1, 2):
        ask(env, shard, "CREATE DATABASE IF NOT EXISTS roundhouse")
        ask(env, shard, f"CREATE TABLE {table} (x UInt64) ENGINE = MergeTree ORDER BY x")
        database, _, name = table.partition(".")
        ask(env, shard, f"CREATE TABLE {table}_all AS {table} ENGINE = Distributed(rivertech, {database}, {name})")
    return table


def remember(stack) -> dict:
    """Something in every part that has data."""
    env, word = stack.env(), uuid.uuid4().hex.encode()
    topic, table, subject = new_topic(stack, partitions=1), make_distributed_table(env), f"s-{uuid.uuid4()}-value"
    send(transactional_producer(stack), topic, word)
    for shard in (1, 2):
        ask(env, shard, f"INSERT INTO {table} SELECT number FROM numbers({shard}00)")
    registry = SchemaRegistryClient({"url": env["STACK_REGISTRY"]})
    schema_id = registry.register_schema(subject, Schema(SCHEMA, "AVRO"))
    return {"topic": topic, "word": word, "table": table, "subject": subject, "schema_id": schema_id}


def still_there(stack, remembered: dict) -> None:
    env = stack.env()
    assert [message.value() for message in consume(stack, remembered["topic"], 1)] == [remembered["word"]]
    for shard in (1, 2):
        assert ask(env, shard, f"SELECT count() FROM {remembered['table']}") == f"{shard}00"
        assert ask(env, shard, f"SELECT count() FROM {remembered['table']}_all") == "300"
    registry = SchemaRegistryClient({"url": env["STACK_REGISTRY"]})
    assert registry.get_latest_version(remembered["subject"]).schema_id == remembered["schema_id"]
    # Each part also takes something new.
    assert (
        registry.register_schema(f"{remembered['subject']}-2", Schema(SCHEMA, "AVRO")) == remembered["schema_id"]
    )
    send(transactional_producer(stack), new_topic(stack, partitions=1), b"new")
    ask(env, 1, f"INSERT INTO {remembered['table']} SELECT number FROM numbers(0)")


def round_of(rng, number: int) -> dict:
    """A row of schemas/game_round.avsc."""
    names = [field["name"] for field in json.loads(SCHEMA)["fields"] if "amount" in field["name"]]
    return {
        "created_timestamp": datetime.fromtimestamp(rng.randrange(2**32), UTC),
        "game_instance_id": rng.randrange(2**63),
        "user_id": f"player-{rng.randrange(50)}",
        "game_id": rng.randrange(1000),
        **{name: Decimal(rng.randrange(10**18)).scaleb(-6) for name in names},
        "game_name": "Blütenfeuer",
        "provider": "Acme",
        "upload_id": uuid.UUID(int=rng.getrandbits(128)),
        "row_number": number,
    }
