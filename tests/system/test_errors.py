"""Wrong requests and wrong files: each gets a problem+json that says what to do, and nothing is stored."""

import gzip
import json
import socket
import subprocess

import pytest
import zstandard
from roundhouse import BINARY, Server
from rounds import COLUMNS, to_csv
from topologies import ALONE, CLUSTER

pytestmark = pytest.mark.topologies(ALONE, CLUSTER)

ROW = ["2019-10-22 08:20:41", "20000", "a" * 32, "10001", "0.05", "", "NaN", "1e-05", "Game", "Play'n GO"]
GOOD = to_csv([ROW]).encode()
UNKNOWN = "00000000-0000-8000-8000-000000000000"
HEADER = ",".join(COLUMNS)


def without(column):
    return ",".join(name for name in COLUMNS if name != column)


# name: (bytes, query, headers, status, code)
WRONG_FILES = {
    "empty file": (b"", {}, {}, 422, "empty_file"),
    "only blanks": (b"\n \n\n", {}, {}, 422, "empty_file"),
    "only a BOM": (b"\xef\xbb\xbf", {}, {}, 422, "empty_file"),
    "header only": ((HEADER + "\n").encode(), {}, {}, 422, "no_rows"),
    "header only, UTF-16": ((HEADER + "\n").encode("utf-16-be"), {}, {}, 422, "no_rows"),
    **{
        f"missing {column}": ((without(column) + "\nx\n").encode(), {}, {}, 422, "missing_column")
        for column in ("user_id", "created_timestamp", "real_amount_bet", "provider")
    },
    "no header": (",".join(ROW).encode() + b"\n", {}, {}, 422, ("missing_column", "unknown_delimiter")),
    "prose": (b"Dear Sir,\nplease find the file attached.\n", {}, {}, 422, ("missing_column", "unknown_delimiter")),
    "JSON": (b'{"rows": []}', {}, {}, 422, ("missing_column", "unknown_delimiter", "header_unreadable")),
    "column twice": ((HEADER + ",user_id\nx\n").encode(), {}, {}, 422, "duplicate_column"),
    "column twice in other case": ((HEADER + ", USER_ID\nx\n").encode(), {}, {}, 422, "duplicate_column"),
    "quote that never closes in the header": (b'"created_timestamp,user_id\n', {}, {}, 422, None),
    "binary": (bytes(range(256)) * 40, {}, {}, 422, "binary_file"),
    "PNG": (b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR" + bytes(100), {}, {}, 422, None),
    "zip": (b"PK\x03\x04" + bytes(range(256)), {}, {}, 422, None),
    "truncated UTF-16": (GOOD.decode().encode("utf-16-be")[:-1], {}, {}, 422, "truncated_encoding"),
    "UTF-16 said to be UTF-8": (
        GOOD.decode().encode("utf-16-be"), {"encoding": "utf-8"}, {}, 422, "wrong_encoding",
    ),
    "UTF-8 said to be UTF-16": (GOOD, {"encoding": "utf-16le"}, {}, 422, None),
    "truncated gzip": (gzip.compress(GOOD)[:-9], {}, {"Content-Encoding": "gzip"}, 422, "truncated_gzip"),
    "no gzip": (GOOD, {}, {"Content-Encoding": "gzip"}, 422, "bad_gzip"),
    "gzip with a wrong checksum": (
        gzip.compress(GOOD)[:-8] + b"\0\0\0\0" + gzip.compress(GOOD)[-4:], {}, {"Content-Encoding": "gzip"},
        422, "bad_gzip",
    ),
    "truncated zstd": (zstandard.compress(GOOD)[:-3], {}, {"Content-Encoding": "zstd"}, 422, "truncated_zstd"),
    "no zstd": (GOOD, {}, {"Content-Encoding": "zstd"}, 422, "bad_zstd"),
    "gzip bomb": (
        gzip.compress(bytes(64 << 20)), {}, {"Content-Encoding": "gzip"}, 413, "decompression_ratio",
    ),
    "unknown coding": (GOOD, {}, {"Content-Encoding": "br"}, 415, "unsupported_encoding"),
    "unknown media type": (GOOD, {}, {"Content-Type": "image/png"}, 415, "unsupported_media_type"),
    "JSON media type": (GOOD, {}, {"Content-Type": "application/json"}, 415, "unsupported_media_type"),
    "unknown parameter": (GOOD, {"on_eror": "abort"}, {}, 400, "unknown_parameter"),
    "unknown encoding": (GOOD, {"encoding": "latin-9"}, {}, 400, "unsupported_file_encoding"),
    "unknown delimiter": (GOOD, {"delimiter": "x"}, {}, 400, "bad_delimiter"),
    "wrong delimiter": (GOOD, {"delimiter": ";"}, {}, 422, ("missing_column", "unknown_delimiter")),
    "unknown time zone": (GOOD, {"timezone": "Mars"}, {}, 400, "bad_timezone"),
    "unknown empty_amount": (GOOD, {"empty_amount": "maybe"}, {}, 400, "bad_empty_amount"),
    "unknown on_error": (GOOD, {"on_error": "ignore"}, {}, 400, "bad_on_error"),
    "negative max_errors": (GOOD, {"max_errors": "-1"}, {}, 400, "bad_max_errors"),
    "max_errors in words": (GOOD, {"max_errors": "ten"}, {}, 400, "bad_max_errors"),
    "dry_run=perhaps": (GOOD, {"dry_run": "perhaps"}, {}, 400, "bad_dry_run"),
    "allow_negative=perhaps": (GOOD, {"allow_negative": "perhaps"}, {}, 400, "bad_allow_negative"),
    "replaces no id": (GOOD, {"replaces": "yesterday's"}, {}, 400, "bad_replaces"),
    "replaces an unknown upload": (GOOD, {"replaces": UNKNOWN}, {}, 404, "replaced_upload_not_found"),
    "other digest": (
        GOOD, {}, {"Content-Digest": "sha-256=:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=:"}, 400, "digest_mismatch",
    ),
    "digest of another kind only": (GOOD, {}, {"Content-Digest": "sha-512=:AA==:"}, 400, "bad_digest"),
    "empty Idempotency-Key": (GOOD, {}, {"Idempotency-Key": ""}, 400, "bad_idempotency_key"),
    "digest that is none": (GOOD, {}, {"Content-Digest": "sha-256=:!!:"}, 400, "bad_digest"),
    "every row refused": ((HEADER + "\n" + "x,x,x\n" * 5).encode(), {}, {}, None, "no_accepted_rows"),
}  # fmt: skip


def check_problem(answer, status, code):
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"].split(";")[0] == "application/problem+json"
    problem = answer.json()
    assert problem["status"] == status and problem["title"] and len(problem["detail"]) > 20
    assert problem["type"] == f"/problems/{problem['code']}" or problem["type"].endswith(problem["code"])
    assert problem["trace_id"] and problem["instance"]
    if code is not None:
        assert problem["code"] in ((code,) if isinstance(code, str) else code), problem
    return problem


def check_nothing_stored(server):
    states = [upload["state"] for upload in server.get("/v1/uploads").json()["data"]]
    assert set(states) <= {"refused", "failed"}, states
    assert set(server.clickhouse("SELECT count() FROM game_rounds").split()) == {"0"}
    assert list((server.data / "incoming").iterdir()) == []


@pytest.mark.parametrize("name", WRONG_FILES)
def test_wrong_file(server, name):
    content, params, headers, status, code = WRONG_FILES[name]
    answer = server.upload(content, headers=headers, **params)
    if status is None:  # received, then refused as a whole: the rejects stay to be read
        assert answer.status_code in (200, 202), answer.text
        upload = server.wait_final(answer.json()["id"])
        assert upload["state"] == "refused" and upload["error"]["code"] == code
        assert code in server.get(upload["error"]["type"]).text
    else:
        check_problem(answer, status, code)
    check_nothing_stored(server)


# (method, path, query, status, code)
WRONG_REQUESTS = [
    ("GET", "/", {"x": "1"}, 400, "unknown_parameter"),
    ("GET", "/v2/uploads", {}, 404, "unknown_path"),
    ("GET", "/v1/upload", {}, 404, "unknown_path"),
    ("PUT", "/v1/uploads", {}, 405, "method_not_allowed"),
    ("DELETE", "/v1/aggregates", {}, 405, "method_not_allowed"),
    ("PATCH", f"/v1/uploads/{UNKNOWN}", {}, 405, "method_not_allowed"),
    ("GET", f"/v1/uploads/{UNKNOWN}", {}, 404, "upload_not_found"),
    ("GET", "/v1/uploads/nonsense", {}, 404, "upload_not_found"),
    ("DELETE", f"/v1/uploads/{UNKNOWN}", {}, 404, "upload_not_found"),
    ("POST", f"/v1/uploads/{UNKNOWN}/cancel", {}, 404, "upload_not_found"),
    ("POST", f"/v1/uploads/{UNKNOWN}/void", {}, 404, "upload_not_found"),
    ("GET", f"/v1/uploads/{UNKNOWN}/rejects", {}, 404, "upload_not_found"),
    ("GET", f"/v1/uploads/{UNKNOWN}/original", {}, 404, "upload_not_found"),
    ("GET", f"/v1/uploads/{UNKNOWN}/events", {}, 404, "upload_not_found"),
    ("GET", "/v1/uploads", {"limit": "0"}, 400, "bad_limit"),
    ("GET", "/v1/uploads", {"limit": "10001"}, 400, "bad_limit"),
    ("GET", "/v1/uploads", {"limit": "many"}, 400, "bad_limit"),
    ("GET", "/v1/uploads", {"cursor": "nonsense"}, 400, "bad_cursor"),
    ("GET", "/v1/uploads", {"state": "lost"}, 400, "bad_state"),
    ("GET", "/v1/uploads", {"page": "2"}, 400, "unknown_parameter"),
    ("GET", "/v1/aggregates", {"limit": "0"}, 400, "bad_limit"),
    ("GET", "/v1/aggregates", {"limit": "-5"}, 400, "bad_limit"),
    ("GET", "/v1/aggregates", {"limit": "10001"}, 400, "bad_limit"),
    ("GET", "/v1/aggregates", {"cursor": "AAAA"}, 400, "bad_cursor"),
    ("GET", "/v1/aggregates", {"from": "yesterday"}, 400, "bad_date"),
    ("GET", "/v1/aggregates", {"to": "2019-02-29"}, 400, "bad_date"),
    ("GET", "/v1/aggregates", {"from": "2019-10-02", "to": "2019-10-01"}, 400, "bad_range"),
    ("GET", "/v1/aggregates", {"from": "2019-10-01T00:30:00Z"}, 400, "bad_range"),
    ("GET", "/v1/aggregates", {"granularity": "minute"}, 400, "unknown_granularity"),
    ("GET", "/v1/aggregates", {"granularity": "day", "timezone": "+05:30"}, 400, "bad_timezone"),
    ("GET", "/v1/aggregates", {"group_by": "provider"}, 400, "unknown_group_by"),
    ("GET", "/v1/aggregates", {"order": "luck"}, 400, ("unknown_order", "unsupported_order")),
    ("GET", "/v1/aggregates", {"game_id": "abc"}, 400, "bad_game_id"),
    ("GET", "/v1/aggregates", {"game_id": "-1"}, 400, "bad_game_id"),
    ("GET", "/v1/aggregates", {"as_of": "999999"}, 400, "unknown_version"),
    ("GET", "/v1/aggregates", {"as_of": "x"}, 400, "bad_version"),
    ("GET", "/v1/aggregates", {"playerid": "x"}, 400, "unknown_parameter"),
    ("GET", "/v1/aggregates", {"format": "xml"}, 400, "unknown_format"),
    ("GET", "/v1/reconciliations/nonsense", {}, 404, "reconciliation_not_found"),
    ("GET", "/v1/reconciliations/nonsense/discrepancies", {}, 404, "reconciliation_not_found"),
]


@pytest.mark.parametrize(("method", "path", "params", "status", "code"), WRONG_REQUESTS)
def test_wrong_request(server, method, path, params, status, code):
    problem = check_problem(server.request(method, path, params=params), status, code)
    if code == "unknown_parameter":
        assert next(iter(params)) in problem["detail"]
    if code == "method_not_allowed":
        assert server.request(method, path).headers["allow"]


def test_repeated_parameter(server):
    check_problem(server.get("/v1/aggregates?limit=1&limit=2"), 400, "repeated_parameter")


def test_not_acceptable_lists_the_choices(server):
    answer = server.get("/v1/aggregates", headers={"Accept": "application/pdf"})
    assert "text/csv" in check_problem(answer, 406, "not_acceptable")["detail"]


WRONG_RECONCILIATIONS = [
    (b"{", "application/json", 400, "bad_json"),
    (b"{}", "application/json", 400, None),
    (b'{"upload_id": "x"}', "application/json", 400, "bad_upload_id"),
    (b'{"upload_id": 5}', "application/json", 400, None),
    (json.dumps({"upload_id": UNKNOWN}).encode(), "application/json", 404, "upload_not_found"),
    (json.dumps({"upload_id": UNKNOWN, "speed": 1}).encode(), "application/json", 400, "unknown_key"),
    (b"<xml/>", "text/xml", 415, "unsupported_media_type"),
    (b"", "text/csv", 422, "empty_file"),
    (b"a,b\n1,2\n", "text/csv", 422, ("missing_column", "unknown_delimiter")),
]


@pytest.mark.parametrize(("content", "media_type", "status", "code"), WRONG_RECONCILIATIONS)
def test_wrong_reconciliation(server, content, media_type, status, code):
    answer = server.post("/v1/reconciliations", content=content, headers={"Content-Type": media_type})
    check_problem(answer, status, code)


@pytest.mark.parametrize("path", ["/v1/uploads", "/v1/reconciliations"])
def test_what_is_not_taken_names_what_is(server, path):
    def post(**headers):
        return server.post(
            path, content=GOOD, headers={name.replace("_", "-"): text for name, text in headers.items()}
        )

    answer = post(Content_Type="image/png")
    assert "image/png" in check_problem(answer, 415, "unsupported_media_type")["detail"]
    assert "text/csv" in answer.headers["accept-post"].split(", ") and "accept-encoding" not in answer.headers
    answer = post(Content_Type="text/csv", Content_Encoding="br")
    check_problem(answer, 415, "unsupported_encoding")
    assert answer.headers["accept-encoding"] == "gzip, zstd" and "accept-post" not in answer.headers


def test_a_refused_file_shows_its_first_faults_and_where_all_are(server):
    bad = [["never", *ROW[1:4], "free", *ROW[5:]]] * 30
    answer = server.upload(to_csv([ROW, *bad]), max_errors="29").json()
    upload = server.wait_final(answer["id"])
    error = upload["error"]
    assert (upload["state"], error["code"], error["status"]) == ("refused", "too_many_rejects", 422)
    assert error["instance"] == f"/v1/uploads/{upload['id']}" and error["trace_id"]
    faults = [
        {"line": reject["line"], **fault}
        for reject in server.get(error["rejects"]).json()["data"]
        for fault in reject["faults"]
    ]
    assert len(faults) == 60 and error["errors"] == faults[:20]
    assert (error["errors"][0]["line"], error["errors"][0]["column"]) == (3, "created_timestamp")
    events = server.get(f"/v1/uploads/{upload['id']}/events").text
    assert json.loads(events.split("data: ")[1].splitlines()[0])["error"] == error
    listed = server.get("/v1/uploads", params={"state": "refused"}).json()["data"]
    assert [one["error"].keys() & {"errors", "rejects"} for one in listed if one["id"] == upload["id"]] == [set()]


def test_pages_of_listed_origins_may_call(start_server):
    server = start_server("data", "--http-cors-origins", "https://app.example, http://localhost:5173")
    page = {"Origin": "http://localhost:5173"}
    asked = server.request("OPTIONS", "/v1/uploads", headers={**page, "Access-Control-Request-Method": "POST"})
    assert asked.status_code == 204 and "POST" in asked.headers["access-control-allow-methods"]
    assert asked.headers["access-control-allow-origin"] == page["Origin"]
    answer = server.upload(GOOD, headers=page)
    assert answer.status_code == 200 and answer.headers["access-control-allow-origin"] == page["Origin"]
    other = {"Origin": "https://evil.example"}
    check_problem(server.upload(GOOD, headers=other), 403, "cross_origin")
    assert "access-control-allow-origin" not in server.get("/v1/uploads", headers=other).headers


# Heads that other servers have read in two ways (request smuggling), and broken ones.
WRONG_HEADS = {
    "TE xchunked": b"POST /v1/uploads HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: xchunked\r\n\r\n",
    "TE chunked, identity": b"POST /v1/uploads HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked, identity\r\n\r\n",
    "TE in HTTP/1.0": b"POST /v1/uploads HTTP/1.0\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n",
    "TE and length": b"POST /v1/uploads HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n",
    "no host": b"GET /livez HTTP/1.1\r\n\r\n",
    "two hosts": b"GET /livez HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\n\r\n",
    "two lengths": b"POST /v1/uploads HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n",
    "length 1, 1": b"POST /v1/uploads HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1, 1\r\n\r\n",
    "length +1": b"POST /v1/uploads HTTP/1.1\r\nHost: localhost\r\nContent-Length: +1\r\n\r\n",
    "folded header": b"GET /livez HTTP/1.1\r\nHost: localhost\r\nX-A: 1\r\n 2\r\n\r\n",
    "blank before colon": b"GET /livez HTTP/1.1\r\nHost : localhost\r\n\r\n",
    "no request line": b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n",
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG_HEADS)
def test_wrong_head_is_refused_and_the_connection_closed(server, name):
    host, port = server.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=20) as connection:
        connection.sendall(WRONG_HEADS[name] + b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n")
        received = b""
        while chunk := connection.recv(65536):
            received += chunk
    head, _, body = received.partition(b"\r\n\r\n")
    assert head.split(b" ")[1] == b"400", received
    assert received.count(b"HTTP/1.1 4") == 1 and b"HTTP/1.1 2" not in received, "only one answer"
    assert b"application/problem+json" in head and json.loads(body)["status"] == 400


def test_body_larger_than_the_limit(start_server):
    server = start_server("data", "--upload-body-bytes-max", "2KiB")
    check_problem(server.upload(b"x" * 2049), 413, "body_too_large")

    def chunks():
        for _ in range(40):
            yield b"x" * 100

    check_problem(server.upload(chunks()), 413, "body_too_large")
    check_nothing_stored(server)


def test_keys_and_scopes_on_every_route(start_server, tmp_path):
    data = tmp_path / "data"
    keys = {}
    for scope in ("upload", "read", "reconcile", "admin"):
        made = subprocess.run(
            [BINARY, "keys", "create", "--data", data, "--scope", scope, "--name", scope, "--json"],
            check=True,
            capture_output=True,
            text=True,
        )
        keys[scope] = json.loads(made.stdout)["key"]
    assert all(key not in path.read_text() for key in keys.values() for path in data.glob("*.json"))
    server = start_server()
    routes = {
        ("POST", "/v1/uploads"): "upload",
        ("GET", "/v1/uploads"): "read",
        ("GET", f"/v1/uploads/{UNKNOWN}"): "read upload",
        ("GET", f"/v1/uploads/{UNKNOWN}/rejects"): "read upload",
        ("GET", f"/v1/uploads/{UNKNOWN}/original"): "read",
        ("GET", f"/v1/uploads/{UNKNOWN}/events"): "read upload",
        ("POST", f"/v1/uploads/{UNKNOWN}/cancel"): "upload",
        ("POST", f"/v1/uploads/{UNKNOWN}/void"): "upload",
        ("DELETE", f"/v1/uploads/{UNKNOWN}"): "upload",
        ("GET", "/v1/aggregates"): "read",
        ("POST", "/v1/reconciliations"): "reconcile",
        ("GET", "/v1/reconciliations"): "read",
        ("GET", f"/v1/reconciliations/{UNKNOWN}"): "read reconcile",
        ("GET", f"/v1/reconciliations/{UNKNOWN}/discrepancies"): "read reconcile",
    }
    for (method, path), needed in routes.items():
        answer = server.request(method, path)
        check_problem(answer, 401, "missing_key")
        assert answer.headers["www-authenticate"].startswith("Bearer")
        wrong = server.request(method, path, headers={"Authorization": "Bearer rh_wrong"})
        check_problem(wrong, 401, "invalid_key")
        for scope, key in keys.items():
            got = server.request(method, path, headers={"Authorization": f"Bearer {key}"}).status_code
            allowed = scope in (*needed.split(), "admin")
            assert (got not in (401, 403)) if allowed else got == 403, (method, path, scope, got)
    for path in ("/livez", "/readyz", "/readyz?verbose", "/metrics"):
        assert server.get(path).status_code == 200


def test_api_keys_of_one_name_do_not_share_an_idempotency_key(start_server, tmp_path):
    """The first was revoked and made again under its name, as when it may be known to others."""

    def keys(*words):
        command = [BINARY, "keys", *words, "--data", tmp_path / "data", "--json"]
        return json.loads(subprocess.run(command, check=True, capture_output=True).stdout)

    first, second = (keys("create", "--name", "loader", "--scope", "upload") for _ in range(2))
    server = start_server()

    def send(key, content):
        return server.upload(content, headers={"Authorization": f"Bearer {key['key']}", "Idempotency-Key": "1"})

    assert send(first, GOOD).status_code == 200
    other = GOOD.replace(b",2000", b",3000")
    answer = send(second, other)
    assert answer.status_code == 200 and answer.json()["duplicate"] is False, answer.text
    assert "idempotency-replayed" not in answer.headers
    assert send(first, other).json()["code"] == "idempotency_key_reused"
    keys("revoke", first["id"])
    assert send(second, other).headers["idempotency-replayed"] == "true"


def test_a_key_that_is_made_while_the_server_runs_lets_other_names_in(start_server, tmp_path):
    server = start_server()
    headers = {"Host": "served.example"}
    refused = server.get("/v1/uploads", headers=headers)
    assert refused.status_code == 403 and refused.json()["code"] == "foreign_host", refused.text
    command = [
        BINARY,
        "keys",
        "create",
        "--data",
        str(tmp_path / "data"),
        "--scope",
        "read",
        "--name",
        "one",
        "--json",
    ]
    key = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)["key"]
    assert server.get("/v1/uploads", headers=headers).json()["code"] == "missing_key"
    assert server.get("/v1/uploads", headers=headers | {"Authorization": f"Bearer {key}"}).status_code == 200


def test_beyond_loopback_details_of_the_server_need_a_key(tmp_path):
    made = subprocess.run(
        [BINARY, "keys", "create", "--data", tmp_path / "data", "--scope", "read", "--json"],
        check=True,
        capture_output=True,
    )
    key = {"Authorization": f"Bearer {json.loads(made.stdout)['key']}"}
    server = Server(tmp_path / "data")
    server.host = "[::ffff:127.0.0.1]"  # loopback all the same, but not by its name
    server.start()
    try:
        for path in ("/metrics", "/readyz?verbose"):
            check_problem(server.get(path), 401, "missing_key")
            assert server.get(path, headers=key).status_code == 200
        for path in ("/livez", "/readyz"):
            assert server.get(path).status_code == 200
    finally:
        assert server.stop() == 0


def test_a_first_key_is_made_where_one_is_wanted(tmp_path):
    path = tmp_path / "first.key"
    server = Server(tmp_path / "data", "--keys-first-file", str(path))
    server.host = "0.0.0.0"
    for _ in range(2):  # the second start makes no other
        server.start()
        try:
            assert path.stat().st_mode & 0o777 == 0o600
            key = path.read_text().strip()
            check_problem(server.get("/v1/uploads"), 401, "missing_key")
            assert server.get("/v1/uploads", headers={"Authorization": f"Bearer {key}"}).status_code == 200
        finally:
            assert server.stop() == 0
        held = json.loads((tmp_path / "data" / "keys.json").read_text())
        assert key not in json.dumps(held)
    command = [BINARY, "keys", "list", "--data", tmp_path / "data", "--json"]
    (listed,) = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)["data"]
    assert (listed["name"], listed["scopes"]) == ("first", ["admin"])


def test_listening_beyond_loopback_needs_keys(tmp_path):
    refused = subprocess.run(
        [BINARY, "serve", "--data", tmp_path / "data", "--listen", "0.0.0.0:0"],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert refused.returncode in (1, 2) and "keys create" in refused.stderr
