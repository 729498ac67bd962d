"""Statements as they come: bytes of any kind, cut files, rows that cannot be compared."""

import base64
import gzip
import hashlib

import pytest
from rounds import COLUMNS, make_rows, to_csv

HEADER = ",".join(COLUMNS)
ROW = "1999-01-01 00:00:00,1,p,1,1,0,0,0,Brücke,P"


def send(server, content: bytes, headers=None, **params):
    headers = {"Content-Type": "text/csv", "Prefer": "wait=60", **(headers or {})}
    return server.post("/v1/reconciliations", content=content, params=params, headers=headers)


def listed(server) -> list[str]:
    answer = server.get("/v1/reconciliations")
    assert answer.status_code == 200, answer.text
    return [one["id"] for one in answer.json()["data"]]


def utf16(text: str, tail: str = "") -> bytes:
    return text.encode("utf-16-be") + tail.encode("utf-16-be")


RAW = f"{HEADER}\r\n{ROW}\r\n"
GZIP = {"Content-Encoding": "gzip"}
UNUSABLE = {
    "nothing": (b"", {}, {}, 422, "empty_file"),
    "nothing, packed": (gzip.compress(b""), {}, GZIP, 422, "empty_file"),
    "cut gzip": (gzip.compress(RAW.encode())[:-9], {}, GZIP, 422, "truncated_gzip"),
    "other bytes behind gzip": (gzip.compress(RAW.encode()) + b"more", {}, GZIP, 422, "bad_gzip"),
    "no gzip": (RAW.encode(), {}, GZIP, 422, "bad_gzip"),
    "no zstd": (RAW.encode(), {}, {"Content-Encoding": "zstd"}, 422, "bad_zstd"),
    "a bomb": (gzip.compress(bytes(64 << 20)), {}, GZIP, 413, "decompression_ratio"),
    "gzip without its name": (gzip.compress(RAW.encode()), {}, {}, 422, "binary_file"),
    "zip": (b"PK\x03\x04" + RAW.encode(), {}, {}, 422, "binary_file"),
    "a zero byte in a name": (RAW.replace("ü", "\0").encode(), {}, {}, 422, "binary_file"),
    "a zero character in a name": (utf16(RAW.replace("ü", "\0")), {}, {}, 422, "binary_file"),
    "bytes of all kinds": (bytes(range(256)) * 40, {}, {}, 422, "binary_file"),
    "half a unit": (utf16(RAW)[:-1], {}, {}, 422, "truncated_encoding"),
    "half a character": (utf16(RAW + ROW + "\U0001f600")[:-2], {}, {}, 422, "truncated_encoding"),
    "half a character, the other order": (
        (RAW + ROW + "\U0001f600").encode("utf-16-le")[:-2], {}, {}, 422, "truncated_encoding",
    ),
    "UTF-16 named UTF-8": (utf16(RAW), {"encoding": "utf-8"}, {}, 422, "wrong_encoding"),
    "UTF-8 named UTF-16": (RAW.encode(), {"encoding": "utf-16be"}, {}, 422, "wrong_encoding"),
    "a BOM of another encoding": (
        b"\xef\xbb\xbf" + RAW.encode(), {"encoding": "windows-1252"}, {}, 422, "wrong_encoding",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", UNUSABLE)
def test_a_file_that_cannot_be_used_is_refused_as_an_upload_of_it_is(server, case):
    content, params, headers, status, code = UNUSABLE[case]
    known = listed(server)
    statement = send(server, content, headers, **params)
    upload = server.upload(content, headers=headers, **params)
    assert (upload.status_code, upload.json()["code"]) == (status, code), upload.text
    assert (statement.status_code, statement.json()["code"]) == (status, code), statement.text
    assert statement.json()["detail"] == upload.json()["detail"]
    assert listed(server) == known
    kept = {path.name for path in (server.data / "reconciliations").iterdir()}
    assert kept == set(known)


def sha256(content: bytes) -> str:
    return f"sha-256=:{base64.b64encode(hashlib.sha256(content).digest()).decode()}:"


PACKED = gzip.compress(RAW.encode(), mtime=0)
# (headers of a packed body, code of the refusal)
DIGESTS = {
    "of the body": ({"Content-Digest": sha256(PACKED)}, None),
    "of the file": ({"Repr-Digest": sha256(RAW.encode())}, None),
    "of the file as it is sent": ({"Repr-Digest": sha256(PACKED)}, None),
    "of both": ({"Content-Digest": sha256(PACKED), "Repr-Digest": sha256(RAW.encode())}, None),
    "of another body": ({"Content-Digest": sha256(RAW.encode())}, "digest_mismatch"),
    "of another file": ({"Repr-Digest": sha256(b"other")}, "digest_mismatch"),
    "of another kind only": ({"Content-Digest": "sha-512=:AA==:"}, "bad_digest"),
    "that is none": ({"Repr-Digest": "sha-256=:!!:"}, "bad_digest"),
}


@pytest.mark.parametrize("case", DIGESTS)
def test_a_declared_digest_is_checked_as_an_uploads_is(server, case):
    headers, code = DIGESTS[case]
    known = listed(server)
    statement = send(server, PACKED, {**GZIP, **headers})
    upload = server.upload(PACKED, headers={**GZIP, **headers}, allow_duplicate=case)
    if code is None:
        assert (statement.status_code, upload.status_code) == (200, 200), statement.text + upload.text
        return
    for answer in (statement, upload):
        assert (answer.status_code, answer.json()["code"]) == (400, code), answer.text
    assert statement.json()["detail"] == upload.json()["detail"]
    assert listed(server) == known
    assert {path.name for path in (server.data / "reconciliations").iterdir()} == set(known)


def test_a_declared_digest_of_the_question_is_checked_too(server):
    body = b'{"upload_id": "00000000-0000-8000-8000-000000000000"}'
    for declared, status in ((body, 404), (b"other", 400)):
        headers = {"Content-Type": "application/json", "Content-Digest": sha256(declared)}
        answer = server.post("/v1/reconciliations", content=body, headers=headers)
        assert answer.status_code == status, answer.text


@pytest.mark.parametrize("before", [" \n", "\t\r\n \t\n\n"], ids=["blank", "blanks"])
@pytest.mark.parametrize("delimiter", [";", "|"])
def test_the_delimiter_is_that_of_the_first_line_that_is_not_blank(server, rng, before, delimiter):
    content = (before + to_csv(make_rows(rng, 20)).replace(",", delimiter)).encode()
    assert server.upload(content, dry_run="true").json()["rows"]["accepted"] == 20
    answer = send(server, content)
    assert answer.status_code == 200 and answer.json()["rows"]["accepted"] == 20, answer.text


def test_as_many_providers_as_there_may_be(server, rng):
    """Their names are longer than an argument of a program may be, and than a query of ClickHouse by itself."""
    rows = make_rows(rng, 1000)
    for number, row in enumerate(rows):
        row[9] = f"{number:04}{'p' * 252}"
    content = to_csv(rows).encode()
    server.stored(content)
    answer = send(server, content)
    answer = answer.json()
    assert answer["verdict"] == "matched", (answer["verdict"], answer.get("error"))
    rows[500][4] = "7.5"
    answer = send(server, to_csv(rows).encode()).json()  # which is read key by key
    assert answer["verdict"] == "mismatched" and answer["discrepancies"] == 1, (
        answer["verdict"],
        answer.get("error"),
    )


@pytest.mark.parametrize(("providers", "name"), [(20_000, "provider"), (1000, "ü" * 250)], ids=["many", "long"])
def test_more_providers_than_there_may_be(server, rng, providers, name):
    rows = make_rows(rng, providers)
    for number, row in enumerate(rows):
        row[9] = f"{name} {number}"
    answer = send(server, to_csv(rows).encode()).json()
    assert answer["state"] == "failed" and answer["error"]["code"] == "too_many_providers", answer


def test_what_cannot_be_kept_is_not_begun(start_server):
    server = start_server("data", "--upload-free-disk-bytes-min", "60TiB")
    answer = send(server, RAW.encode())
    assert (answer.status_code, answer.json()["code"]) == (507, "storage_full"), answer.text
    assert "must stay free" in answer.json()["detail"]
    assert list((server.data / "reconciliations").iterdir()) == []


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
@pytest.mark.parametrize(
    "name", ["\U0001f600" * 60, "\u4e00" * 250, "\u4e00\U0001f600ж" * 20], ids=["emoji", "U+4E00", "mixed"]
)
def test_utf16_is_seen_whatever_the_names_are_made_of(server, rng, encoding, name):
    rows = make_rows(rng, 100)
    for row in rows:
        row[8], row[9] = name, f"{name[:9]} {row[2]}"
    content = to_csv(rows).encode(encoding)
    for params in ({}, {"encoding": encoding}):
        upload = server.stored(content, **params)
        assert upload["encoding"] == {"utf-16-le": "utf-16le", "utf-16-be": "utf-16be"}[encoding]
        assert upload["rows"]["accepted"] == 100
        reconciliation = send(server, content, **params).json()
        assert reconciliation["verdict"] == "matched" and reconciliation["rows"]["rejected"] == 0
    provider = server.clickhouse(
        "SELECT DISTINCT provider FROM game_rounds WHERE user_id = {user:String}", user=rows[0][2]
    )
    assert provider.rstrip("\n") == rows[0][9]


def test_a_packed_part_of_a_form_is_told_how_to_say_so(server):
    part = ("rounds.csv.gz", gzip.compress(RAW.encode()))
    answer = server.post("/v1/uploads", files={"file": (*part, "application/octet-stream")})
    assert (answer.status_code, answer.json()["code"]) == (422, "binary_file"), answer.text
    assert "file=@FILE;type=application/gzip" in answer.json()["detail"]
    assert "Content-Encoding" not in answer.json()["detail"]
    answer = server.post("/v1/uploads", files={"file": (*part, "application/gzip")})
    assert answer.status_code in (200, 202), answer.text


def test_a_date_of_the_scope_is_in_the_statements_timezone(server, rng):
    """As in aggregates: the rows are read there, so a day of the scope is a day of theirs."""
    rows = make_rows(rng, 48)
    for hour, row in enumerate(rows):
        row[0] = f"1998-03-0{1 + hour // 24} {hour % 24:02}:10:00"
        row[9] = "Of two days"
    content = to_csv(rows).encode()
    server.stored(content, timezone="+02:00")
    days = {"from": "1998-03-01", "to": "1998-03-02"}
    answer = send(server, content, timezone="+02:00", **days).json()
    assert (answer["verdict"], answer["totals"]["original"]["rows"]) == ("matched", 24), answer
    assert answer["scope"]["from"] == "1998-02-28T22:00:00Z"
    assert answer["scope"]["to"] == "1998-03-01T22:00:00Z"
    times = {"from": "1998-03-01T00:00:00Z", "to": "1998-03-02T00:00:00Z"}
    assert send(server, content, timezone="+02:00", **times).json()["scope"] == answer["scope"] | times
    refused = send(server, content, timezone="+05:30", **days)
    assert (refused.status_code, refused.json()["code"]) == (400, "bad_from")
    assert "timezone" in refused.json()["detail"]


def test_zeros_behind_gzip_are_no_error(server):
    """Some tools fill the last block with them."""
    packed = gzip.compress(RAW.encode()) + bytes(500)
    assert send(server, packed, GZIP).status_code == 200


class TestBytesOfAnyKind:
    @pytest.mark.parametrize(
        ("line", "shown"),
        [
            (b"1999-01-01 00:00:00,2,p\xff,1,1,0,0,0,g,P", "user_id p\ufffd"),
            (b"1999-01-01 00:00:00,2,p,1,x\xff\xfe,0,0,0,g,P", "real_amount_bet x\ufffd\ufffd"),
            (b"1999-01-01 00:00:00\xff,2,p,1,1,0,0,0,g,P", "created_timestamp 1999-01-01 00:00:00\ufffd"),
            (b"too few fields,\xc3", "too few fields,\ufffd"),
        ],
    )
    def test_a_value_with_an_invalid_byte_is_shown_with_a_mark(self, server, line, shown):
        content = f"{HEADER}\n{ROW}\n".encode() + line + b"\n"
        answer = send(server, content, encoding="utf-8")
        assert answer.status_code == 200, answer.text
        reconciliation = answer.json()
        assert (reconciliation["state"], reconciliation["rows"]["rejected"]) == ("done", 1)
        (example,) = reconciliation["rejected_examples"]
        assert example["row"] == 2 and shown in example["detail"], example
        assert server.get(answer.headers["Location"]).json() == reconciliation
        assert reconciliation["id"] in listed(server)

    @pytest.mark.parametrize("line", ["é" * 1000, "1999-01-01 00:00:00,2,p,1," + "é" * 1000 + ",0,0,0,g,P"])
    def test_a_long_value_is_cut_between_characters(self, server, line):
        for shift in ("", "x"):
            answer = send(server, f"{HEADER}\n{ROW}\n{line.replace('é', shift + 'é', 1)}\n".encode())
            (example,) = answer.json()["rejected_examples"]
            assert 250 < len(example["detail"].encode()) < 330 and "\ufffd" not in example["detail"]


def test_a_damaged_record_does_not_hide_the_others(start_server, rng):
    server = start_server()
    ids = [send(server, to_csv(make_rows(rng, 5)).encode()).json()["id"] for _ in range(4)]
    assert listed(server) == ids[::-1]
    record = server.data / "reconciliations" / ids[2] / "record.json"
    record.write_bytes(record.read_bytes()[:-20])
    for _ in range(2):  # and the same after a restart
        page = server.get("/v1/reconciliations", params={"limit": 2}).json()
        assert [one["id"] for one in page["data"]] == [ids[3], ids[1]]
        page = server.get("/v1/reconciliations", params={"limit": 2, "cursor": page["next_cursor"]}).json()
        assert [one["id"] for one in page["data"]] == [ids[0]] and page["next_cursor"] is None
        answer = server.get(f"/v1/reconciliations/{ids[2]}")
        assert (answer.status_code, answer.json()["code"]) == (500, "record_damaged")
        assert "Reconcile again" in answer.json()["detail"] and "boost" not in answer.text
        server.kill()
        server.start()


def test_a_record_with_an_invalid_byte_is_read(start_server, rng):
    """As releases before this one wrote them."""
    server = start_server()
    answer = send(server, f"{HEADER}\n{ROW}\n1999-01-01 00:00:00,2,@@,1,x,0,0,0,g,P\n".encode())
    record = server.data / "reconciliations" / answer.json()["id"] / "record.json"
    record.write_bytes(record.read_bytes().replace(b"real_amount_bet x", b"real_amount_bet \xff"))
    server.kill()
    server.start()
    (example,) = server.get(answer.headers["Location"]).json()["rejected_examples"]
    assert "real_amount_bet \ufffd" in example["detail"]
    assert listed(server) == [answer.json()["id"]]
