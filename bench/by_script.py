"""The whole way against scripts of pandas and fastavro: CSV → checked rows → an Avro file, or Kafka → ClickHouse with
its rollups, on a file small enough that a script takes seconds."""

import itertools
import pathlib
import urllib.parse

import contest
import measure
from avro_records import SCHEMA
from contest import CONTENDERS, OURS, PYTHON, Run
from server import Body, Server
from through_kafka import Stack

INSERT = (
    f"INSERT INTO game_rounds (upload_id, row_number, part, {', '.join(measure.COLUMNS)}) "
    f"SELECT upload_id, row_number, 0, {', '.join(measure.COLUMNS)} FROM input('created_timestamp "
    "DateTime64(3, ''UTC''), game_instance_id UInt64, user_id String, game_id UInt64, "
    + ", ".join(f"{name} Decimal(18, 6)" for name in measure.AMOUNTS)
    + ", game_name String, provider String, upload_id UUID, row_number UInt64') FORMAT Avro"
)


def by_roundhouse(server: Server, file: pathlib.Path) -> Run:
    stored = measure.store(server, Body(file))
    return Run(
        seconds=stored.seconds,
        cpu_s=stored.usage.server_cpu_s + stored.usage.engine_cpu_s,
        peak_memory_bytes=stored.peak_memory_bytes,
        rows=int(stored.totals[0]),
        sums=stored.totals[1:],
    )


def by_contender(server: Server, script: str, *arguments: object) -> Run:
    """Into the tables of a server that has nothing else to do."""
    info = server.clickhouse()
    query = urllib.parse.urlencode({"database": info["database"], "wait_end_of_query": "1", **measure.PLAIN})
    connection = [f"{info['url']}/?{query}", info["user"], info["password"], INSERT]
    before = server.usage()
    run = contest.own_words([PYTHON, CONTENDERS / script, *arguments, *connection])
    run.cpu_s += server.usage().since(before).engine_cpu_s
    count, *sums = measure.table_totals(server, "hourly")
    contest.check_same({script: [run], "hourly": [Run(0, 0, 0, int(count), sums)]})
    return run


def measure_embedded(
    binary: pathlib.Path, file: pathlib.Path, scratch: pathlib.Path, repeats: int
) -> dict[str, dict]:
    def ours() -> Run:
        with Server(binary, scratch / "ours-small") as server:
            return by_roundhouse(server, file)

    def theirs() -> Run:
        with Server(binary, scratch / "theirs-small") as server:
            return by_contender(server, "whole_way.py", file, SCHEMA, scratch / "small.avro")

    return contest.compete({OURS: ours, "pandas and fastavro": theirs}, repeats)


def measure_kafka(
    binary: pathlib.Path, file: pathlib.Path, running: Stack, scratch: pathlib.Path, repeats: int
) -> dict[str, dict]:
    """Ours goes onto two shards, the script's rows into one ClickHouse. Processor time is without that of the brokers,
    and ours without that of the shards."""
    numbers = itertools.count()

    def ours() -> Run:
        running.drop_tables()
        with Server(binary, scratch / "ours-small", running.environment(f"small-{next(numbers)}")) as server:
            return by_roundhouse(server, file)

    def theirs() -> Run:
        kafka = [running.env["STACK_KAFKA"], running.env["STACK_REGISTRY"], f"script-{next(numbers)}"]
        with Server(binary, scratch / "theirs-small") as server:
            return by_contender(server, "kafka_way.py", file, SCHEMA, *kafka)

    return contest.compete({OURS: ours, "pandas, fastavro and confluent-kafka": theirs}, repeats)
