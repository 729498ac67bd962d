"""What is to be reached, as ratios of one run, and what was."""

import dataclasses
from collections.abc import Iterator

READERS = ["duckdb", "pyarrow", "polars", "clickhouse"]
KAFKA = ["kafka_ratio", "publish_alone_rate_ratio"]
MEMORY_BYTES_MAX = 200_000_000


@dataclasses.dataclass
class Goal:
    work: str
    reached: float | None  # None: it was not measured
    least: float | None = None  # one of the two is given
    most: float | None = None
    unit: str = "times"

    @property
    def bound(self) -> float:
        return self.least if self.least is not None else self.most

    @property
    def met(self) -> bool | None:
        if self.reached is None:
            return None
        return self.reached >= self.bound if self.least is not None else self.reached <= self.bound

    def as_json(self) -> dict:
        return dataclasses.asdict(self) | {"met": self.met}

    def row(self) -> str:
        if self.reached is None:
            verdict = "not measured"
        elif self.met:
            verdict = "met"
        else:
            verdict = f"not met, by {abs(self.reached - self.bound) / self.bound:.0%}"
        sign = "≥" if self.least is not None else "≤"
        reached = "" if self.reached is None else f"{self.reached:.2f}"
        return f"| {self.work} | {sign} {self.bound:g} {self.unit} | {reached} | {verdict} |"


def of_columns(f: dict) -> Iterator[Goal]:
    one, other = f["one_thread"], f["inputs"]
    for name in READERS:
        yield Goal(f"CSV to typed columns, 1 thread: faster than {name}", one[name]["ratio"]["median"], least=6)
    threads = other["two_threads"]["rate_ratio"]["median"]
    yield Goal("row rate with 2 threads, against 1", threads, least=1.8)
    for name, least in (("utf-16be", 0.8), ("windows-1252", 0.8), ("all_bad", 0.5)):
        yield Goal(f"row rate of {name} input, against UTF-8", other[name]["rate_ratio"]["median"], least=least)


def of_answers(f: dict) -> Iterator[Goal]:
    for load in f["latencies"]:
        work = f"aggregates at {load['clients']} at a time, p99, against ClickHouse straight"
        yield Goal(work, load["p99_ratio"]["median"], most=1.2)
    yield Goal("a game's page against a player's", f["by_game"]["ratio"]["median"], most=1.5)
    # As fast as: within what two medians of the same request differ.
    deep = f["deep_page"]
    yield Goal(f"page {deep['page']:,} against page 1", deep["ratio"]["median"], most=1.1)
    yield Goal(
        "rate of all hourly rows as CSV, against ClickHouse's", f["export"]["rate_ratio"]["median"], least=0.8
    )
    yield Goal("start on an empty data directory", f["start_s"]["median"], most=1.0, unit="s")


def of_sizes(f: dict) -> Iterator[Goal]:
    for size in [{"rows": f["rows"], "peak_memory_bytes": f["peak_memory_bytes"]["most"]}, *f["sizes"]]:
        megabytes = size["peak_memory_bytes"] / 1e6
        yield Goal(
            f"memory of the server at {size['rows']:,} rows", megabytes, most=MEMORY_BYTES_MAX / 1e6, unit="MB"
        )
    if f["sizes"]:
        largest = f["sizes"][-1]
        a_row = largest["seconds"]["median"] / largest["rows"]
        ratio = a_row / (f["store_utf8_s"]["median"] / f["rows"])
        yield Goal(f"time a row of {largest['rows']:,}, against {f['rows']:,}", ratio, most=1.1)
        restart_s = largest["restart_s"]["median"]
        yield Goal(f"start with {largest['rows']:,} rows", restart_s, most=2.0, unit="s")


def goals(f: dict) -> list[Goal]:
    records = f["avro_records"]["full"]["clickhouse"]["ratio"]["median"]
    kafka = {name: f["kafka"][name]["median"] for name in KAFKA} if f["kafka"] else dict.fromkeys(KAFKA)
    return [
        *of_columns(f["typed_columns"]),
        Goal("CSV to Avro records, 1 thread: faster than ClickHouse", records, least=10),
        Goal(
            "whole way, embedded, against ClickHouse's INSERT of the same CSV",
            f["store_utf8_ratio"]["median"],
            most=0.6,
        ),
        Goal("whole way through Kafka onto 2 shards, against embedded", kafka["kafka_ratio"], most=1.5),
        Goal(
            "rate of publishing into Kafka, against librdkafka alone", kafka["publish_alone_rate_ratio"], least=0.5
        ),
        Goal("reconciliation, against a full outer join by hand", f["reconcile_ratio"]["median"], most=1.0),
        *of_answers(f["answers"]),
        *of_sizes(f),
    ]
