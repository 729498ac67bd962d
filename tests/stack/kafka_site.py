"""A stack, the roundhouse processes that a test starts on it, and what is in its topics.

Topics are read by confluent-kafka with its AvroDeserializer, what must be counted is computed by DuckDB.
"""

import contextlib
import time

import httpx
from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.schema_registry import SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroDeserializer
from confluent_kafka.serialization import MessageField, SerializationContext
from native_stack import Stack
from roundhouse import Server
from rounds import expected_hourly, make_rows, served_hourly, to_csv, with_refused_rows

TOPIC = "staging-bets"
CONTROL = "roundhouse-uploads"
GROUP = "roundhouse"
ROWS = 70_000  # two cells


class Site:
    """The stack, and the processes that a test starts on it."""

    def __init__(self, folder, *options: str):
        self.folder = folder
        self.stack = Stack(folder / "stack").up(*options)
        self.env = self.stack.env()
        self.servers: list[Server] = []
        self._admin: AdminClient | None = None
        self.begin: dict[int, int] = {}  # where the topic of rows ended before the test

    def start(self, *, environment: dict[str, str] | None = None, ready: bool = True, **settings: str) -> Server:
        names = [name for name in self.env if name.startswith("ROUNDHOUSE_")]
        own = {**{name: self.env[name] for name in names}, "ROUNDHOUSE_LOG": "kafka"}
        own |= {f"ROUNDHOUSE_{name.upper()}": value for name, value in settings.items()}
        shards = [self.env["STACK_CLICKHOUSE_1"], self.env["STACK_CLICKHOUSE_2"]]
        server = Server(self.folder / f"node{len(self.servers)}", environment=own, shards=shards)
        self.servers.append(server)
        return server.start(environment, ready=ready)

    def end_servers(self) -> None:
        for server in self.servers:
            if server.is_running():
                server.kill()

    def rows_of(self, upload_id: str) -> list[tuple]:
        """Committed messages of an upload, with their records, in the order of each partition."""
        decode = AvroDeserializer(SchemaRegistryClient({"url": self.env["STACK_REGISTRY"]}))
        context = SerializationContext(TOPIC, MessageField.VALUE)
        found = [message for message in self.messages(TOPIC) if upload_id.encode() in message.value()]
        return [(message, decode(message.value(), context)) for message in found]

    def count(self, upload_id: str) -> int:
        """Committed messages of an upload."""
        return sum(upload_id.encode() in message.value() for message in self.messages(TOPIC))

    def messages(self, topic: str) -> list:
        """All committed ones; of the topic of rows those since the test began."""
        consumer = Consumer(
            {
                "bootstrap.servers": self.env["STACK_KAFKA"],
                "group.id": "reader-of-the-tests",
                "enable.auto.commit": False,
                "enable.partition.eof": True,
                "isolation.level": "read_committed",
            }
        )
        partitions = set(consumer.list_topics(topic, timeout=30).topics[topic].partitions)
        begin = self.begin if topic == TOPIC else {}
        consumer.assign([TopicPartition(topic, p, begin.get(p, OFFSET_BEGINNING)) for p in partitions])
        found = []
        while partitions:
            for message in consumer.consume(5000, 1.0):
                if message.error() is None:
                    found.append(message)
                elif message.error().code() == KafkaError._PARTITION_EOF:
                    partitions.discard(message.partition())
                else:
                    raise RuntimeError(message.error())
        consumer.close()
        return found

    def admin(self) -> AdminClient:
        """One for all: the answers of one that is let go never come."""
        self._admin = self._admin or self.stack.kafka()
        return self._admin

    def committed(self, group: str) -> dict[int, int | None]:
        """By partition of the topic of rows; None: nothing."""
        consumer = Consumer({"bootstrap.servers": self.env["STACK_KAFKA"], "group.id": group})
        partitions = consumer.list_topics(TOPIC, timeout=30).topics[TOPIC].partitions
        found = consumer.committed([TopicPartition(TOPIC, partition) for partition in partitions], timeout=30)
        consumer.close()
        return {at.partition: at.offset if at.offset >= 0 else None for at in found}

    def lag(self, group: str) -> int:
        """Offsets that the group has not committed."""
        return sum(high(self, p) - (at or 0) for p, at in self.committed(group).items())


@contextlib.contextmanager
def running_site(folder, *arguments: str):
    """A site with a stack of its own, `arguments` those of `up`; nothing of it is left."""
    site = Site(folder, *arguments)
    try:
        yield site
    finally:
        site.end_servers()
        site.stack.run("down")
        assert site.stack.processes() == []


def group_takes(change) -> bool:
    """Of one asked for by an AdminClient; false while a member of the group is missed."""
    try:
        change.result()
    except KafkaException:
        return False
    return True


def ask(site: Site, shard: int, sql: str) -> str:
    url = httpx.URL(site.env[f"STACK_CLICKHOUSE_{shard}"])
    answer = httpx.post(url, params={"database": "roundhouse"}, content=sql, timeout=120)
    assert answer.status_code == 200 and "DB::Exception" not in answer.text[:300], answer.text
    return answer.text.strip()


def make_file(rng, rows: int = ROWS) -> tuple[bytes, list[list[str]]]:
    """A file with a refused row in each thousand, and the rows that must count."""
    accepted = make_rows(rng, rows, players=50, games=6, hours=24 * 40)
    return to_csv(with_refused_rows(accepted)).encode(), accepted


def served(server: Server, rows) -> list[tuple]:
    players = sorted({row[2] for row in rows})
    return sorted(served_hourly(server.aggregates(player_id=players)))


def check_exactly_once(server: Server, rows) -> None:
    server.wait_ready()
    assert served(server, rows) == sorted(expected_hourly(rows))


def check_matched(server: Server, upload_id: str) -> None:
    answer = server.post("/v1/reconciliations", json={"upload_id": upload_id}, headers={"Prefer": "wait=60"})
    assert answer.status_code in (200, 202), answer.text
    deadline = time.monotonic() + 300
    while (result := answer.json())["state"] == "running":
        assert time.monotonic() < deadline, answer.text
        time.sleep(0.2)
        answer = server.get(f"/v1/reconciliations/{result['id']}")
    assert (result["state"], result["verdict"]) == ("done", "matched"), result


def send(server: Server, content: bytes, **params) -> str:
    answer = server.upload(content, wait=None, **params)
    assert answer.status_code in (200, 202), answer.text
    return answer.json()["id"]


def wait_stored(server: Server, upload_id: str) -> dict:
    upload = server.wait_final(upload_id, timeout=300)
    assert upload["state"] == "stored", upload
    return upload


def metric(server: Server, name: str) -> int:
    for line in server.get("/metrics").text.splitlines():
        if line.startswith(f"{name} "):
            return int(float(line.split()[1]))
    raise AssertionError(f"no metric {name}")


def high(site: Site, partition: int) -> int:
    consumer = Consumer({"bootstrap.servers": site.env["STACK_KAFKA"], "group.id": "marks"})
    _, end = consumer.get_watermark_offsets(TopicPartition(TOPIC, partition), timeout=30)
    consumer.close()
    return end


def drop_all_records(site: Site) -> None:
    """What retention does with old ones."""
    ends = [TopicPartition(TOPIC, partition, high(site, partition)) for partition in range(12)]
    for dropped in site.admin().delete_records(ends).values():
        dropped.result()


def kafka_check(server) -> str:
    checks = server.get("/readyz", params={"verbose": ""}).json()["checks"]
    return next(check["detail"] for check in checks if check["name"] == "kafka")
