"""What Kafka and two shards cost: publishing against librdkafka alone, and the whole way against the embedded one.

The stack is tools/stack's, on the same cores. Each repeat has topics of its own and shards without a table.
"""

import contextlib
import dataclasses
import os
import pathlib
import shlex
import struct
import subprocess
import urllib.parse
from collections.abc import Iterator

import measure
from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic
from server import Body, Server, post

ROOT = pathlib.Path(__file__).resolve().parent.parent
RAW_PRODUCER = ROOT / "build" / "release" / "bench" / "raw_producer"
LIBRDKAFKA = ROOT / "build" / "lib" / "librdkafka.so.1"
PARTITIONS = 12  # the default of kafka.partitions


@dataclasses.dataclass
class Repeat:
    # The file is there, until all of it is committed in Kafka; its rows are judged meanwhile. Alone: nobody
    # reads the topic (the shards would, and are away), as nobody does for librdkafka alone.
    publish_alone_s: float
    publish_s: float
    raw_s: float  # the same messages by librdkafka alone
    kafka_s: float  # first byte to stored, through Kafka onto two shards
    embedded_s: float
    peak_memory_bytes: int


class Stack:
    """tools/stack in a folder of the benchmark's."""

    def __init__(self, folder: pathlib.Path):
        self.folder = folder
        self._run("up")
        self.env = dict(
            shlex.split(line.removeprefix("export "))[0].split("=", 1)
            for line in self._run("env").splitlines()
            if "=" in line and not line.startswith("#")
        )

    def _run(self, *arguments: str) -> str:
        command = [str(ROOT / "tools" / "stack"), "--dir", str(self.folder), *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout

    def down(self) -> None:
        self._run("down")

    @contextlib.contextmanager
    def no_shards(self) -> Iterator[None]:
        for shard in ("clickhouse-1", "clickhouse-2"):
            self._run("kill", shard)
        try:
            yield
        finally:
            for shard in ("clickhouse-1", "clickhouse-2"):
                self._run("start", shard)

    def environment(self, name: str) -> dict[str, str]:
        ours = {name: value for name, value in self.env.items() if name.startswith("ROUNDHOUSE_")}
        return {
            **os.environ,
            **ours,
            "ROUNDHOUSE_LOG": "kafka",
            "ROUNDHOUSE_KAFKA_TOPIC": f"bets-{name}",
            "ROUNDHOUSE_KAFKA_CONTROL_TOPIC": f"uploads-{name}",
            "ROUNDHOUSE_KAFKA_GROUP": f"group-{name}",
        }

    def drop_tables(self) -> None:
        for shard in ("STACK_CLICKHOUSE_1", "STACK_CLICKHOUSE_2"):
            url = urllib.parse.urlsplit(self.env[shard])
            headers = {"X-ClickHouse-User": url.username, "X-ClickHouse-Key": url.password}
            target = "/?" + urllib.parse.urlencode({"query": "DROP DATABASE IF EXISTS roundhouse SYNC"})
            answer = post(url.port, target, headers, Body(file=pathlib.Path(os.devnull)))
            if answer.status != 200:
                raise RuntimeError(answer.text)


@contextlib.contextmanager
def stack(folder: pathlib.Path) -> Iterator[Stack]:
    running = Stack(folder)
    try:
        yield running
    finally:
        running.down()


def dump(brokers: str, topic: str, file: pathlib.Path) -> int:
    """The topic's committed messages in the form that raw_producer reads; how many."""
    consumer = Consumer(
        {
            "bootstrap.servers": brokers,
            "group.id": "bench",
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "isolation.level": "read_committed",
        }
    )
    consumer.assign([TopicPartition(topic, p, OFFSET_BEGINNING) for p in range(PARTITIONS)])
    count, ended = 0, 0
    with open(file, "wb") as out:
        while ended < PARTITIONS:
            for message in consumer.consume(10_000, 1.0):
                if message.error() is None:
                    key, value = message.key(), message.value()
                    out.write(struct.pack("=II", len(key), len(value)) + key + value)
                    count += 1
                elif message.error().code() == KafkaError._PARTITION_EOF:
                    ended += 1
                else:
                    raise RuntimeError(message.error())
    consumer.close()
    return count


def warm_up(binary: pathlib.Path, file: pathlib.Path, running: Stack, scratch: pathlib.Path, times: int) -> None:
    """A JVM is slow until it has compiled what it runs; brokers in production have.

    After ten full-size files the broker takes 0.7 s of processor time for the next one, after one 1.3 s.
    """
    for i in range(times):
        running.drop_tables()
        with Server(binary, scratch / "warm-up", running.environment(f"warm-up-{i}")) as server:
            measure.store(server, Body(file))


def one_repeat(
    binary: pathlib.Path, file: pathlib.Path, running: Stack, scratch: pathlib.Path, number: int
) -> Repeat:
    brokers = running.env["STACK_KAFKA"]
    running.drop_tables()
    shards_consume = {**running.environment(f"alone-{number}"), "ROUNDHOUSE_CONSUMER": "clickhouse"}
    with Server(binary, scratch / "alone", shards_consume) as server, running.no_shards():
        publish_alone_s = measure.publish(server, Body(file))
    running.drop_tables()
    with Server(binary, scratch / "kafka", running.environment(str(number))) as server:
        through = measure.store(server, Body(file))
    messages = scratch / "messages"
    rows = dump(brokers, f"bets-{number}", messages)
    if str(rows) != through.totals[0]:
        raise RuntimeError(f"the topic has {rows} messages, the upload {through.totals[0]} rows")
    topic = f"raw-{number}"
    admin = AdminClient({"bootstrap.servers": brokers})
    admin.create_topics([NewTopic(topic, PARTITIONS, 1)])[topic].result()
    command = [RAW_PRODUCER, LIBRDKAFKA, brokers, topic, messages]
    raw = subprocess.run(command, check=True, capture_output=True, text=True)
    messages.unlink()
    with Server(binary, scratch / "embedded") as server:
        alone = measure.store(server, Body(file))
    if alone.totals != through.totals:
        raise RuntimeError(f"the two ways hold different figures: {alone.totals}, {through.totals}")
    return Repeat(
        publish_alone_s=publish_alone_s,
        publish_s=through.stages_s["publish"],
        raw_s=float(raw.stdout),
        kafka_s=through.seconds,
        embedded_s=alone.seconds,
        peak_memory_bytes=through.peak_memory_bytes,
    )
