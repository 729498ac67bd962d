"""Measures roundhouse against what else does the same, on the same machine in the same minutes: `make bench`.

  bench/run.py                 the whole measurement; about half an hour, 50 GB of scratch space
  bench/run.py --smoke         100,000 rows, once: shows in seconds that all of it still works

All sides take turns, and servers start on empty data directories, so that whatever else the machine does
falls on each; what counts are the ratios. The figures go to build/bench as JSON and Markdown.
"""

import argparse
import dataclasses
import datetime
import json
import os
import pathlib
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable

import answers
import avro_records
import by_script
import contest
import goals
import measure
import report
import sizes
import through_kafka
import typed_columns
from contest import ratio_of, spread
from server import Body, Server

ROOT = pathlib.Path(__file__).resolve().parent.parent
FULL_ROWS = 2_101_934
SMOKE_ROWS = 100_000


def machine() -> dict:
    lines = pathlib.Path("/proc/cpuinfo").read_text().splitlines()
    model = next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), "unknown")
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {"processor": model, "cores": os.cpu_count(), "memory_bytes": memory, "kernel": platform.release()}


def small_rows(rows: int) -> int:
    return rows // 10


@dataclasses.dataclass
class Files:
    utf16: pathlib.Path
    utf8: pathlib.Path
    small: pathlib.Path  # UTF-8, for those that need a minute for the others


def make_files(binary: pathlib.Path, rows: int, scratch: pathlib.Path) -> Files:
    files = Files(*(scratch / f"rounds-{name}.csv" for name in ("utf16", "utf8", "small")))
    measure.generate(binary, rows, "utf-16be", files.utf16)
    measure.generate(binary, rows, "utf-8", files.utf8)
    measure.generate(binary, small_rows(rows), "utf-8", files.small)
    return files


def one_repeat(binary: pathlib.Path, files: Files, scratch: pathlib.Path, ours_first: bool) -> dict:
    """Both sides once, each on an engine of its own that has never held a row."""
    result = {"load_average": os.getloadavg()[0]}

    def ours() -> None:
        with Server(binary, scratch / "ours") as server:
            result["stored"] = measure.store(server, Body(files.utf16))
            if measure.table_totals(server, "hourly")[0] != result["stored"].totals[0]:
                raise RuntimeError("hourly lacks rows")
            result["reconciled"] = measure.reconcile(server, result["stored"].upload_id, files.utf8)
        with Server(binary, scratch / "ours-utf8") as server:
            result["stored_utf8"] = measure.store(server, Body(files.utf8))

    def theirs() -> None:
        with Server(binary, scratch / "theirs") as server:
            result["inserted"] = measure.insert_by_clickhouse(server, files.utf8, measure.PLAIN)
        with Server(binary, scratch / "tuned") as server:
            result["tuned"] = measure.insert_by_clickhouse(server, files.utf8, measure.TUNED)

    for side in (ours, theirs) if ours_first else (theirs, ours):
        side()
    sums = [float(x) for x in result["stored"].totals], [float(x) for x in result["inserted"].totals]
    if sums[0] != sums[1]:
        raise RuntimeError(f"the two sides hold different figures: {result}")
    return result


def kafka_summary(repeats: list[through_kafka.Repeat]) -> dict:
    def column(name: str) -> list[float]:
        return [getattr(repeat, name) for repeat in repeats]

    return {
        "repeats": len(repeats),
        "publish_alone_s": spread(column("publish_alone_s")),
        "publish_s": spread(column("publish_s")),
        "raw_s": spread(column("raw_s")),
        "publish_alone_rate_ratio": ratio_of(column("raw_s"), column("publish_alone_s")),
        "publish_rate_ratio": ratio_of(column("raw_s"), column("publish_s")),
        "kafka_s": spread(column("kafka_s")),
        "embedded_s": spread(column("embedded_s")),
        "kafka_ratio": ratio_of(column("kafka_s"), column("embedded_s")),
        "peak_memory_bytes": spread(column("peak_memory_bytes")),
    }


def through_the_stack(binary: pathlib.Path, files: Files, scratch: pathlib.Path, repeats: int) -> dict:
    with through_kafka.stack(scratch / "stack") as stack:
        through_kafka.warm_up(binary, files.utf16, stack, scratch, 3 * repeats)
        results = [through_kafka.one_repeat(binary, files.utf16, stack, scratch, i) for i in range(repeats + 1)]
        script = by_script.measure_kafka(binary, files.small, stack, scratch, repeats)
    return kafka_summary(results[1:]) | {"by_script": script}


def summary(repeats: list[dict], rows: int) -> dict:
    stored, utf8 = [r["stored"] for r in repeats], [r["stored_utf8"] for r in repeats]
    inserted, reconciled = [r["inserted"] for r in repeats], [r["reconciled"] for r in repeats]
    tuned = [r["tuned"] for r in repeats]
    ours_cpu = [s.usage.server_cpu_s + s.usage.engine_cpu_s for s in stored]
    theirs_cpu = [i.usage.server_cpu_s + i.usage.engine_cpu_s for i in inserted]
    return {
        "commit": subprocess.run(
            ["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=False
        ).stdout.strip(),
        "machine": machine(),
        "load_average": spread([r["load_average"] for r in repeats]),
        "rows": rows,
        "repeats": len(repeats),
        "store_s": spread([s.seconds for s in stored]),
        "store_utf8_s": spread([s.seconds for s in utf8]),
        "insert_s": spread([i.seconds for i in inserted]),
        "tuned_insert_s": spread([t.seconds for t in tuned]),
        "store_ratio": ratio_of([s.seconds for s in stored], [i.seconds for i in inserted]),
        "store_tuned_ratio": ratio_of([s.seconds for s in stored], [t.seconds for t in tuned]),
        "store_utf8_ratio": ratio_of([s.seconds for s in utf8], [i.seconds for i in inserted]),
        "stages_s": {
            name: spread([s.stages_s.get(name, 0.0) for s in stored]) for name in ("receive", "publish", "store")
        },
        "server_cpu_s": spread([s.usage.server_cpu_s for s in stored]),
        "engine_cpu_s": spread([s.usage.engine_cpu_s for s in stored]),
        "store_cpu_s": spread(ours_cpu),
        "insert_cpu_s": spread(theirs_cpu),
        "cpu_ratio": ratio_of(ours_cpu, theirs_cpu),
        "store_written_bytes": spread([s.usage.written_bytes for s in stored]),
        "insert_written_bytes": spread([i.usage.written_bytes for i in inserted]),
        "disk_bytes": stored[-1].disk_bytes,
        "reconcile_s": spread([r.seconds for r in reconciled]),
        "join_by_hand_s": spread([r.by_hand_s for r in reconciled]),
        "reconcile_ratio": ratio_of([r.seconds for r in reconciled], [r.by_hand_s for r in reconciled]),
        "peak_memory_bytes": spread([s.peak_memory_bytes for s in stored]),
    }


def micro_benchmarks(directory: pathlib.Path) -> None:
    """Google Benchmark's own output; short, since it is there to be looked at, not to be compared."""
    for binary in sorted(directory.glob("*_bench")):
        print(f"== {binary.name}", flush=True)
        subprocess.run([str(binary), "--benchmark_min_time=0.2"], check=True)


def measure_all(
    binary: pathlib.Path,
    rows: int,
    repeats: int,
    load: answers.Load,
    large: list[sizes.Size],
    with_kafka: bool,
    scratch: pathlib.Path,
    keep: Callable[[dict], None],
) -> dict:
    """`keep` gets what is there after each part: a later one that fails does not lose half an hour."""
    figures: dict = {}

    def add(part: dict) -> None:
        figures.update(part)
        keep(figures)

    files = make_files(binary, rows, scratch)
    add({"typed_columns": typed_columns.measure(binary, rows, files.utf8, scratch, repeats)})
    add({"avro_records": avro_records.measure(binary, files.utf8, files.small, scratch, repeats)})
    add({"by_script": by_script.measure_embedded(binary, files.small, scratch, repeats)})
    add({"answers": answers.measure_answers(binary, files.utf8, scratch, load)})
    results = []
    for i in range(repeats):
        results.append(one_repeat(binary, files, scratch, ours_first=i % 2 == 0))
        ratio = results[-1]["stored"].seconds / results[-1]["inserted"].seconds
        print(f"repeat {i + 1} of {repeats}: ratio {ratio:.2f}", file=sys.stderr, flush=True)
    add(summary(results, rows))
    add({"kafka": through_the_stack(binary, files, scratch, min(repeats, 3)) if with_kafka else None})
    add({"sizes": [sizes.measure_size(binary, size, rows, scratch) for size in large]})
    return figures


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--smoke", action="store_true", help=f"{SMOKE_ROWS:,} rows, once")
    parser.add_argument("--rows", type=int, help=f"rows of the file; default {FULL_ROWS:,}")
    parser.add_argument("--no-large", action="store_true", help="leave out the files of 10 and 50 times the rows")
    parser.add_argument("--repeats", type=int, help="default 5; through Kafka at most 3")
    parser.add_argument("--no-kafka", action="store_true", help="leave out what needs tools/stack, and Java")
    parser.add_argument("--binary", type=pathlib.Path, default=ROOT / "build" / "bin" / "roundhouse")
    parser.add_argument("--micro", type=pathlib.Path, help="directory of Google Benchmark programs to run first")
    parser.add_argument("--out", type=pathlib.Path, default=ROOT / "build" / "bench")
    options = parser.parse_args()
    if not contest.PYTHON.exists() or not contest.RUST_CSV.exists():
        parser.error("What roundhouse is measured against is not there; `make bench-deps` installs it.")
    rows = options.rows or (SMOKE_ROWS if options.smoke else FULL_ROWS)
    repeats = options.repeats or (1 if options.smoke else 5)
    large = [] if options.no_large else sizes.SMOKE if options.smoke else sizes.FULL
    options.out.mkdir(parents=True, exist_ok=True)
    if options.micro:
        micro_benchmarks(options.micro)
    started = datetime.datetime.now(datetime.UTC)

    def keep(figures: dict) -> None:
        (options.out / "bench.json").write_text(json.dumps(figures, indent=2) + "\n")

    scratch = pathlib.Path(tempfile.mkdtemp(prefix="bench-", dir=options.out))
    try:
        load = answers.Load(1, 1, 20) if options.smoke else answers.Load(5, min(repeats, 3), 1000)
        figures = measure_all(options.binary, rows, repeats, load, large, not options.no_kafka, scratch, keep)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    figures = {"started": started.isoformat(timespec="seconds"), "small_rows": small_rows(rows)} | figures
    figures["goals"] = [goal.as_json() for goal in goals.goals(figures)]
    text = report.markdown(figures)
    keep(figures)
    (options.out / "bench.md").write_text(text)
    subprocess.run(
        [contest.PYTHON, ROOT / "bench" / "plots.py", options.out / "bench.json", options.out], check=True
    )
    print(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
