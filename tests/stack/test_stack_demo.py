"""`make stack-demo` shows true figures, and whatever happens in it, nothing of it is left."""

import csv
import io
import os
import pathlib
import subprocess
from decimal import Decimal

import csv_oracle
import pytest
from native_stack import ROOT, Stack
from rounds import AMOUNTS

DEMO = ROOT / "tools" / "stack_demo.sh"


def run_demo(folder: pathlib.Path, **environment: str) -> subprocess.CompletedProcess:
    given = {**os.environ, "TMPDIR": str(folder), **environment}
    return subprocess.run([DEMO], env=given, capture_output=True, text=True, timeout=500, check=False)


@pytest.fixture
def folder(tmp_path):
    """Where the demo makes its scratch folder; nothing may be in it afterwards, and nothing may run there."""
    yield tmp_path
    try:
        assert list(tmp_path.iterdir()) == []
    finally:
        for scratch in tmp_path.iterdir():
            Stack(scratch / "stack").run("down")
    assert Stack(tmp_path).processes() == []


def section(output: str, title: str) -> list[str]:
    return output.partition(title)[2].partition("\n\n")[0].splitlines()[1:]


def rows_of(table: list[str]) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO("\n".join(table))))


def test_it_shows_the_figures_of_its_file(folder):
    done = run_demo(folder)
    assert done.returncode == 0, done.stdout + done.stderr
    command = [ROOT / "build" / "bin" / "roundhouse", "generate", "--rows", "200000", "--bad-share", "0.001"]
    content = subprocess.run([*command, "--seed", "1"], capture_output=True, check=True).stdout
    judged = judged_lines(content.decode("utf-16-be", errors="surrogatepass"))
    good = [row for row in judged.values() if row]

    assert f"200,000 read = {len(good):,} accepted + {200_000 - len(good)} rejected" in done.stdout
    assert "matched: every accepted row is counted exactly once" in done.stdout
    for name, total in csv_oracle.totals(judged).items():
        (line,) = [line for line in section(done.stdout, "7. Reconcile") if line.startswith(name)]
        assert [Decimal(figure) for figure in line.split()[1:]] == [total] * 3, name
    for title, key, column, period in (
        ("5. Hourly", "player_id", "user_id", "hour"),
        ("6. Daily", "game_id", "game_id", "day"),
    ):
        table = rows_of(section(done.stdout, title))
        assert table
        for shown in table:
            of_row = [row for row in good if str(row[column]) == shown[key] and is_in(row, shown, period)]
            assert int(shown["rounds"]) == len(of_row)
            for name in AMOUNTS:
                assert Decimal(shown[name]) == sum(row[name] for row in of_row), (shown, name)
    shards = section(done.stdout, "8. Where")
    assert len(shards) == 2
    assert sum(int(line.split()[0]) for line in shards) == len(good)


def judged_lines(content: str) -> dict[int, dict | None]:
    """Of the lines whose quoting and characters are sound; the generated file has one record a line."""
    return csv_oracle.read("\n".join(line for line in content.splitlines() if is_sound(line))).rows


def is_sound(line: str) -> bool:
    try:
        list(csv.reader([line], strict=True))
    except csv.Error:
        return False
    return not any("\ud800" <= character <= "\udfff" for character in line)


def is_in(row: dict, shown: dict[str, str], period: str) -> bool:
    moment = row["created_timestamp"]
    if period == "day":
        return f"{moment:%Y-%m-%d}" == shown["day"]
    return f"{moment:%Y-%m-%dT%H}:00:00Z" == shown["hour"] and str(row["game_id"]) == shown["game_id"]


def test_it_fails_when_the_server_dies_and_leaves_nothing(folder):
    done = run_demo(folder, ROUNDHOUSE_KILL_AT="stored_before_ledger")
    assert done.returncode != 0
    assert "3. Upload it" in done.stdout and "matched" not in done.stdout
