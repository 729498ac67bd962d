"""The measurements: each takes a server on an empty data directory and a file, and gives figures."""

import dataclasses
import json
import pathlib
import subprocess
import time
import urllib.parse

from server import Body, Server, Usage, post

POLL_S = 0.01
STORE_S_MAX = 900
AMOUNTS = ["real_amount_bet", "bonus_amount_bet", "real_amount_win", "bonus_amount_win"]
COLUMNS = ["created_timestamp", "game_instance_id", "user_id", "game_id", *AMOUNTS, "game_name", "provider"]
RIVAL_ID = "00000000-0000-8000-8000-000000000001"


@dataclasses.dataclass
class Stored:
    upload_id: str
    totals: list[str]  # rows and the four sums
    stages_s: dict[str, float]
    seconds: float
    usage: Usage
    peak_memory_bytes: int
    disk_bytes: dict[str, int]


def store(server: Server, body: Body) -> Stored:
    """From the file's first byte to the state `stored`, as an operator waits for it."""
    before = server.usage()
    began = time.monotonic()
    upload_id, receive_s = _post_upload(server, body)
    entered = {"receive": began, "publish": began + receive_s}
    while True:
        upload = server.get(f"/v1/uploads/{upload_id}")
        now = time.monotonic()
        if upload["state"] == "storing":
            entered.setdefault("store", now)
        elif upload["state"] not in ("validating", "publishing"):
            break
        if now - began > STORE_S_MAX:
            raise RuntimeError(f"the upload is not stored after {STORE_S_MAX} s: {upload}")
        time.sleep(POLL_S)
    if upload["state"] != "stored":
        raise RuntimeError(f"the upload ended as {upload['state']}: {upload}")
    usage = server.usage().since(before)
    moments = [*entered.values(), now]
    stages = {name: moments[i + 1] - moments[i] for i, name in enumerate(entered)}
    return Stored(
        upload_id=upload_id,
        totals=[str(upload["rows"]["accepted"]), *(upload["totals"][name] for name in AMOUNTS)],
        stages_s=stages,
        seconds=now - began,
        usage=usage,
        peak_memory_bytes=server.peak_memory_bytes(),
        disk_bytes=server.disk_bytes(),
    )


def publish(server: Server, body: Body) -> float:
    """From the answer to the file's last byte to all of its rows committed in the log."""
    upload_id, _ = _post_upload(server, body)
    began = time.monotonic()
    while (state := server.get(f"/v1/uploads/{upload_id}")["state"]) in ("validating", "publishing"):
        time.sleep(POLL_S)
    if state not in ("storing", "stored"):
        raise RuntimeError(f"the upload ended as {state}")
    return time.monotonic() - began


def _post_upload(server: Server, body: Body) -> tuple[str, float]:
    answer = post(server.port, "/v1/uploads", {"Content-Type": "text/csv"}, body)
    if answer.status != 202:
        raise RuntimeError(f"POST /v1/uploads: {answer.status} {answer.text[:500]}")
    return json.loads(answer.text)["id"], answer.seconds


@dataclasses.dataclass
class Inserted:
    totals: list[str]
    seconds: float
    usage: Usage


# One block for the whole file: its default of 1,048,449 rows a block cuts cells in two, and the rollups
# then lack rows.
PLAIN = {"async_insert": "0", "min_insert_block_size_rows": "100000000", "min_insert_block_size_bytes": "0"}
# The fastest of the settings that were tried: views side by side, and no merge of a block by its table's
# engine before it is written, which only somebody who knows that no key stands twice may leave out.
TUNED = {**PLAIN, "parallel_view_processing": "1", "optimize_on_insert": "0"}


def insert_by_clickhouse(server: Server, file: pathlib.Path, settings: dict[str, str]) -> Inserted:
    """The rival: the rows of a UTF-8 file by ClickHouse's own CSV reader into the same tables with the
    same views, in the statement a person would write."""
    amounts = ", ".join(f"toDecimal64OrZero({name}, 6)" for name in AMOUNTS)
    texts = ", ".join(f"{name} String" for name in AMOUNTS)
    sql = (
        f"INSERT INTO game_rounds (upload_id, row_number, part, {', '.join(COLUMNS)}) "
        f"SELECT toUUID('{RIVAL_ID}'), rowNumberInAllBlocks() + 1, 0, created_timestamp, game_instance_id, "
        f"user_id, game_id, {amounts}, game_name, provider FROM input('created_timestamp "
        f"DateTime64(3, ''UTC''), game_instance_id UInt64, user_id String, game_id UInt64, {texts}, "
        "game_name String, provider String') FORMAT CSVWithNames"
    )
    before = server.usage()
    answer = server.sql(sql, Body(file), **settings)
    usage = server.usage().since(before)
    return Inserted(totals=table_totals(server, "game_rounds"), seconds=answer.seconds, usage=usage)


def table_totals(server: Server, table: str) -> list[str]:
    """Rows and the four sums that ClickHouse holds; the measured ways must agree on them."""
    rows = "count()" if table == "game_rounds" else "sum(rounds)"
    sums = ", ".join(f"toDecimalString(sum({name}), 6)" for name in AMOUNTS)
    return server.sql(f"SELECT {rows}, {sums} FROM {table} FINAL FORMAT TSV").text.split()


@dataclasses.dataclass
class Reconciled:
    seconds: float
    by_hand_s: float


def reconcile(server: Server, upload_id: str, original: pathlib.Path) -> Reconciled:
    """`POST /v1/reconciliations` of a stored upload against one full outer join, written by hand, of its
    UTF-8 file and `hourly`."""
    began = time.monotonic()
    body = json.dumps({"upload_id": upload_id}).encode()
    answer = server.post_json("/v1/reconciliations", body, prefer="wait=300")
    if answer.get("verdict") != "matched":
        raise RuntimeError(f"the reconciliation says {answer}")
    seconds = time.monotonic() - began
    sql = _join_by_hand(server, original)
    began = time.monotonic()
    command = [str(server.binary), "clickhouse", "local", "--query", sql]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    by_hand_s = time.monotonic() - began
    if result.returncode != 0 or result.stdout.strip() != "0":
        raise RuntimeError(f"the join by hand says {result.stdout!r} {result.stderr[:1000]!r}")
    return Reconciled(seconds=seconds, by_hand_s=by_hand_s)


def _join_by_hand(server: Server, file: pathlib.Path) -> str:
    """For `clickhouse local`: how many players, games and hours differ between the file and `hourly`."""
    info = server.clickhouse()
    hourly = (
        f"SELECT player_id, game_id, hour, sum(rounds) AS rounds, {', '.join(f'sum({n}) AS {n}' for n in AMOUNTS)} "
        "FROM hourly GROUP BY player_id, game_id, hour FORMAT Native"
    )
    query = {"user": info["user"], "password": info["password"], "database": info["database"], "query": hourly}
    url = f"{info['url']}/?{urllib.parse.urlencode(query, quote_via=urllib.parse.quote)}"
    types = ", ".join(f"{name} Decimal(38, 6)" for name in AMOUNTS)
    texts = ", ".join(f"{name} String" for name in AMOUNTS)
    sums = ", ".join(f"sum(toDecimal64OrZero({name}, 6)) AS {name}" for name in AMOUNTS)
    differs = " OR ".join(f"f.{name} != h.{name}" for name in ["rounds", *AMOUNTS])
    return f"""
        SELECT countIf({differs}) FROM (
            SELECT user_id AS player_id, game_id, toStartOfHour(toDateTime(created_timestamp, 'UTC')) AS hour,
                count() AS rounds, {sums}
            FROM file('{file}', 'CSVWithNames', 'created_timestamp DateTime64(3, ''UTC''), game_instance_id
                UInt64, user_id String, game_id UInt64, {texts}, game_name String, provider String')
            GROUP BY player_id, game_id, hour) AS f
        FULL OUTER JOIN url('{url}', 'Native', 'player_id String, game_id UInt64, hour DateTime(''UTC''),
            rounds UInt64, {types}') AS h
        USING (player_id, game_id, hour)"""


def generate(binary: pathlib.Path, rows: int, encoding: str, file: pathlib.Path) -> None:
    command = [str(binary), "generate", "--rows", str(rows), "--encoding", encoding, "--out", str(file)]
    subprocess.run(command, check=True, capture_output=True)
