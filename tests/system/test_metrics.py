"""/metrics, read by Prometheus' own parser and compared with what the uploads say of themselves."""

import collections
import os
import signal
import time
from datetime import datetime

from prometheus_client.parser import text_string_to_metric_families
from roundhouse import ROOT
from rounds import make_rows, to_csv


def scrape(server) -> dict[tuple, float]:
    """Value by the sample's name and labels."""
    text = server.get("/metrics").text
    families = list(text_string_to_metric_families(text))
    assert len({family.name for family in families}) == len(families) == text.count("# TYPE ")
    assert all(family.name.startswith("roundhouse_") and family.documentation for family in families)
    samples = [sample for family in families for sample in family.samples]
    values = {(sample.name, *sorted(sample.labels.items())): sample.value for sample in samples}
    assert len(values) == len(samples)
    return values


def scrape_until(server, condition, timeout: float = 60) -> dict[tuple, float]:
    """A stage is counted a moment after its upload can be seen to have left it."""
    deadline = time.monotonic() + timeout
    while not condition(values := scrape(server)):
        assert time.monotonic() < deadline, values
        time.sleep(0.05)
    return values


def by_label(values: dict[tuple, float], name: str, label: str) -> dict[str, float]:
    return {key[1][1]: value for key, value in values.items() if key[0] == name and key[1][0] == label}


def stage_counts(values: dict[tuple, float]) -> dict[str, float]:
    return by_label(values, "roundhouse_stage_seconds_count", "stage")


def check_histograms(values: dict[tuple, float]) -> None:
    """Each grows with its bounds, and its last bucket is its count."""
    histograms = collections.defaultdict(list)
    for (name, *labels), value in values.items():
        if name.endswith("_bucket"):
            bound = float(dict(labels)["le"])
            rest = tuple(label for label in labels if label[0] != "le")
            histograms[(name.removesuffix("_bucket"), *rest)].append((bound, value))
    for (name, *labels), buckets in histograms.items():
        counts = [count for _, count in sorted(buckets)]
        assert counts == sorted(counts)
        assert counts[-1] == values[(f"{name}_count", *labels)]
        assert values[(f"{name}_sum", *labels)] >= 0
    stages = {key[1:] for key in histograms if key[0] == "roundhouse_stage_seconds"}
    assert stages == {(("stage", stage),) for stage in ("receive", "publish", "store")}


def reject_codes() -> set[str]:
    """Those that the documentation of the format lists."""
    text = (ROOT / "docs" / "formats" / "csv.md").read_text()
    table = text.split("| code | ")[1].split("\n\n")[0]
    return {line.split("`")[1] for line in table.splitlines() if line.startswith("| `")}


def spoil(rows, rng):
    """Four of the rows, with one fault each or two."""
    first, second, third, fourth = rng.sample(range(len(rows)), 4)
    rows[first][0] = "yesterday"
    rows[second][0], rows[second][4] = "never", "12,5 EUR"
    rows[third][4] = "free"
    rows[fourth] = rows[fourth][:5]
    return rows


def test_counts_are_those_of_the_uploads(start_server, rng):
    server = start_server()
    before = scrape(server)
    check_histograms(before)
    assert by_label(before, "roundhouse_rejects_total", "code") == dict.fromkeys(reject_codes(), 0)
    assert stage_counts(before) == {"receive": 0, "publish": 0, "store": 0}
    for name in ("rejected_rows_total", "oldest_waiting_upload_seconds", "last_stored_timestamp_seconds"):
        assert before[(f"roundhouse_{name}",)] == 0

    good = to_csv(make_rows(rng, 300))
    bad = to_csv(spoil(make_rows(rng, 200), rng))
    refused = to_csv(spoil(make_rows(rng, 100), rng))
    uploads = [
        server.stored(good),
        server.wait_final(server.upload(bad, dry_run="true").json()["id"]),
        server.wait_final(server.upload(refused, max_errors="3").json()["id"]),
        server.stored(bad),
    ]
    assert [upload["state"] for upload in uploads] == ["stored", "checked", "refused", "stored"]
    assert server.upload(good).json()["duplicate"] is True
    assert server.upload(b"no header\n1\n").status_code == 422

    values = scrape_until(server, lambda values: stage_counts(values)["store"] == 2)
    check_histograms(values)
    assert sum(value for key, value in values.items() if key[0] == "roundhouse_http_request_seconds_count") > 6
    assert stage_counts(values) == {"receive": 4, "publish": 4, "store": 2}
    rows, faults = collections.Counter(), collections.Counter()
    for upload in uploads:
        rows.update(upload["rows"])
        faults.update(upload["faults"])
    assert rows["rejected"] == 12 and faults.total() == 15
    assert values[("roundhouse_validated_rows_total",)] == rows["read"]
    assert values[("roundhouse_rejected_rows_total",)] == rows["rejected"]
    shown = by_label(values, "roundhouse_rejects_total", "code")
    assert shown.keys() == reject_codes()
    assert {code: count for code, count in shown.items() if count} == faults

    stored_at = datetime.fromisoformat(uploads[-1]["finished_at"]).timestamp()
    assert values[("roundhouse_last_stored_timestamp_seconds",)] == stored_at
    assert values[("roundhouse_oldest_waiting_upload_seconds",)] == 0
    text = server.get("/metrics").text
    assert not any(upload["id"] in text for upload in uploads)

    server.stop()
    server.start()
    after = scrape(server)
    assert after[("roundhouse_last_stored_timestamp_seconds",)] == stored_at
    assert after[("roundhouse_rejected_rows_total",)] == 0


def test_what_is_not_stored_grows_old(start_server, rng):
    server = start_server()
    engine = server.clickhouse_pid()
    os.kill(engine, signal.SIGSTOP)
    try:
        upload_id = server.upload(to_csv(make_rows(rng, 100)), wait=None).json()["id"]
        age = ("roundhouse_oldest_waiting_upload_seconds",)
        first = scrape_until(server, lambda values: values[age] > 0)
        assert server.get(f"/v1/uploads/{upload_id}").json()["state"] == "storing"
        assert stage_counts(first) == {"receive": 1, "publish": 1, "store": 0}
        scrape_until(server, lambda values: values[age] > first[age])
    finally:
        os.kill(engine, signal.SIGCONT)
    assert server.wait_final(upload_id)["state"] == "stored"
    values = scrape_until(server, lambda values: stage_counts(values)["store"] == 1)
    assert values[age] == 0 and values[("roundhouse_last_stored_timestamp_seconds",)] > 0
