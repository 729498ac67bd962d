"""The whole way on files that are many times as large, against ClickHouse's INSERT of the same file."""

import dataclasses
import pathlib
import sys

import measure
from contest import spread
from server import Body, Server


@dataclasses.dataclass
class Size:
    times: int  # of the rows of the usual file
    repeats: int
    with_clickhouse: bool


FULL = [Size(10, 2, True), Size(50, 1, False)]
SMOKE = [Size(2, 1, True)]


def measure_size(binary: pathlib.Path, size: Size, rows: int, scratch: pathlib.Path) -> dict:
    rows *= size.times
    file = scratch / f"rounds-{rows}.csv"
    measure.generate(binary, rows, "utf-8", file)
    stored, inserted, restarts = [], [], []
    for _ in range(size.repeats):
        with Server(binary, scratch / "large") as server:
            stored.append(measure.store(server, Body(file)))
            server.restart()
            restarts.append(server.start_s)
        if size.with_clickhouse:
            with Server(binary, scratch / "large-theirs") as server:
                inserted.append(measure.insert_by_clickhouse(server, file, measure.PLAIN))
        print(f"{rows:,} rows: {stored[-1].seconds:.2f} s", file=sys.stderr, flush=True)
    file.unlink()
    return {
        "rows": rows,
        "seconds": spread([s.seconds for s in stored]),
        "cpu_s": spread([s.usage.server_cpu_s + s.usage.engine_cpu_s for s in stored]),
        "written_bytes": spread([s.usage.written_bytes for s in stored]),
        "peak_memory_bytes": max(s.peak_memory_bytes for s in stored),
        "disk_bytes": stored[-1].disk_bytes,
        "insert_s": spread([i.seconds for i in inserted]) if inserted else None,
        "restart_s": spread(restarts),
    }
