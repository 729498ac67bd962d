"""CSV bytes → validated typed columns: the reader alone against the readers that a user would take instead."""

import functools
import pathlib
import subprocess

import contest
from contest import AMOUNTS, CONTENDERS, JUDGE_FILE, OURS, PYTHON, RUST_CSV, Run

TEXTS = ", ".join(f"{name} String" for name in AMOUNTS)
STRUCTURE = (
    f"created_timestamp DateTime64(3, ''UTC''), game_instance_id UInt64, user_id String, game_id UInt64, {TEXTS}, "
    "game_name String, provider String"
)
TYPED = ", ".join(f"toDecimal64OrZero({name}, 6) AS typed_{name}" for name in AMOUNTS)


def rows_by_clickhouse(file: pathlib.Path, columns: str) -> str:
    return f"SELECT {columns} FROM file('{file}', 'CSVWithNames', '{STRUCTURE}')"


def columns_by_clickhouse(binary: pathlib.Path, file: pathlib.Path, threads: int) -> Run:
    columns = f"created_timestamp, game_instance_id, user_id, game_id, {TYPED}, game_name, provider"
    return contest.clickhouse(binary, rows_by_clickhouse(file, columns) + " FORMAT Null", threads)


def totals_by_clickhouse(binary: pathlib.Path, file: pathlib.Path) -> Run:
    """What ClickHouse reads in the file, for the comparison with what the others read."""
    sums = ", ".join(f"toDecimalString(sum(toDecimal64OrZero({name}, 6)), 6)" for name in AMOUNTS)
    sql = rows_by_clickhouse(file, f"count(), {sums}") + " FORMAT TSV"
    out, _, run = contest.process([binary, "clickhouse", "local", "--query", sql])
    count, *run.sums = out.split()
    run.rows = int(count)
    return run


def judged(encoding: str, file: pathlib.Path, threads: int = 1) -> Run:
    return contest.own_words([JUDGE_FILE, threads, encoding, file])


def contenders(binary: pathlib.Path, file: pathlib.Path, threads: int) -> dict:
    def python(name: str) -> functools.partial:
        script = [PYTHON, CONTENDERS / "typed_columns.py", name, file, threads]
        return functools.partial(contest.own_words, script)

    those = {
        OURS: functools.partial(judged, "utf-8", file, threads),
        "duckdb": python("duckdb"),
        "pyarrow": python("pyarrow"),
        "polars": python("polars"),
        "clickhouse": functools.partial(columns_by_clickhouse, binary, file, threads),
    }
    if threads == 1:  # the others know no second thread
        those["rust_csv"] = functools.partial(contest.own_words, [RUST_CSV, file])
        those["python_csv"] = python("python_csv")
    return those


def inputs(binary: pathlib.Path, rows: int, utf8: pathlib.Path, scratch: pathlib.Path) -> dict:
    """How fast ours is with other encodings, and when it refuses every row, against a clean file in UTF-8."""
    files = {"utf-8": utf8}
    for name, flags in {
        "utf-16be": ["--encoding", "utf-16be"],
        "windows-1252": ["--encoding", "windows-1252"],
        "all_bad": ["--encoding", "utf-8", "--bad-share", "1"],
    }.items():
        files[name] = scratch / f"columns-{name}.csv"
        command = [str(binary), "generate", "--rows", str(rows), *flags, "--out", str(files[name])]
        subprocess.run(command, check=True, capture_output=True)
    return files


def rates(files: dict[str, pathlib.Path], repeats: int) -> dict:
    """`rate_ratio`: rows a second against those of the clean UTF-8 file on one thread, in the same repeat."""
    cases = {
        name: functools.partial(judged, "utf-8" if name == "all_bad" else name, file)
        for name, file in files.items()
    }
    cases["two_threads"] = functools.partial(judged, "utf-8", files["utf-8"], threads=2)
    seconds: dict[str, list[float]] = {name: [] for name in cases}
    for _ in range(repeats):
        for name, case in cases.items():
            seconds[name].append(case().seconds)
    return {
        name: {"seconds": contest.spread(took), "rate_ratio": contest.ratio_of(seconds["utf-8"], took)}
        for name, took in seconds.items()
    }


def measure(binary: pathlib.Path, rows: int, utf8: pathlib.Path, scratch: pathlib.Path, repeats: int) -> dict:
    ours, theirs = judged("utf-8", utf8), totals_by_clickhouse(binary, utf8)
    contest.check_same({OURS: [ours], "clickhouse": [theirs]})
    files = inputs(binary, rows, utf8, scratch)
    figures = {
        "bytes": utf8.stat().st_size,
        "one_thread": contest.compete(contenders(binary, utf8, 1), repeats),
        "two_threads": contest.compete(contenders(binary, utf8, 2), repeats),
        "inputs": rates(files, repeats),
    }
    for name, file in files.items():
        if name != "utf-8":
            file.unlink()
    return figures
