"""The plots of a run: `plots.py BENCH_JSON FOLDER` writes stages.svg, throughput.svg and latencies.svg."""

import json
import pathlib
import sys

import matplotlib

matplotlib.use("svg")
matplotlib.rcParams.update({"svg.hashsalt": "bench", "svg.fonttype": "none", "font.size": 9})
from matplotlib import pyplot  # noqa: E402, after its backend is chosen

OURS, THEIRS = "#1f5f8b", "#d98e04"


def save(figure, file: pathlib.Path) -> None:
    figure.tight_layout()
    figure.savefig(file, metadata={"Date": None})
    pyplot.close(figure)


def stages(f: dict, file: pathlib.Path) -> None:
    figure, axes = pyplot.subplots(figsize=(6.4, 2.2))
    left = 0.0
    for name, shade in zip(("receive", "publish", "store"), ("#9cc3dd", "#4f8fb8", OURS), strict=True):
        took = f["stages_s"][name]["median"]
        axes.barh("roundhouse", took, left=left, color=shade, label=name)
        left += took
    axes.barh("ClickHouse's INSERT", f["insert_s"]["median"], color=THEIRS)
    axes.set_xlabel(f"seconds, {f['rows']:,} rows")
    axes.legend(ncols=3, loc="lower center", bbox_to_anchor=(0.5, 1), frameon=False)
    save(figure, file)


def throughput(f: dict, file: pathlib.Path) -> None:
    figure, axes = pyplot.subplots(figsize=(6.4, 3.2))
    usual = {"rows": f["rows"], "seconds": f["store_utf8_s"], "insert_s": f["insert_s"]}
    sizes = [usual, *f["sizes"]]
    for name, key, color in (("roundhouse", "seconds", OURS), ("ClickHouse's INSERT", "insert_s", THEIRS)):
        points = [(size["rows"], size["rows"] / size[key]["median"] / 1e6) for size in sizes if size[key]]
        axes.plot(*zip(*points, strict=True), marker="o", color=color, label=name)
    axes.set(xscale="log", xlabel="rows", ylabel="M rows a second", ylim=(0, None))
    axes.legend(frameon=False)
    save(figure, file)


def latencies(f: dict, file: pathlib.Path) -> None:
    figure, axes = pyplot.subplots(figsize=(6.4, 3.2))
    loads = f["answers"]["latencies"]
    clients = [load["clients"] for load in loads]
    for name, color in (("roundhouse", OURS), ("clickhouse", THEIRS)):
        for key, line in (("p50_s", "-"), ("p90_s", "--"), ("p99_s", ":")):
            took = [load[name][key]["median"] * 1e3 for load in loads]
            axes.plot(clients, took, line, marker="o", color=color, label=f"{name} {key[:-2]}")
    axes.set(xscale="log", yscale="log", xlabel="clients", ylabel="ms")
    axes.set_xticks(clients, [str(count) for count in clients])
    axes.legend(frameon=False, ncols=2)
    save(figure, file)


if __name__ == "__main__":
    figures, folder = json.loads(pathlib.Path(sys.argv[1]).read_text()), pathlib.Path(sys.argv[2])
    stages(figures, folder / "stages.svg")
    throughput(figures, folder / "throughput.svg")
    latencies(figures, folder / "latencies.svg")
