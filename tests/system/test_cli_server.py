"""The client commands against a running server."""

import csv
import http.server
import io
import json
import os
import subprocess
import threading
import time
import uuid
from decimal import Decimal

import pytest
import rounds
from roundhouse import BINARY
from topologies import ALONE, CLUSTER

pytestmark = pytest.mark.topologies(ALONE, CLUSTER)


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
    assert "20 read = 19 accepted + 1 rejected" in text and "warning: 1 row of the statement" in text
    assert "row 4: Not valid: " in text
    assert "with --allow-negative" in text and "rejected_examples" not in text
    lines = text.splitlines()
    sums = next(i for i, line in enumerate(lines) if line.startswith("real_amount_bet"))
    verdict = next(i for i, line in enumerate(lines) if line.startswith("mismatched: "))
    assert not [line for line in lines[sums:verdict] if "Not valid" in line or "warning" in line]


def test_reconcile_says_what_of_a_statement_was_not_compared(run, tmp_path, rng):
    rows = rounds.make_rows(rng, 20, hours=48)
    for row in rows:
        row[9] = f"Partly {rows[0][2]}"
    rows[3][4] = "-500"
    day = [row for row in rows if row[0].startswith("2019-10-01") and row is not rows[3]]
    statement, clean = tmp_path / "statement.csv", tmp_path / "clean.csv"
    statement.write_text(rounds.to_csv(rows))
    clean.write_text(rounds.to_csv([row for row in rows if row is not rows[3]]))
    upload = json.loads(run("upload", "--json", statement))
    whole = "matched: every row is counted exactly once"
    partly = "matched, but 1 row of the statement was not compared (1 not valid); every other row is counted"
    assert run("reconcile", "--strict", clean).splitlines()[-1] == whole
    assert json.loads(run("reconcile", "--json", clean))["filename"] == "clean.csv"
    assert run("reconcile", statement).splitlines()[-1].startswith(partly)
    assert run("reconcile", "--strict", statement, code=3).splitlines()[-1].startswith(partly)
    assert json.loads(run("reconcile", "--strict", "--json", statement, code=3))["verdict"] == "matched"
    text = run("reconcile", "--from", "2019-10-01", "--to", "2019-10-02", "--strict", statement, code=3)
    outside = len(rows) - 1 - len(day)
    assert f"{outside + 1} rows of the statement were not compared (1 not valid, {outside} out of scope)" in text
    text = run("reconcile", "--from", "2019-10-01", "--to", "2019-10-02", "--strict", clean)
    assert f"were not compared ({outside} out of scope)" in text
    accepted = "matched: every accepted row is counted exactly once"
    assert run("reconcile", upload["id"]).splitlines()[-1] == accepted
    assert run("reconcile", "--strict", upload["id"], code=3).splitlines()[-1] == accepted
    run("reconcile", "--strict", "--allow-negative", statement, code=4)  # a mismatch goes before


def test_a_correction_says_what_it_replaces(run, tmp_path, rng):
    rows = rounds.make_rows(rng, 20)
    path = tmp_path / "rounds.csv"
    path.write_text(rounds.to_csv(rows))
    first = json.loads(run("upload", "--json", path))["id"]
    rows[3][4] = "x"
    path.write_text(rounds.to_csv(rows))
    assert f"would take the place of {first}" in run("upload", "--dry-run", "--replaces", first, path)
    refused = run("upload", "--replaces", first, "--on-error", "abort", path, code=1)
    assert f"has not taken the place of {first}" in refused
    said = run("upload", "--replaces", first, path)
    assert f"takes the place of {first}, which is voided" in said
    second = json.loads(run("uploads", "--json"))["data"][0]["id"]
    assert f"takes the place of {first}, which is voided" in run("uploads", second)


def test_void_and_delete(run, file):
    path, _ = file
    upload = json.loads(run("upload", "--json", path))
    run("delete", upload["id"], code=1)
    run("cancel", upload["id"], code=1)
    run("void", upload["id"])
    said = run.errors("cancel", upload["id"], code=1)
    assert "is voided" in said and "Void it" not in said
    version = json.loads(run("uploads", upload["id"], "--json"))["voided_version"]
    assert f"not in the figures from version {version} on" in run("uploads", upload["id"])
    header, line = (line.split(",") for line in run("uploads", "--limit", 1).splitlines())
    assert dict(zip(header, line, strict=True))["voided_version"] == str(version)
    # What the server calls a parameter is a flag here.
    assert "Say --allow-duplicate LABEL" in run.errors("upload", path, code=1)
    # Its rows are good, and sent in earnest it would be refused for its void: said, by a 1.
    trial = json.loads(run("upload", "--dry-run", "--json", path, code=1))
    assert trial["state"] == "checked"
    assert "would_be_refused" in {warning["code"] for warning in trial["warnings"]}
    assert json.loads(run("delete", trial["id"], "--json"))["state"] == "deleted"
    run("uploads", trial["id"], code=1)


@pytest.mark.topologies(ALONE)  # the server's own ClickHouse
def test_clickhouse_info_and_migrate(run, server):
    owner = json.loads(run("clickhouse", "info", "--data", server.data, "--json"))
    reader = json.loads(run("clickhouse", "info", "--data", server.data, "--read-only", "--json"))
    assert set(owner) == {"url", "user", "password", "database"}
    assert owner["url"].count("/") == 2 and owner["url"] == reader["url"]
    assert owner["user"] != reader["user"] and owner["password"] != reader["password"]
    assert json.loads(run("migrate", "--data", server.data, "--json"))["applied"]


@pytest.mark.topologies(ALONE)
def test_clickhouse_info_of_a_killed_server_gives_no_password(run, start_server):
    """It left its file behind, and its port is anybody's now."""
    server = start_server("data")
    engine = server.clickhouse_pid()
    password = json.loads(run("clickhouse", "info", "--data", server.data, "--json"))["password"]
    server.kill()
    while os.path.exists(f"/proc/{engine}"):
        time.sleep(0.02)
    assert (server.data / "clickhouse" / "connection.json").exists()
    said = run("clickhouse", "info", "--data", server.data, "--json", code=5)
    assert json.loads(said)["code"] == "clickhouse_not_running" and password not in said
    assert password not in run("clickhouse", "info", "--data", server.data, code=5)
    run("migrate", "--data", server.data, code=5)
    server.start()
    assert json.loads(run("clickhouse", "info", "--data", server.data, "--json"))["password"] == password


def test_no_message_advises_what_only_an_address_needs(run):
    """A plus is written as %2B in a URL, and as it is on the command line."""
    for flag, wrong, right in (
        ("--from", "2024-01-01T02:00:00%2B02:00", "2024-01-01T02:00:00+02:00"),
        ("--timezone", "+05:30", "+05:00"),
    ):
        assert "%2B (" not in run.errors("aggregates", flag, wrong, code=2)
        assert "as %2B" not in run.errors("aggregates", flag, wrong, code=2)
        run("aggregates", flag, right, "--granularity", "day")


@pytest.mark.parametrize(
    "words",
    ["", "--granularity month", "--granularity total --group-by game_id", "--group-by none --granularity day"],
)
def test_no_rows_is_said_and_the_header_stands(run, server, words):
    words = ["--player-id", "nobody", *words.split()]
    query = {words[i].removeprefix("--").replace("-", "_"): words[i + 1] for i in range(0, len(words), 2)}
    empty = server.get("/v1/aggregates", params={**query, "format": "csv"}).text
    header = empty.splitlines()[0]
    assert run("aggregates", *words).splitlines()[0] == header
    if "none" not in words:
        assert "There are no such rows." in run.errors("aggregates", *words)


def test_a_page_says_that_there_is_more(run, file):
    run("upload", file[0])
    assert "the first 3 rows only; --all" in run.errors("aggregates", "--limit", 3)


@pytest.fixture
def statement(run, tmp_path, rng):
    """Of a provider of its own, with other amounts than were uploaded."""
    rows = rounds.make_rows(rng, 60, games=1, hours=4)
    for row in rows:
        row[9] = f"Of {rows[0][2]}"
    file, statement = tmp_path / "rounds.csv", tmp_path / "statement.csv"
    file.write_text(rounds.to_csv(rows))
    run("upload", file)
    for row in rows:
        row[4] = "1234.5"
    statement.write_text(rounds.to_csv(rows))
    return statement


def test_a_mismatch_is_printed_with_all_that_a_person_needs(run, statement):
    report = json.loads(run("reconcile", statement, "--json", code=4))
    more = report["discrepancies"] - 2
    assert more > 0
    text = run("reconcile", statement, "--show", 2, code=4)
    assert f"mismatched: {report['discrepancies']} discrepancies" in text
    shown = text.split("reconciliation ")[1].split()[0]
    assert f"… and {more} more: roundhouse discrepancies {shown} --all" in text
    assert "figures: rounds, then real bet" in text and f"at version {report['version']}" in text
    assert "1 rounds" not in text


def test_discrepancies_as_csv_are_those_of_the_api(run, server, statement):
    report = json.loads(run("reconcile", statement, "--json", code=4))
    listed = run("discrepancies", report["id"], "--all", "--limit", 7, "--format", "csv")
    answer = server.get(f"/v1/reconciliations/{report['id']}/discrepancies", headers={"Accept": "text/csv"})
    assert answer.status_code == 200
    read = [list(csv.DictReader(io.StringIO(text, newline=""))) for text in (listed, answer.text)]
    assert read[0] == read[1] and len(read[0]) == report["discrepancies"] > 7
    data = json.loads(run("discrepancies", report["id"], "--limit", 3, "--json"))["data"]
    assert [one["class"] for one in data] == [one["class"] for one in read[0][:3]]
    assert [one["stored"]["real_amount_bet"] for one in data] == [
        one["stored_real_amount_bet"] for one in read[0][:3]
    ]
    newest = json.loads(run("reconciliations", "--limit", 1, "--json"))["data"]
    assert newest == [json.loads(run("reconciliations", report["id"], "--json"))] == [report]
    text = run("reconciliations", report["id"])
    assert f"mismatched: {report['discrepancies']} discrepancies" in text and "amount_mismatch" in text
    assert report["id"] in run("reconciliations", "--format", "table")
    assert "no id of a reconciliation" in run.errors("discrepancies", "17", code=2)
    assert "There is no reconciliation" in run.errors("discrepancies", str(uuid.uuid4()), code=1)


def test_a_moved_round_shows_both_hours(run, tmp_path, rng):
    rows = rounds.make_rows(rng, 1, hours=1)
    rows[0][9] = f"Moved {rows[0][2]}"
    file, statement = tmp_path / "rounds.csv", tmp_path / "statement.csv"
    file.write_text(rounds.to_csv(rows))
    run("upload", file)
    rows[0][0] = rows[0][0].replace(" 00:", " 01:")
    statement.write_text(rounds.to_csv(rows))
    text = run("reconcile", statement, "--from", "2019-10-01", "--to", "2019-10-02", code=4)
    assert "1 round " in text and "wrong_hour" in text
    assert "T00:00:00Z" in text and "T01:00:00Z" in text


def test_a_refused_upload_is_not_waited_for_by_reconcile(run, tmp_path, rng):
    rows = rounds.make_rows(rng, 10)
    rows[3][0] = "never"
    file = tmp_path / "rounds.csv"
    file.write_text(rounds.to_csv(rows))
    upload = json.loads(run("upload", "--on-error", "abort", "--json", file, code=1))
    assert "send the file again" in run.errors("reconcile", upload["id"], code=1)
    trial = json.loads(run("upload", "--dry-run", "--json", file))
    assert "without --dry-run" in run.errors("reconcile", trial["id"], code=1)
    for row in rows:
        row[0] = "never"
    file.write_text(rounds.to_csv(rows))
    assert "no_accepted_rows" in run("upload", "--dry-run", file, code=1)


def logged_line(server, wanted) -> str:
    """A request is logged once it was answered, so a moment after its client goes on."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        for line in reversed(server.log_path.read_text().splitlines()):
            if wanted(line):
                return line
        time.sleep(0.02)
    raise AssertionError(server.log_tail())


def test_a_problem_has_its_trace_id(run, server):
    unknown = "00000000-0000-8000-8000-000000000000"
    text = run.errors("uploads", unknown, code=1)
    trace = text.split("trace_id ")[1].strip()
    assert len(trace) == 32
    logged_line(server, lambda line: trace in line)
    assert len(json.loads(run("uploads", unknown, "--json", code=1))["trace_id"]) == 32


def test_a_file_that_fails_is_named_in_json_and_the_others_go_on(run, file, tmp_path):
    bad = tmp_path / "b\u00e4d.csv"
    bad.write_text("no header\n1\n")
    lines = run("upload", "--json", bad, file[0], code=1).splitlines()
    problem, upload = map(json.loads, lines)
    assert (problem["filename"], problem["code"]) == ("b\u00e4d.csv", "missing_column")
    assert upload["filename"] == file[0].name and upload["state"] == "stored"


def test_numbers_in_the_log_are_numbers(run, server):
    run("uploads")
    event = json.loads(logged_line(server, lambda line: '"/v1/uploads"' in line and '"GET"' in line))
    assert event["status"] == 200 and isinstance(event["ms"], int) and event["bytes_out"] > 0


def test_a_key_of_scope_upload_is_enough_to_upload(start_server, file, tmp_path):
    data = tmp_path / "data"
    made = subprocess.run([BINARY, "keys", "create", "--data", data, "--scope", "upload"],
                          check=True, capture_output=True)  # fmt: skip
    server = start_server()
    env = {**os.environ, "ROUNDHOUSE_SERVER": server.url}
    lines = file[0].read_text().splitlines()
    file[0].write_text("\n".join([*lines, lines[1].replace(lines[1][:10], "never", 1)]) + "\n")

    def call(*words, key: bytes):
        key_file = tmp_path / "key"
        key_file.write_bytes(key)
        done = subprocess.run([BINARY, *words, "--key-file", key_file], capture_output=True, env=env, check=False)
        return done.returncode, done.stdout.decode(), done.stderr.decode()

    code, out, _ = call("upload", "--json", file[0], key=made.stdout)
    upload = json.loads(out)
    assert code == 0 and upload["state"] == "stored" and upload["rows"]["rejected"] == 1
    assert call("rejects", upload["id"], key=made.stdout)[0] == 0
    assert call("uploads", key=made.stdout)[0] == 1
    code, _, errors = call("uploads", key=b"rh_wrong")
    assert code == 1 and "--key-file" in errors and "ROUNDHOUSE_API_KEY" in errors and "Bearer" not in errors
    done = subprocess.run([BINARY, "uploads"], capture_output=True, env=env, check=False)
    assert done.returncode == 1 and b"ROUNDHOUSE_API_KEY" in done.stderr and b"Bearer" not in done.stderr


class Once(http.server.BaseHTTPRequestHandler):
    """Answers as its server's list says, one answer a request: (status, headers, JSON), or nothing at all."""

    def answer(self):
        length = int(self.headers.get("Content-Length", 0))
        self.rfile.read(length)
        self.server.asked.append(self.path)
        if not self.server.answers:
            self.close_connection = True
            return
        status, headers, body = self.server.answers.pop(0)
        content = json.dumps(body).encode()
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(content))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = answer

    def log_message(self, *_):
        pass


@pytest.fixture
def played():
    """A server that plays answers, to show the client what a real one shows too rarely."""
    server = http.server.HTTPServer(("127.0.0.1", 0), Once)
    server.answers, server.asked = [], []
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_busy_server_is_asked_again_when_it_says(played, file):
    upload_id = "56e14c68-d694-8330-9e4e-9c07553ebd3e"
    busy = (429, {"Retry-After": "0"}, {"code": "too_many_uploads", "detail": "Full.", "status": 429})
    stored = (200, {}, {"id": upload_id, "state": "stored"})
    played.answers = [busy, busy, (202, {}, {"id": upload_id, "state": "validating"}), busy, stored]
    url = f"http://127.0.0.1:{played.server_port}"
    done = subprocess.run([BINARY, "upload", "--json", file[0], "--server", url], capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["state"] == "stored" and len(played.asked) == 5
    assert b"waiting for room" in done.stderr


@pytest.mark.parametrize(
    ("status", "code"), [(408, "request_timeout"), (400, "body_cut"), (503, "stopping"), (400, "bad_digest")]
)
def test_a_file_that_was_lost_on_its_way_is_no_mistake_of_the_user(played, file, status, code):
    problem = {"code": code, "detail": "The body came too slowly.", "status": status}
    url = f"http://127.0.0.1:{played.server_port}"
    for command in ("upload", "reconcile"):
        played.answers = [(status, {}, problem)]
        done = subprocess.run(
            [BINARY, command, "--json", file[0], "--server", url], capture_output=True, check=False
        )
        assert done.returncode == (2 if code == "bad_digest" else 5), done.stderr
        said = json.loads(done.stdout)
        assert (said["code"], said["status"]) == (code, status)


def test_a_server_that_goes_away_after_it_has_the_file(played, file):
    upload_id = "56e14c68-d694-8330-9e4e-9c07553ebd3e"
    played.answers = [(202, {}, {"id": upload_id, "state": "validating"})]
    url = f"http://127.0.0.1:{played.server_port}"
    done = subprocess.run([BINARY, "upload", file[0], "--server", url], capture_output=True, check=False)
    assert done.returncode == 5
    assert f"received as {upload_id}".encode() in done.stderr
    assert f"roundhouse uploads {upload_id}".encode() in done.stderr


def test_a_failed_reconciliation_prints_no_figures(run, file, tmp_path):
    _, rows = file
    many = [[*row[:9], f"provider {i}"] for i, row in enumerate(rows * 3)]
    statement = tmp_path / "statement.csv"
    statement.write_bytes(rounds.to_csv(many).encode())
    assert run("reconcile", statement, code=1) == ""
    assert "provider" in run.errors("reconcile", statement, code=1)
