"""The whole way, embedded, against a script of pandas and fastavro: CSV → checked rows → Avro file → ClickHouse
with its rollups, on a file small enough that the script takes seconds."""

import pathlib
import urllib.parse

import contest
import measure
from avro_records import SCHEMA
from contest import CONTENDERS, OURS, PYTHON, Run
from server import Body, Server

INSERT = (
    f"INSERT INTO game_rounds (upload_id, row_number, part, {', '.join(measure.COLUMNS)}) "
    f"SELECT upload_id, row_number, 0, {', '.join(measure.COLUMNS)} FROM input('created_timestamp "
    "DateTime64(3, ''UTC''), game_instance_id UInt64, user_id String, game_id UInt64, "
    + ", ".join(f"{name} Decimal(18, 6)" for name in measure.AMOUNTS)
    + ", game_name String, provider String, upload_id UUID, row_number UInt64') FORMAT Avro"
)


def by_roundhouse(binary: pathlib.Path, file: pathlib.Path, scratch: pathlib.Path) -> Run:
    with Server(binary, scratch / "ours-small") as server:
        stored = measure.store(server, Body(file))
    used = stored.usage
    return Run(
        seconds=stored.seconds,
        cpu_s=used.server_cpu_s + used.engine_cpu_s,
        peak_memory_bytes=stored.peak_memory_bytes,
        rows=int(stored.totals[0]),
        sums=stored.totals[1:],
    )


def by_pandas(binary: pathlib.Path, file: pathlib.Path, scratch: pathlib.Path) -> Run:
    avro = scratch / "pandas.avro"
    with Server(binary, scratch / "pandas") as server:
        info = server.clickhouse()
        query = urllib.parse.urlencode({"database": info["database"], "wait_end_of_query": "1", **measure.PLAIN})
        arguments = [file, SCHEMA, avro, f"{info['url']}/?{query}", info["user"], info["password"], INSERT]
        before = server.usage()
        run = contest.own_words([PYTHON, CONTENDERS / "whole_way.py", *arguments])
        run.cpu_s += server.usage().since(before).engine_cpu_s
        count, *sums = measure.table_totals(server, "hourly")
    avro.unlink()
    stored = Run(0, 0, 0, int(count), sums)
    contest.check_same({"pandas": [run], "stored": [stored]})
    return run


def measure_whole_way(
    binary: pathlib.Path, file: pathlib.Path, scratch: pathlib.Path, repeats: int
) -> dict[str, dict]:
    contenders = {
        OURS: lambda: by_roundhouse(binary, file, scratch),
        "pandas and fastavro": lambda: by_pandas(binary, file, scratch),
    }
    return contest.compete(contenders, repeats)
