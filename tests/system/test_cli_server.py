"""The client commands against a running server."""

import json
import os
import subprocess
from decimal import Decimal

import pytest
import rounds
from conftest import BINARY


@pytest.fixture
def run(server):
    def ended(*arguments, code: int = 0, stdin: bytes = b""):
        env = {**os.environ, "ROUNDHOUSE_SERVER": server.url}
        done = subprocess.run(
            [str(BINARY), *map(str, arguments)], input=stdin, capture_output=True, env=env, check=False
        )
        assert done.returncode == code, (done.returncode, done.stdout[-2000:], done.stderr[-2000:])
        return done

    def call(*arguments, **how) -> str:
        return ended(*arguments, **how).stdout.decode()

    call.errors = lambda *arguments, **how: ended(*arguments, **how).stderr.decode()
    return call


@pytest.fixture
def file(tmp_path, rng):
    rows = rounds.make_rows(rng, 500)
    path = tmp_path / "rounds.csv"
    path.write_bytes(rounds.to_csv(rows).encode())
    return path, rows


def test_upload_waits_until_stored_and_aggregates_show_it(run, file):
    path, rows = file
    upload = json.loads(run("upload", "--json", path))
    assert upload["state"] == "stored" and upload["duplicate"] is False
    assert upload["id"] == json.loads(run("check", "--json", path))["id"]
    assert json.loads(run("upload", "--json", path))["duplicate"] is True
    arguments = [word for player in {row[2] for row in rows} for word in ("--player-id", player)]
    page = json.loads(run("aggregates", *arguments, "--all", "--limit", 7, "--json"))
    figures = [
        (row["player_id"], row["game_id"], row["hour"], row["rounds"], Decimal(row["real_amount_bet"]))
        for row in page["data"]
    ]
    wanted = rounds.expected_hourly(rows)
    assert len(figures) == len(wanted) and sum(f[3] for f in figures) == 500
    assert sum(f[4] for f in figures) == sum(w[4] for w in wanted)
    lines = run("aggregates", *arguments, "--all", "--limit", 7).splitlines()
    assert len(lines) == len(wanted) + 1 and lines[0].startswith("player_id,game_id,hour,rounds,")


def test_upload_from_standard_input_with_rejects(run, file):
    _path, rows = file
    rows[7][0] = "yesterday"
    content = rounds.to_csv(rows).encode()
    upload = json.loads(run("upload", "--strict", "--json", "--filename", "piped.csv", "-", code=3, stdin=content))
    assert upload["state"] == "stored" and upload["rows"]["rejected"] == 1
    assert upload["filename"] == "piped.csv"
    page = json.loads(run("rejects", upload["id"], "--json"))
    assert [reject["row"] for reject in page["data"]] == [8]
    header, line = run("rejects", upload["id"]).splitlines()
    assert header == "line,row,column,code,value,detail"
    assert line.startswith("9,8,created_timestamp,bad_timestamp,yesterday,")
    assert upload["id"] in run("uploads", "--filename", "piped.csv")


def test_reconcile_matches_and_finds(run, file):
    path, _rows = file
    upload = json.loads(run("upload", "--json", path))
    report = json.loads(run("reconcile", upload["id"], "--json"))
    assert report["verdict"] == "matched" and report["discrepancies"] == 0
    assert "matched" in run("reconcile", upload["id"])


def test_reconcile_refuses_negative_amounts_unless_told_otherwise(run, tmp_path, rng):
    rows = rounds.make_rows(rng, 20, hours=1)
    for row in rows:
        row[9] = f"Negative {rows[0][2]}"
    rows[3][4] = "-1.5"
    statement = tmp_path / "statement.csv"
    statement.write_bytes(rounds.to_csv(rows).encode())
    run("upload", "--allow-negative", statement)
    assert "matched" in run("reconcile", "--allow-negative", statement)
    text = run("reconcile", statement, code=4)
    assert "20 read = 19 accepted + 1 rejected" in text and "warning: 1 rows of the statement" in text
    assert "with --allow-negative" in text


def test_void_and_delete(run, file):
    path, _ = file
    upload = json.loads(run("upload", "--json", path))
    run("delete", upload["id"], code=1)
    run("cancel", upload["id"], code=1)
    run("void", upload["id"])
    version = json.loads(run("uploads", upload["id"], "--json"))["voided_version"]
    assert f"not in the figures from version {version} on" in run("uploads", upload["id"])
    header, line = (line.split(",") for line in run("uploads", "--limit", 1).splitlines())
    assert dict(zip(header, line, strict=True))["voided_version"] == str(version)
    # What the server calls a parameter is a flag here.
    assert "Say --allow-duplicate LABEL" in run.errors("upload", path, code=1)
    trial = json.loads(run("upload", "--dry-run", "--json", path))
    assert trial["state"] == "checked"
    assert json.loads(run("delete", trial["id"], "--json"))["state"] == "deleted"
    run("uploads", trial["id"], code=1)


def test_clickhouse_info_and_migrate(run, server):
    owner = json.loads(run("clickhouse", "info", "--data", server.data, "--json"))
    reader = json.loads(run("clickhouse", "info", "--data", server.data, "--read-only", "--json"))
    assert set(owner) == {"url", "user", "password", "database"}
    assert owner["url"].count("/") == 2 and owner["url"] == reader["url"]
    assert owner["user"] != reader["user"] and owner["password"] != reader["password"]
    assert json.loads(run("migrate", "--data", server.data, "--json"))["applied"]


def test_no_rows_is_said(run):
    assert run("aggregates", "--player-id", "nobody") == ""
    assert "There are no such rows." in run.errors("aggregates", "--player-id", "nobody")


def test_a_failed_reconciliation_prints_no_figures(run, file, tmp_path):
    _, rows = file
    many = [[*row[:9], f"provider {i}"] for i, row in enumerate(rows * 3)]
    statement = tmp_path / "statement.csv"
    statement.write_bytes(rounds.to_csv(many).encode())
    assert run("reconcile", statement, code=1) == ""
    assert "provider" in run.errors("reconcile", statement, code=1)
