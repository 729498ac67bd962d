"""Where the servers of the system tests publish and keep their rows: alone, or on the parts of the real stack.

Brokers and registry are started once for all tests that ask for them; each server has topics, a group and, where it
keeps rows on a cluster, two shards of its own.
"""

import contextlib
import itertools
import pathlib
import sys

from roundhouse import ROOT, Server

sys.path.insert(0, str(ROOT / "tests" / "stack"))
from native_stack import Stack, clear

ALONE = "alone"
KAFKA = "kafka"  # rows go through Kafka into the server's own ClickHouse
CLUSTER = "cluster"  # through Kafka onto two shards
CONSUMED = "consumed"  # the same, and the shards read the topic themselves
ALL = (ALONE, KAFKA, CLUSTER, CONSUMED)
PARTITIONS = "4"  # two for each shard


class Brokers:
    """ZooKeeper, a broker and the registry, once somebody asks for them."""

    def __init__(self, folder: pathlib.Path):
        self.stack = Stack(folder)
        self.numbers = itertools.count(1)
        self.is_up = False

    def environment(self) -> dict[str, str]:
        """Of a server that shares nothing with the ones before."""
        if not self.is_up:
            self.is_up = True
            self.stack.up("zookeeper", "broker", "registry")
        env = self.stack.env()
        number = next(self.numbers)
        return {
            "ROUNDHOUSE_LOG": "kafka",
            "ROUNDHOUSE_KAFKA_BROKERS": env["ROUNDHOUSE_KAFKA_BROKERS"],
            "ROUNDHOUSE_REGISTRY_URL": env["ROUNDHOUSE_REGISTRY_URL"],
            "ROUNDHOUSE_KAFKA_TOPIC": f"bets-{number}",
            "ROUNDHOUSE_KAFKA_CONTROL_TOPIC": f"uploads-{number}",
            "ROUNDHOUSE_KAFKA_GROUP": f"group-{number}",
            "ROUNDHOUSE_KAFKA_PARTITIONS": PARTITIONS,
        }

    def down(self) -> None:
        clear(self.stack)


class Servers:
    """Makes the servers of one topology, and ends what they stood on."""

    def __init__(self, topology: str, brokers: Brokers):
        self.topology = topology
        self.brokers = brokers
        self.shards: list[Stack] = []

    def make(self, data: pathlib.Path, *arguments: str, environment: dict[str, str] | None = None) -> Server:
        settings = {} if self.topology == ALONE else self.brokers.environment()
        shards = []
        if self.topology in (CLUSTER, CONSUMED):
            stack = Stack(data.parent / f"{data.name}-shards")
            self.shards.append(stack)
            env = stack.up("clickhouse-1", "clickhouse-2").env()
            settings |= {name: env[name] for name in ("ROUNDHOUSE_STORE", "ROUNDHOUSE_CLICKHOUSE_CLUSTER")}
            shards = [env["STACK_CLICKHOUSE_1"], env["STACK_CLICKHOUSE_2"]]
        if self.topology == CONSUMED:
            settings["ROUNDHOUSE_CONSUMER"] = "clickhouse"
        return Server(data, *arguments, environment=settings | (environment or {}), shards=shards)

    def down(self) -> None:
        with contextlib.ExitStack() as stack:  # each, whatever becomes of the others
            for shards in self.shards:
                stack.callback(clear, shards)
