"""Contenders that do the same work on the same file, in turns, each in a process of its own."""

import dataclasses
import decimal
import json
import os
import pathlib
import statistics
import subprocess
import sys
import time
from collections.abc import Callable

ROOT = pathlib.Path(__file__).resolve().parent.parent
PYTHON = ROOT / "build" / "bench-venv" / "bin" / "python"
RUST_CSV = ROOT / "build" / "bench-rust" / "release" / "rust_csv"
JUDGE_FILE = ROOT / "build" / "release" / "bench" / "judge_file"
CONTENDERS = ROOT / "bench" / "contenders"
AMOUNTS = ["real_amount_bet", "bonus_amount_bet", "real_amount_win", "bonus_amount_win"]
OURS = "roundhouse"


def spread(values: list[float]) -> dict:
    return {"median": statistics.median(values), "least": min(values), "most": max(values)}


def ratio_of(ours: list[float], theirs: list[float]) -> dict:
    """Of the two sides' values of the same repeat."""
    return spread([a / b for a, b in zip(ours, theirs, strict=True)])


@dataclasses.dataclass
class Run:
    seconds: float
    cpu_s: float
    peak_memory_bytes: int
    rows: int
    sums: list[str] | None = None  # of the four amounts; None: it makes none

    def totals(self) -> tuple[int, list[decimal.Decimal]]:
        return self.rows, [decimal.Decimal(value).normalize() for value in self.sums or []]


def own_words(command: list, **environment: str) -> Run:
    """A contender that measures itself and prints the figures as a line of JSON."""
    result = subprocess.run(
        [str(word) for word in command],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | environment,
    )
    if result.returncode != 0:
        raise RuntimeError(f"{command}: {result.stderr[-2000:]}")
    known = {field.name for field in dataclasses.fields(Run)}
    return Run(**{name: value for name, value in json.loads(result.stdout).items() if name in known})


def process(command: list, stdout: int = subprocess.PIPE) -> tuple[str, str, Run]:
    """A whole process: what it prints to its two outputs, and what it used (no rows counted). Its
    peak memory is at least what this process has: Linux counts from the fork on."""
    began = time.monotonic()
    words = [str(word) for word in command]
    with subprocess.Popen(words, stdout=stdout, stderr=subprocess.PIPE, text=True) as child:
        out = child.stdout.read() if child.stdout else ""
        err = child.stderr.read()
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode != 0:
        raise RuntimeError(f"{command}: {err[-2000:]}")
    cpu_s = usage.ru_utime + usage.ru_stime
    return out, err, Run(time.monotonic() - began, cpu_s, usage.ru_maxrss * 1024, 0)


def clickhouse(binary: pathlib.Path, sql: str, threads: int) -> Run:
    """A query in `clickhouse local`, its answer thrown away: the time is the query's own; processor time and memory are those of
    the process less what one that does nothing needs."""
    command = [binary, "clickhouse", "local", "--time", "--max_threads", threads, "--query"]
    _, _, idle = process([*command, "SELECT 1"])
    _, err, run = process([*command, sql], stdout=subprocess.DEVNULL)
    memory = max(run.peak_memory_bytes - idle.peak_memory_bytes, 0)
    return Run(float(err.split()[-1]), max(run.cpu_s - idle.cpu_s, 0.0), memory, 0)


def compete(contenders: dict[str, Callable[[], Run]], repeats: int) -> dict[str, dict]:
    """Every contender once a repeat, in turns, each repeat beginning with another one; their figures by
    name. `ratio`: how many times as long as roundhouse it took, where that competes."""
    runs: dict[str, list[Run]] = {name: [] for name in contenders}
    names = list(contenders)
    for repeat in range(repeats):
        first = repeat % len(names)
        for name in names[first:] + names[:first]:
            runs[name].append(contenders[name]())
            print(f"{name}: {runs[name][-1].seconds:.2f} s", file=sys.stderr, flush=True)
    figures = {}
    for name, those in runs.items():
        figures[name] = {
            "seconds": spread([run.seconds for run in those]),
            "cpu_s": spread([run.cpu_s for run in those]),
            "peak_memory_bytes": max(run.peak_memory_bytes for run in those),
        }
        if OURS in runs:
            ours = [run.seconds for run in runs[OURS]]
            figures[name]["ratio"] = ratio_of([run.seconds for run in those], ours)
    check_same(runs)
    return figures


def check_same(runs: dict[str, list[Run]]) -> None:
    counted = {name: run.totals() for name, those in runs.items() for run in those if run.sums is not None}
    if len({str(totals) for totals in counted.values()}) > 1:
        raise RuntimeError(f"the contenders read different figures: {counted}")
