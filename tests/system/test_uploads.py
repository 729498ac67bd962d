"""Uploads through the real interface: every form of file, every option, every way an upload ends."""

import base64
import csv
import gzip
import hashlib
import io
import json
import os
import signal
import threading
import time
from datetime import datetime, timedelta

import httpx
import pytest
import zstandard
from rounds import COLUMNS, expected_hourly, make_rows, served_hourly, to_csv
from topologies import ALONE, CLUSTER

pytestmark = pytest.mark.topologies(ALONE, CLUSTER)

ENCODINGS = {
    "utf-8": ("utf-8", b"", "utf-8"),
    "utf-8 with BOM": ("utf-8", b"\xef\xbb\xbf", "utf-8"),
    "utf-16le": ("utf-16-le", b"", "utf-16le"),
    "utf-16le with BOM": ("utf-16-le", b"\xff\xfe", "utf-16le"),
    "utf-16be": ("utf-16-be", b"", "utf-16be"),
    "utf-16be with BOM": ("utf-16-be", b"\xfe\xff", "utf-16be"),
    "windows-1252": ("cp1252", b"", "windows-1252"),
}


def check_served(server, rows) -> None:
    players = sorted({row[2] for row in rows})
    served = server.aggregates(player_id=players)
    assert sorted(served_hourly(served)) == sorted(expected_hourly(rows))


@pytest.mark.parametrize("form", ENCODINGS)
def test_encodings_are_detected_and_reported(server, rng, form):
    codec, bom, reported = ENCODINGS[form]
    rows = make_rows(rng, 500)
    upload = server.stored(bom + to_csv(rows).encode(codec))
    assert upload["encoding"] == reported
    assert upload["rows"] == {"read": 500, "accepted": 500, "rejected": 0, "blank": 0}
    check_served(server, rows)


def test_encoding_can_be_overridden(server, rng):
    rows = make_rows(rng, 50)
    for row in rows:
        row[8] = "Caf\u00e9"
    content = to_csv(rows).encode("cp1252")
    upload = server.stored(content, encoding="windows-1252")
    assert upload["encoding"] == "windows-1252"
    check_served(server, rows)


@pytest.mark.parametrize(("delimiter", "line_end"), [(",", "\n"), (";", "\r\n"), ("\t", "\n"), ("|", "\r")])
def test_delimiters_and_line_ends_are_sniffed(server, rng, delimiter, line_end):
    rows = make_rows(rng, 200)
    upload = server.stored(to_csv(rows, delimiter=delimiter, line_end=line_end).encode())
    assert upload["delimiter"] == delimiter
    check_served(server, rows)


def test_header_in_any_order_case_and_with_extra_columns(server, rng):
    rows = make_rows(rng, 100)
    order = list(range(10))
    rng.shuffle(order)
    header = [f" {COLUMNS[i].upper()} " for i in order] + ["comment"]
    content = to_csv([[row[i] for i in order] + ["x"] for row in rows], header=header)
    upload = server.stored(content.encode())
    assert upload["ignored_columns"] == ["comment"]
    check_served(server, rows)


def test_many_and_long_names_of_extra_columns(server, rng):
    rows = make_rows(rng, 20)
    names = ["n" * 5_000, *[f"extra{i}" for i in range(989)]]
    content = to_csv([[*row, *["x"] * 990] for row in rows], header=[*COLUMNS, *names])
    upload = server.stored(content.encode())
    assert upload["ignored_columns"] == ["n" * 64 + "…", *names[1:]]
    check_served(server, rows)
    wider = to_csv([[*row, *["x"] * 991] for row in rows], header=[*COLUMNS, *names, "one_more"])
    answer = server.upload(wider.encode())
    assert (answer.status_code, answer.json()["code"]) == (422, "too_many_columns"), answer.text


@pytest.mark.parametrize("coding", ["gzip", "zstd"])
def test_packed_uploads_are_the_same_file(server, rng, coding):
    rows = make_rows(rng, 300)
    content = to_csv(rows).encode()
    packed = gzip.compress(content) if coding == "gzip" else zstandard.compress(content)
    answer = server.upload(packed, headers={"Content-Encoding": coding})
    first = server.wait_final(answer.json()["id"])
    assert first["state"] == "stored" and first["bytes"] == len(content)
    assert first["sha256"] == hashlib.sha256(content).hexdigest()
    plain = server.upload(content)
    assert plain.status_code == 200
    assert plain.json()["duplicate"] is True and plain.json()["id"] == first["id"]
    check_served(server, rows)


def test_multipart_form(server, rng):
    rows = make_rows(rng, 300)
    content = to_csv(rows).encode()
    answer = server.post(
        "/v1/uploads",
        files={"file": ("../from a browser.csv", content, "text/csv")},
        headers={"Prefer": "wait=60"},
    )
    upload = server.wait_final(answer.json()["id"])
    assert upload["state"] == "stored" and upload["filename"] == "from a browser.csv"
    check_served(server, rows)


def test_a_form_of_another_field_is_refused(server, rng):
    content = to_csv(make_rows(rng, 3)).encode()
    answer = server.post("/v1/uploads", files={"upload": ("rounds.csv", content, "text/csv")})
    assert answer.status_code == 400 and answer.json()["code"] == "unexpected_field"
    assert "curl: -F file=@FILE" in answer.json()["detail"]


def test_accepted_and_prefer_wait(server, rng):
    content = to_csv(make_rows(rng, 100)).encode()
    answer = server.upload(content, wait=None)
    assert answer.status_code == 202
    assert answer.headers["location"] == f"/v1/uploads/{answer.json()['id']}"
    assert "retry-after" in answer.headers
    server.wait_final(answer.json()["id"])
    waited = server.upload(to_csv(make_rows(rng, 100)).encode(), wait=60)
    assert waited.status_code == 200 and waited.json()["state"] == "stored"
    assert "wait" in waited.headers["preference-applied"]


def bad_file(rng):
    """40 rows, of which these are bad: (line, row, column, value, code)."""
    rows = make_rows(rng, 40)
    rows[3][0] = "2019-13-01 00:00:00"
    rows[9][3] = "12a"
    rows[9][4] = "1,5"
    rows[20][7] = "-1"
    rows[30][2] = ""
    faults = [
        (5, 4, "created_timestamp", "2019-13-01 00:00:00", "bad_timestamp"),
        (11, 10, "game_id", "12a", "bad_integer"),
        (11, 10, "real_amount_bet", "1,5", "bad_decimal"),
        (22, 21, "bonus_amount_win", "-1", "negative_amount"),
        (32, 31, "user_id", "", "missing_value"),
    ]
    good = [row for i, row in enumerate(rows) if i not in (3, 9, 20, 30)]
    return to_csv(rows).encode(), faults, good


def test_rejects_name_line_column_value_and_code(server, rng):
    content, faults, good = bad_file(rng)
    upload = server.stored(content, filename="bad rows.csv")
    assert upload["rows"] == {"read": 40, "accepted": 36, "rejected": 4, "blank": 0}
    listed = server.get(f"/v1/uploads/{upload['id']}/rejects").json()
    found = [
        (reject["line"], reject["row"], fault["column"], fault["value"], fault["code"])
        for reject in listed["data"]
        for fault in reject["faults"]
    ]
    assert found == faults and listed["next_cursor"] is None
    assert all(fault["detail"] for reject in listed["data"] for fault in reject["faults"])
    # by pages of one
    paged, cursor = [], None
    while True:
        page = server.get(
            f"/v1/uploads/{upload['id']}/rejects", params={"limit": 1, **({"cursor": cursor} if cursor else {})}
        ).json()
        paged += page["data"]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert paged == listed["data"]
    # as CSV, by any reader
    text = server.get(f"/v1/uploads/{upload['id']}/rejects", headers={"Accept": "text/csv"}).text
    table = list(csv.DictReader(io.StringIO(text, newline="")))
    assert [(int(r["line"]), int(r["row"]), r["column"], r["code"]) for r in table] == [
        (line, row, column, code) for line, row, column, _, code in faults
    ]
    check_served(server, good)


def test_abort_refuses_the_whole_file_and_it_may_be_sent_again(server, rng):
    content, _, good = bad_file(rng)
    answer = server.upload(content, on_error="abort")
    refused = server.wait_final(answer.json()["id"])
    assert refused["state"] == "refused" and refused["error"]["code"] == "rejects_found"
    assert len(server.get(f"/v1/uploads/{refused['id']}/rejects").json()["data"]) == 4
    assert server.aggregates(player_id=[good[0][2]]) == []
    server.stored(content)
    check_served(server, good)


@pytest.mark.parametrize(("most", "state"), [(4, "stored"), (3, "refused"), (0, "refused")])
def test_max_errors_at_its_bound(server, rng, most, state):
    content, _, _ = bad_file(rng)
    answer = server.upload(content, max_errors=most)
    assert server.wait_final(answer.json()["id"])["state"] == state


def test_dry_run_reports_everything_and_publishes_nothing(server, rng):
    content, _, good = bad_file(rng)
    answer = server.upload(content, dry_run="true")
    checked = server.wait_final(answer.json()["id"])
    assert checked["state"] == "checked"
    assert checked["rows"] == {"read": 40, "accepted": 36, "rejected": 4, "blank": 0}
    assert len(server.get(f"/v1/uploads/{checked['id']}/rejects").json()["data"]) == 4
    assert server.aggregates(player_id=[good[0][2]]) == []
    real = server.upload(content)
    assert real.json()["duplicate"] is False and real.json()["id"] != checked["id"]
    assert server.wait_final(real.json()["id"])["state"] == "stored"
    check_served(server, good)


def test_dry_run_says_that_the_file_is_there_already(server, rng):
    """What a file sent in earnest would meet: first nothing, then its own upload, then that it is voided."""
    content, _, _ = bad_file(rng)

    def all_told(**options) -> list[dict]:
        found = server.wait_final(server.upload(content, dry_run="true", **options).json()["id"])["warnings"]
        return [warning for warning in found if warning["code"].startswith("would_be")]

    def told(**options) -> dict:
        (warning,) = all_told(**options)
        return warning

    assert all_told() == []

    real = server.wait_final(server.upload(content).json()["id"])
    assert (told()["code"], told()["upload_id"]) == ("would_be_duplicate", real["id"])
    assert server.upload(content).json()["duplicate"] is True
    for other in ({"allow_negative": "true"}, {"max_errors": "7"}):
        conflict = server.upload(content, **other)
        assert conflict.status_code == 409
        warning = told(**other)
        assert warning["code"] == "would_be_refused"
        assert warning["detail"] == f"{conflict.json()['code']}: {conflict.json()['detail']}"
    assert server.post(f"/v1/uploads/{real['id']}/void").status_code == 200
    assert told()["code"] == "would_be_refused" and told()["detail"].startswith("upload_voided: ")


def test_original_bytes_come_back(server, rng):
    content = b"\xff\xfe" + to_csv(make_rows(rng, 3000)).encode("utf-16-le")
    upload = server.stored(content, filename="july.csv")
    answer = server.get(f"/v1/uploads/{upload['id']}/original")
    assert answer.content == content
    digest = base64.b64encode(hashlib.sha256(content).digest()).decode()
    assert answer.headers["repr-digest"] == f"sha-256=:{digest}:"
    assert "july.csv" in answer.headers["content-disposition"]


def test_rejects_of_a_file_without_a_name_are_named_by_its_id(server, rng):
    rows = make_rows(rng, 2)
    rows[0][0] = "yesterday"
    upload = server.stored(to_csv(rows).encode())
    answer = server.get(f"/v1/uploads/{upload['id']}/rejects", params={"format": "csv"})
    assert f'filename="{upload["id"]}-rejects.csv"' in answer.headers["content-disposition"]


def test_declared_digest_is_checked(server, rng):
    content = to_csv(make_rows(rng, 10)).encode()
    wrong = base64.b64encode(hashlib.sha256(b"other").digest()).decode()
    right = base64.b64encode(hashlib.sha256(content).digest()).decode()
    refused = server.upload(content, headers={"Content-Digest": f"sha-256=:{wrong}:"})
    assert refused.status_code == 400 and refused.json()["code"] == "digest_mismatch"
    accepted = server.upload(content, headers={"Content-Digest": f"sha-256=:{right}:"})
    assert accepted.json()["duplicate"] is False


def test_progress_by_events(server, rng):
    content = to_csv(make_rows(rng, 60_000)).encode()
    upload_id = server.upload(content, wait=None).json()["id"]
    events = []
    with httpx.stream("GET", f"{server.url}/v1/uploads/{upload_id}/events", timeout=60) as stream:
        assert stream.headers["content-type"].startswith("text/event-stream")
        event = {}
        for line in stream.iter_lines():
            if line.startswith(("id:", "event:", "data:")):
                key, _, value = line.partition(":")
                event[key] = value.strip()
            elif line == "" and event:
                events.append(event)
                event = {}
                if events[-1].get("event") == "done":
                    break
    numbers = [int(event["id"]) for event in events if "id" in event]
    assert numbers == sorted(numbers) and len(set(numbers)) == len(numbers)
    last = json.loads(events[-1]["data"])
    assert last["state"] == "stored" and last == server.get(f"/v1/uploads/{upload_id}").json()


def test_delete_of_what_is_not_stored(server, rng):
    content, _, _ = bad_file(rng)
    upload_id = server.upload(content, on_error="abort").json()["id"]
    server.wait_final(upload_id)
    assert server.request("DELETE", f"/v1/uploads/{upload_id}").status_code == 204
    assert server.get(f"/v1/uploads/{upload_id}").status_code == 404
    assert server.request("DELETE", f"/v1/uploads/{upload_id}").status_code == 404


def test_a_refused_void_advises_what_can_be_done(server, rng):
    checked = server.upload(to_csv(make_rows(rng, 10)).encode(), dry_run="true").json()
    assert checked["state"] == "checked"
    answer = server.post(f"/v1/uploads/{checked['id']}/void")
    assert answer.status_code == 409 and answer.json()["code"] == "upload_not_stored"
    assert "ancel" not in answer.json()["detail"] and "DELETE" in answer.json()["detail"]
    assert server.request("DELETE", f"/v1/uploads/{checked['id']}").status_code == 204


def test_a_hint_to_excel_is_named(server, rng):
    for hint, delimiter in ((b"sep=;\r\n", ";"), (b"SEP=,\n", ",")):
        content = to_csv(make_rows(rng, 3)).replace(",", delimiter).encode()
        answer = server.upload(hint + content)
        assert answer.status_code == 422 and "hint to Excel" in answer.json()["detail"], answer.text
        assert server.upload(content, dry_run="true").json()["rows"]["accepted"] == 3


def test_delete_of_a_stored_upload_is_a_conflict(server, rng):
    upload = server.stored(to_csv(make_rows(rng, 10)).encode())
    answer = server.request("DELETE", f"/v1/uploads/{upload['id']}")
    assert answer.status_code == 409 and answer.json()["code"] == "upload_stored"
    voided = server.post(f"/v1/uploads/{upload['id']}/void")
    assert voided.status_code == 200
    answer = server.request("DELETE", f"/v1/uploads/{upload['id']}")
    assert answer.status_code == 409 and answer.json()["code"] == "upload_voided"
    first, end = upload["stored_version"], voided.json()["voided_version"]
    assert f"out of the figures since version {end}. " in answer.json()["detail"]
    counted = (
        f"version {first} counts it" if end == first + 1 else f"the versions from {first} to {end - 1} count it"
    )
    assert f"because {counted}." in answer.json()["detail"]
    assert server.get(f"/v1/uploads/{upload['id']}").status_code == 200


def test_cancel_leaves_nothing_and_the_file_may_be_sent_again(server, rng):
    rows = make_rows(rng, 120_000, players=10)
    content = to_csv(rows).encode()
    upload_id = server.upload(content, wait=None).json()["id"]
    time.sleep(rng.random() * 0.3)
    answer = server.post(f"/v1/uploads/{upload_id}/cancel")
    state = server.wait_final(upload_id)["state"]
    assert (answer.status_code, state) in [(200, "cancelled"), (409, "stored")], (answer.text, state)
    if state == "cancelled":
        assert server.aggregates(player_id=sorted({row[2] for row in rows})) == []
        deadline = time.monotonic() + 30
        count = f"SELECT count() FROM game_rounds WHERE upload_id = '{upload_id}'"
        while set(server.clickhouse(count).split()) != {"0"} and time.monotonic() < deadline:
            time.sleep(0.1)
        assert set(server.clickhouse(count).split()) == {"0"}
        again = server.upload(content)
        assert again.json()["duplicate"] is False
        assert server.wait_final(upload_id)["state"] == "stored"
    check_served(server, rows)


def test_void_takes_an_upload_out_at_the_next_version(server, rng):
    rows = make_rows(rng, 100)
    upload = server.stored(to_csv(rows).encode())
    player = rows[0][2]
    version = server.get("/v1/aggregates", params={"player_id": player}).json()["version"]
    answer = server.post(f"/v1/uploads/{upload['id']}/void")
    assert answer.status_code == 200 and answer.json()["voided_version"] > version
    assert server.aggregates(player_id=[player]) == []
    assert server.aggregates(player_id=[player], as_of=version) != []
    assert server.post(f"/v1/uploads/{upload['id']}/void").status_code == 200


def test_replaces_swaps_two_uploads_in_one_version(server, rng):
    rows = make_rows(rng, 200)
    first = server.stored(to_csv(rows).encode())
    corrected = [list(row) for row in rows]
    corrected[0][4] = "123.456"
    second = server.stored(to_csv(corrected).encode(), replaces=first["id"])
    old = server.get(f"/v1/uploads/{first['id']}").json()
    assert old["voided_version"] == second["stored_version"]
    check_served(server, corrected)
    assert first["id"] not in [warning["upload_id"] for warning in second["warnings"]]


def test_replaces_of_a_file_that_is_there_already_is_a_conflict(server, rng):
    """And not silently left out: the sender would believe that the old figures are gone."""
    rows = make_rows(rng, 20)
    wrong = server.stored(to_csv(rows).encode())
    rows[0][4] = "123.456"
    server.stored(to_csv(rows).encode())
    answer = server.upload(to_csv(rows).encode(), replaces=wrong["id"])
    assert answer.status_code == 409 and answer.json()["code"] == "same_file_other_options", answer.text
    assert wrong["id"] in answer.json()["detail"]


def test_warning_of_repeated_game_instances(server, rng):
    rows = make_rows(rng, 500)
    rows[100][1] = rows[7][1]
    rows[300][1] = rows[7][1]
    upload = server.stored(to_csv(rows).encode())
    warning = next(w for w in upload["warnings"] if w["code"] == "duplicate_game_instance_id")
    assert warning["count"] in (1, 2, 3) and rows[7][1] in warning["detail"]


def test_warning_of_an_overlapping_file(start_server, rng):
    server = start_server()
    rows = make_rows(rng, 400)
    first = server.stored(to_csv(rows[:300]).encode())
    second = server.stored(to_csv(rows[200:]).encode())
    warning = next(w for w in second["warnings"] if w["code"] == "overlapping_upload")
    assert warning["upload_id"] == first["id"]
    cells = {(row[3], row[0][:13]) for row in rows[200:]}
    assert warning["count"] == sum((row[3], row[0][:13]) in cells for row in rows[:300])
    assert first["warnings"] == []
    one = make_rows(rng, 1)
    one[0][3] = "4711"
    server.stored(to_csv(one).encode())
    one[0][1] = "1"
    (warning,) = server.stored(to_csv(one).encode())["warnings"]
    assert "has 1 row in games" in warning["detail"]


def test_files_whose_times_do_not_meet_overlap_in_an_hour(start_server, rng):
    """Games and hours are compared, not moments."""
    server = start_server()

    def stored(clock: str) -> dict:
        row = make_rows(rng, 1)[0]
        return server.stored(to_csv([[f"2024-05-01 {clock}", row[1], row[2], "4712", *row[4:]]]).encode())

    first = stored("10:30:00.000")
    before, after = stored("10:00:00.000"), stored("10:59:59.999")
    assert overlapping(before) == [(first["id"], 1)]
    assert sorted(overlapping(after)) == sorted([(first["id"], 1), (before["id"], 1)])
    assert overlapping(stored("09:59:59.999")) == overlapping(stored("11:00:00.000")) == []


def overlapping(upload: dict) -> list[tuple[str, int]]:
    return [(w["upload_id"], w["count"]) for w in upload["warnings"] if w["code"] == "overlapping_upload"]


def test_dry_run_warns_of_overlapping_files_as_the_file_itself_would(start_server, rng):
    server = start_server()
    rows = make_rows(rng, 600)
    content = to_csv(rows[200:]).encode()

    def trial(content=content, **options) -> dict:
        checked = server.wait_final(server.upload(content, dry_run="true", **options).json()["id"])
        assert checked["state"] == "checked"
        return checked

    assert trial()["warnings"] == []
    first = server.stored(to_csv(rows[:300]).encode())
    second = server.stored(to_csv(rows[100:400]).encode())
    voided = server.stored(to_csv(rows[150:450]).encode())
    assert server.post(f"/v1/uploads/{voided['id']}/void").status_code == 200
    foretold = trial()
    assert [w["detail"] for w in foretold["warnings"] if w["upload_id"] == second["id"]] == [
        f"Upload {second['id']} has {dict(overlapping(foretold))[second['id']]} rows in games and hours that this "
        "file has too. If they are the same rounds, they would count twice."
    ]
    assert {upload_id for upload_id, _ in overlapping(trial(replaces=first["id"]))} == {second["id"]}
    # A file that is there already is that, and overlaps no more than it did.
    assert [
        w["code"] for w in trial(to_csv(rows[:300]).encode())["warnings"] if w["upload_id"] == first["id"]
    ] == ["would_be_duplicate"]
    met = server.stored(content)
    assert overlapping(foretold) == overlapping(met) and len(overlapping(met)) == 2

    other = [[*row[:3], "77" + row[3], *row[4:]] for row in rows]
    assert overlapping(trial(to_csv(other).encode())) == []
    for row in other:
        row[3] = row[3][2:]
        row[0] = row[0].replace("2019", "2021")
    assert overlapping(trial(to_csv(other).encode())) == []


@pytest.mark.topologies(ALONE)  # the shards of others are not ours to stop
def test_dry_run_needs_no_clickhouse_and_says_what_it_could_not_look_for(start_server, rng):
    server = start_server()
    content = to_csv(make_rows(rng, 20)).encode()
    engine = server.clickhouse_pid()
    os.kill(engine, signal.SIGSTOP)
    try:
        checked = server.wait_final(server.upload(content, dry_run="true").json()["id"], timeout=60)
    finally:
        os.kill(engine, signal.SIGCONT)
    assert checked["state"] == "checked" and checked["rows"]["accepted"] == 20
    (warning,) = checked["warnings"]
    assert warning["code"] == "overlaps_unknown" and "ClickHouse" in warning["detail"]


def test_same_bytes_with_other_options_is_a_conflict_that_names_the_option(server, rng):
    content = to_csv(make_rows(rng, 10)).encode()
    server.stored(content)
    answer = server.upload(content, timezone="+02:00")
    assert answer.status_code == 409 and answer.json()["code"] == "same_file_other_options"
    assert "timezone" in answer.json()["detail"]


def test_another_policy_for_a_file_that_is_there_is_a_conflict(server, rng):
    content, _, _ = bad_file(rng)
    first = server.stored(content)
    for policy, said in [({"on_error": "abort"}, "on_error (abort here, quarantine there)"),
                         ({"max_errors": 2}, "max_errors (2 here, none there)")]:  # fmt: skip
        answer = server.upload(content, **policy)
        assert answer.status_code == 409 and answer.json()["code"] == "same_file_other_options", answer.text
        assert said in answer.json()["detail"] and first["id"] in answer.json()["detail"]
    for policy in [{}, {"on_error": "quarantine"}]:
        answer = server.upload(content, **policy)
        assert answer.status_code == 200 and answer.json()["duplicate"] is True
    strict = to_csv(make_rows(rng, 10)).encode()
    server.stored(strict, on_error="abort")
    assert server.upload(strict).json()["duplicate"] is True
    assert server.upload(strict, on_error="quarantine").status_code == 409


def test_original_of_a_packed_file_has_the_name_of_what_it_is(server, rng):
    content = to_csv(make_rows(rng, 10)).encode()
    answer = server.upload(gzip.compress(content), headers={"Content-Encoding": "gzip"}, filename="july.csv.gz")
    original = server.get(f"/v1/uploads/{answer.json()['id']}/original")
    assert original.content == content
    assert 'filename="july.csv"' in original.headers["content-disposition"]


def test_the_home_page_says_what_is_voided(server, rng):
    name = f"voided-{rng.randrange(10**9)}.csv"
    upload = server.stored(to_csv(make_rows(rng, 10)).encode(), filename=name)
    server.post(f"/v1/uploads/{upload['id']}/void")
    row = next(line for line in server.get("/").text.split("<tr>") if name in line)
    assert "<td>stored, voided</td>" in row


def test_timezone_of_timestamps_without_an_offset(server, rng):
    rows = make_rows(rng, 50)
    upload = server.stored(to_csv(rows).encode(), timezone="+02:00")
    assert upload["state"] == "stored"
    hours = {row["hour"] for row in server.aggregates(player_id=sorted({r[2] for r in rows}))}
    local = {hour[2] for hour in expected_hourly(rows)}
    assert {datetime.fromisoformat(h[:-1]) + timedelta(hours=2) for h in hours} == local


def test_idempotency_key(server, rng):
    content = to_csv(make_rows(rng, 10)).encode()
    key = {"Idempotency-Key": f"key-{rng.randrange(10**9)}"}
    first = server.upload(content, headers=key)
    again = server.upload(content, headers=key)
    assert again.headers.get("idempotency-replayed") == "true" and again.text == first.text
    other = server.upload(to_csv(make_rows(rng, 10)).encode(), headers=key)
    assert other.status_code == 422


def test_list_filters_and_pages(server, rng):
    name = f"list-{rng.randrange(10**9)}.csv"
    ids = [server.stored(to_csv(make_rows(rng, 5)).encode(), filename=name)["id"] for _ in range(5)]
    seen, cursor = [], None
    while True:
        params = {"filename": name, "limit": 2, **({"cursor": cursor} if cursor else {})}
        page = server.get("/v1/uploads", params=params)
        assert page.status_code == 200, page.text
        seen += [upload["id"] for upload in page.json()["data"]]
        cursor = page.json()["next_cursor"]
        if cursor is None:
            break
        assert 'rel="next"' in page.headers["link"]
    assert seen == ids[::-1]


def test_versions_appear_all_at_once_while_readers_look(start_server, rng):
    """A reader never sees a part of a file: each answer is one of the sums after 0..n uploads."""
    server = start_server()
    files = [make_rows(rng, 30_000, players=3, games=2) for _ in range(3)]
    sums = {0}
    for i in range(len(files)):
        sums.add(sum(len(rows) for rows in files[: i + 1]))
    seen, ending = [], threading.Event()

    def look():
        while not ending.is_set():
            answer = server.get("/v1/aggregates", params={"granularity": "total", "group_by": "none"})
            seen.append(sum(row["rounds"] for row in answer.json()["data"]))

    reader = threading.Thread(target=look)
    reader.start()
    try:
        for rows in files:
            server.stored(to_csv(rows).encode())
    finally:
        ending.set()
        reader.join()
    assert set(seen) <= sums and seen == sorted(seen)
