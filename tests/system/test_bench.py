"""The benchmark runs to its end on a small file, and its figures are there; how large they are is no test."""

import json
import subprocess
import sys

from roundhouse import BINARY, ROOT

ROWS = 20_000


def test_the_benchmark_runs_and_reports_every_figure(tmp_path):
    command = [sys.executable, str(ROOT / "bench" / "run.py"), "--smoke", "--rows", str(ROWS)]
    command += ["--binary", str(BINARY), "--out", str(tmp_path)]
    result = subprocess.run(command, capture_output=True, text=True, timeout=540)
    assert result.returncode == 0, result.stderr[-3000:]

    figures = json.loads((tmp_path / "bench.json").read_text())
    assert figures["rows"] == ROWS
    assert [size["rows"] for size in figures["sizes"]] == [2 * ROWS]
    for name in ("seconds", "insert_s", "restart_s"):
        assert figures["sizes"][0][name]["median"] > 0, name
    assert set(figures["stages_s"]) == {"receive", "publish", "store"}
    for name in ("store_s", "store_utf8_s", "insert_s", "reconcile_s", "join_by_hand_s", "peak_memory_bytes"):
        assert 0 < figures[name]["least"] <= figures[name]["median"] <= figures[name]["most"], name
    for name in ("store_ratio", "store_utf8_ratio", "cpu_ratio", "reconcile_ratio"):
        assert figures[name]["median"] > 0, name
    columns = figures["typed_columns"]
    everywhere = {"duckdb", "pyarrow", "polars", "clickhouse"}
    assert set(columns["one_thread"]) == everywhere | {"roundhouse", "rust_csv", "python_csv"}
    assert set(columns["two_threads"]) == everywhere | {"roundhouse"}
    for figure in (*columns["one_thread"].values(), *columns["two_threads"].values()):
        assert figure["seconds"]["median"] > 0
    assert set(columns["inputs"]) == {"utf-8", "utf-16be", "windows-1252", "all_bad", "two_threads"}
    assert all(figure["rate_ratio"]["median"] > 0 for figure in columns["inputs"].values())
    assert set(figures["avro_records"]["full"]) == {"roundhouse", "roundhouse convert", "clickhouse"}
    assert set(figures["avro_records"]["small"]) == {"roundhouse", "fastavro"}
    assert set(figures["by_script"]) == {"roundhouse", "pandas and fastavro"}
    for contest in (*figures["avro_records"].values(), figures["by_script"]):
        assert all(figure["ratio"]["median"] > 0 for figure in contest.values())
    answers = figures["answers"]
    assert [load["clients"] for load in answers["latencies"]] == [1, 8, 64]
    for load in answers["latencies"]:
        assert load["p50_ratio"]["median"] > 0 and load["p99_ratio"]["median"] > 0
    for name, ratio in (("by_game", "ratio"), ("deep_page", "ratio"), ("export", "rate_ratio")):
        assert answers[name][ratio]["median"] > 0, name
    assert answers["start_s"]["median"] > 0
    for name in (
        "publish_alone_s",
        "publish_s",
        "raw_s",
        "kafka_s",
        "embedded_s",
        "publish_alone_rate_ratio",
        "publish_rate_ratio",
        "kafka_ratio",
    ):
        assert figures["kafka"][name]["median"] > 0, name
    by_script = figures["kafka"]["by_script"]
    assert set(by_script) == {"roundhouse", "pandas, fastavro and confluent-kafka"}
    assert all(figure["ratio"]["median"] > 0 for figure in by_script.values())
    # With one repeat the ratio is that of the two figures it is made of.
    assert figures["store_ratio"]["median"] == figures["store_s"]["median"] / figures["insert_s"]["median"]

    assert len(figures["goals"]) > 20
    for goal in figures["goals"]:
        assert goal["met"] is not None, goal
        bound = goal["most"] if goal["least"] is None else goal["least"]
        assert goal["met"] == ((goal["reached"] <= bound) if goal["least"] is None else (goal["reached"] >= bound))

    for plot in ("stages", "throughput", "latencies"):
        assert "<svg" in (tmp_path / f"{plot}.svg").read_text()[:1000], plot
    table = (tmp_path / "bench.md").read_text()
    assert result.stdout.endswith(table + "\n")
    assert f"{ROWS:,} rows" in table
    assert list(tmp_path.glob("bench-*")) == [], "the scratch directory is still there"
