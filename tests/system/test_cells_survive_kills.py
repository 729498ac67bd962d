"""Cells inserted into ClickHouse survive kill -9: the rule that the sink stands on, tested without it.

Blocks of several whole cells, spanning several months (so several partitions and parts of every
table), are inserted into game_rounds with all views attached. The engine is killed inside inserts,
started again, and everything is replayed from a random earlier cell in blocks cut elsewhere. In the
end every raw row and every rollup must equal totals computed here. docs/decisions/0002 says why.

RH_TEST_KILLS: how many kills must hit inside an insert (default 20). RH_TEST_SEED replays a run.
Starts the engine by itself; needs nothing of the program but `clickhouse server`.
"""

import array
import collections
import os
import pathlib
import random
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
import uuid

import httpx
import pytest

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
BINARY = pathlib.Path(os.environ.get("RH_BINARY", ROOT / "build" / "bin" / "roundhouse"))
KILLS = int(os.environ.get("RH_TEST_KILLS", "20"))
CELL_ROWS = 65_536
ROWS_KEPT_OF_A_CELL = 2_048  # the other row numbers count as refused
AMOUNTS = ["real_amount_bet", "bonus_amount_bet", "real_amount_win", "bonus_amount_win"]
# The last column of each key but (upload_id, part, cell); `row` gives a row's key.
ROLLUPS = {
    "hourly": ("player_id, game_id, toUnixTimestamp(hour)", lambda r: (r.user, r.game, r.hour)),
    "hourly_by_game": ("game_id, player_id, toUnixTimestamp(hour)", lambda r: (r.game, r.user, r.hour)),
    "game_hourly": ("game_id, toUnixTimestamp(hour)", lambda r: (r.game, r.hour)),
    "games": ("game_id, provider, game_name", lambda r: (r.game, r.provider, r.name)),
}

Row = collections.namedtuple("Row", "number created_ms instance user game amounts name provider hour")

CONFIG = """<clickhouse>
    <logger><level>warning</level><log>{dir}/log/clickhouse.log</log></logger>
    <users_config>users.xml</users_config>
    <merge_tree><max_suspicious_broken_parts>1000000</max_suspicious_broken_parts></merge_tree>
</clickhouse>"""
USERS = """<clickhouse>
    <profiles><default/></profiles><quotas><default/></quotas>
    <users>
        <default><password/><networks><ip>127.0.0.1</ip></networks><profile>default</profile>
            <quota>default</quota></default>
        <tester><password>tester</password><networks><ip>127.0.0.1</ip></networks>
            <profile>default</profile><quota>default</quota></tester>
    </users>
</clickhouse>"""


def two_free_ports() -> tuple[int, int]:
    """Both are held until both are known: one after the other they may be the same."""
    with socket.socket() as first, socket.socket() as second:
        first.bind(("127.0.0.1", 0))
        second.bind(("127.0.0.1", 0))
        return first.getsockname()[1], second.getsockname()[1]


class Engine:
    """One `roundhouse clickhouse server` on a directory."""

    def __init__(self, directory: pathlib.Path):
        self.directory = directory
        for name in ("config", "data", "log"):
            (directory / name).mkdir()
        (directory / "config" / "config.xml").write_text(CONFIG.format(dir=directory))
        (directory / "config" / "users.xml").write_text(USERS)
        self.process = None
        self.url = ""
        self.client = httpx.Client(timeout=120)

    def start(self) -> None:
        port, tcp_port = two_free_ports()
        self.url = f"http://127.0.0.1:{port}/"
        library = ROOT / "build" / "lib" / "libchdb.so"
        arguments = ["--directory", self.directory, "--http-port", str(port), "--tcp-port", str(tcp_port)]
        with open(self.directory / "log" / "stderr", "ab") as log:
            self.process = subprocess.Popen(
                [BINARY, "clickhouse", "server", *arguments],
                env={**os.environ, "ROUNDHOUSE_LIBCHDB": str(library)},
                stdout=log,
                stderr=log,
            )
        self.client = httpx.Client(timeout=120)
        deadline = time.monotonic() + 60
        while True:
            try:
                assert self.ask("SELECT 1") == "1\n"
                return
            except httpx.TransportError:
                said = (self.directory / "log" / "stderr").read_text()
                assert self.process.poll() is None, said
                assert time.monotonic() < deadline, said
                time.sleep(0.02)

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def ask(self, sql: str, content: bytes = b"", **settings) -> str:
        answer = self.client.post(
            self.url,
            params={"query": sql, "user": "tester", "password": "tester", "wait_end_of_query": 1, **settings},
            content=content,
        )
        assert answer.status_code == 200, answer.text
        assert "__exception__" not in answer.text, answer.text[-2000:]
        return answer.text

    def apply_queries(self) -> None:
        for path in sorted((ROOT / "queries").glob("*.sql")):
            for statement in path.read_text().split(";\n"):
                if any(line.strip() and not line.startswith("--") for line in statement.split("\n")):
                    self.ask(statement)


# ---- rows, and their Native block, written here a second time and not by the program


def make_cell(rng: random.Random, cell: int) -> list[Row]:
    """Rows of one cell, by row number; their times lie anywhere in seven months."""
    start = 1_569_888_000_000  # 2019-10-01
    rows = []
    for number in sorted(rng.sample(range(cell * CELL_ROWS + 1, (cell + 1) * CELL_ROWS + 1), ROWS_KEPT_OF_A_CELL)):
        created = start + rng.randrange(210 * 86_400) * 1000 + rng.randrange(1000)
        game = rng.randrange(40)
        amounts = tuple(rng.choice((0, 50_000, rng.randrange(10**9))) for _ in AMOUNTS)
        rows.append(
            Row(
                number,
                created,
                20_000 + number,
                f"player{rng.randrange(60):02}",
                game,
                amounts,
                f"Game {game % 7}",
                "Play'n GO" if game % 3 else "Other",
                created // 3_600_000 * 3_600,
            )
        )
    return rows


def varint(value: int) -> bytes:
    out = b""
    while value >= 0x80:
        out += bytes([value & 0x7F | 0x80])
        value >>= 7
    return out + bytes([value])


def text(value: str) -> bytes:
    raw = value.encode()
    return varint(len(raw)) + raw


def native_block(upload: uuid.UUID, part: int, rows: list[Row]) -> bytes:
    halves = struct.unpack(">QQ", upload.bytes)
    columns = [
        ("upload_id", "UUID", struct.pack("<QQ", *halves) * len(rows)),
        ("row_number", "UInt64", array.array("Q", [r.number for r in rows]).tobytes()),
        ("part", "UInt32", array.array("I", [part] * len(rows)).tobytes()),
        ("created_timestamp", "DateTime64(3, 'UTC')", array.array("q", [r.created_ms for r in rows]).tobytes()),
        ("game_instance_id", "UInt64", array.array("Q", [r.instance for r in rows]).tobytes()),
        ("user_id", "String", b"".join(text(r.user) for r in rows)),
        ("game_id", "UInt64", array.array("Q", [r.game for r in rows]).tobytes()),
        *(
            (name, "Decimal(18, 6)", array.array("q", [r.amounts[i] for r in rows]).tobytes())
            for i, name in enumerate(AMOUNTS)
        ),
        ("game_name", "String", b"".join(text(r.name) for r in rows)),
        ("provider", "String", b"".join(text(r.provider) for r in rows)),
    ]
    body = b"".join(text(name) + text(kind) + data for name, kind, data in columns)
    return varint(len(columns)) + varint(len(rows)) + body


INSERT = (
    "INSERT INTO roundhouse.game_rounds (upload_id, row_number, part, created_timestamp, game_instance_id, "
    f"user_id, game_id, {', '.join(AMOUNTS)}, game_name, provider) FORMAT Native"
)
INSERT_SETTINGS = {
    "async_insert": 0,
    "use_strict_insert_block_limits": 0,
    "max_insert_block_size": 100_000_000,
    "max_insert_threads": 1,
    "max_partitions_per_insert_block": 0,
}


class Upload:
    """Cells of one file in one partition of the log, and how far they are known to be inserted."""

    def __init__(self, rng: random.Random, cells: int):
        self.id = uuid.UUID(int=rng.getrandbits(128))
        self.part = rng.randrange(3)
        self.cells = [make_cell(rng, cell) for cell in range(cells)]
        self.done = 0  # cells before this one were acknowledged

    def rows(self) -> list[Row]:
        return [row for cell in self.cells for row in cell]


# ---- what must be there in the end


def check_raw(engine: Engine, upload: Upload) -> None:
    micros = ", ".join(f"toInt64({name} * 1000000)" for name in AMOUNTS)
    stored = engine.ask(
        f"SELECT row_number, toUnixTimestamp64Milli(created_timestamp), game_instance_id, user_id, game_id, "
        f"{micros}, game_name, provider FROM roundhouse.game_rounds FINAL "
        f"WHERE upload_id = '{upload.id}' AND part = {upload.part} ORDER BY row_number FORMAT TSVRaw"
    ).splitlines()
    expected = [
        "\t".join(map(str, (r.number, r.created_ms, r.instance, r.user, r.game, *r.amounts, r.name, r.provider)))
        for r in upload.rows()
    ]
    assert len(stored) == len(expected), f"{len(stored)} raw rows in place of {len(expected)}"
    assert stored == expected


def check_rollup(engine: Engine, upload: Upload, table: str) -> None:
    key, key_of = ROLLUPS[table]
    expected = collections.defaultdict(lambda: [0] * 5)
    for row in upload.rows():
        sums = expected[tuple(map(str, key_of(row)))]
        sums[0] += 1
        for i, amount in enumerate(row.amounts):
            sums[i + 1] += amount
    columns = key.replace("toUnixTimestamp(hour)", "hour")
    micros = ", ".join(f"toInt64(sum(c.{i + 2}) * 1000000)" for i in range(4))
    stored = engine.ask(
        f"SELECT {key}, sum(c.1), {micros} FROM ("
        f"SELECT {columns}, argMax((rounds, {', '.join(AMOUNTS)}), rounds) AS c FROM roundhouse.{table} "
        f"WHERE upload_id = '{upload.id}' GROUP BY {columns}, upload_id, part, cell) "
        f"GROUP BY {columns} FORMAT TSVRaw"
    )
    found = {}
    for line in stored.splitlines():
        fields = line.split("\t")
        found[tuple(fields[:-5])] = [int(field) for field in fields[-5:]]
    wrong = {k for k in expected.keys() | found.keys() if expected.get(k) != found.get(k)}
    assert not wrong, f"{table}: {len(wrong)} of {len(expected)} keys are wrong, e.g. {sorted(wrong)[:3]}"


def apart(engine: Engine, upload: Upload) -> bool:
    """Whether a kill left the raw rows and some rollup with different numbers of rows."""
    where = f"WHERE upload_id = '{upload.id}'"
    raw = int(engine.ask(f"SELECT count() FROM roundhouse.game_rounds FINAL {where}"))
    return any(
        int(engine.ask(f"SELECT sum(rounds) FROM roundhouse.{table} FINAL {where}")) != raw for table in ROLLUPS
    )


def insert(engine: Engine, upload: Upload, begin: int, end: int) -> None:
    rows = [row for cell in upload.cells[begin:end] for row in cell]
    engine.ask(INSERT, native_block(upload.id, upload.part, rows), **INSERT_SETTINGS)


def insert_until_killed(engine: Engine, rng: random.Random, upload: Upload, after_s: float) -> bool:
    """Inserts from a random earlier cell on, and kills the engine after a while; True if that hit an
    insert under way."""
    killer = threading.Timer(after_s, engine.process.send_signal, (signal.SIGKILL,))
    cell = rng.randint(0, min(upload.done, len(upload.cells) - 1))
    killer.start()
    try:
        while cell < len(upload.cells):
            end = min(len(upload.cells), cell + rng.randint(1, 5))
            insert(engine, upload, cell, end)
            upload.done = max(upload.done, end)
            cell = end
        return False
    except httpx.TransportError as error:
        return not isinstance(error, httpx.ConnectError)  # that is a kill between two inserts
    finally:
        killer.join()
        engine.process.wait()


def run_kills(engine: Engine, rng: random.Random, kills: int) -> tuple[list[Upload], int, int]:
    """Kills inside inserts until there were enough; then replays all. The uploads, and how many kills
    there were and how many left raw rows and rollups apart."""
    uploads = [Upload(rng, 10)]
    begun = time.monotonic()
    insert(engine, Upload(rng, 5), 0, 5)  # how long a block takes here, for the moments of the kills
    block_s = time.monotonic() - begun
    hits = apart_after = attempts = 0
    while hits < kills:
        attempts += 1
        assert attempts < 20 * kills, "the kills do not hit the inserts"
        upload = uploads[-1]
        if insert_until_killed(engine, rng, upload, rng.uniform(0, 2.5 * block_s)):
            hits += 1
        engine.start()
        apart_after += apart(engine, upload)
        if upload.done == len(upload.cells):
            uploads.append(Upload(rng, 10))
    for upload in uploads:
        cell = rng.randint(0, upload.done)
        while cell < len(upload.cells):
            end = min(len(upload.cells), cell + rng.randint(1, 5))
            insert(engine, upload, cell, end)
            cell = end
    return uploads, hits, apart_after


@pytest.fixture
def engine(tmp_path):
    engine = Engine(tmp_path)
    engine.start()
    yield engine
    engine.kill()


def test_cells_survive_kills(engine):
    seed = int(os.environ.get("RH_TEST_SEED", random.SystemRandom().randrange(2**32)))
    print(f"RH_TEST_SEED={seed}", file=sys.stderr)
    rng = random.Random(seed)
    engine.apply_queries()
    engine.apply_queries()  # again without harm
    uploads, hits, apart_after = run_kills(engine, rng, KILLS)
    print(f"{hits} kills inside inserts, {apart_after} left rows and rollups apart", file=sys.stderr)
    for upload in uploads:
        check_raw(engine, upload)
        for table in ROLLUPS:
            check_rollup(engine, upload, table)


def test_every_rollup_is_keyed_by_cell(engine):
    """A rollup whose key forgets part or cell loses rows silently."""
    engine.apply_queries()
    tables = engine.ask(
        "SELECT name, sorting_key, engine_full FROM system.tables WHERE database = 'roundhouse' "
        "AND name IN (SELECT table FROM system.columns WHERE database = 'roundhouse' AND name = 'rounds') "
        "AND engine LIKE '%MergeTree' FORMAT TSVRaw"
    ).splitlines()
    assert {line.split("\t")[0] for line in tables} == set(ROLLUPS), "add the new rollup to this test"
    for line in tables:
        name, key, engine_full = line.split("\t")
        assert key.endswith("upload_id, part, cell"), (name, key)
        assert engine_full.startswith("ReplacingMergeTree(rounds)"), (name, engine_full)
    durable = engine.ask(
        "SELECT name, engine_full FROM system.tables WHERE database = 'roundhouse' "
        "AND engine LIKE '%MergeTree' FORMAT TSVRaw"
    ).splitlines()
    assert len(durable) == len(ROLLUPS) + 3  # game_rounds, uploads, dead_letters
    for line in durable:
        for setting in (
            "fsync_part_directory = 1",
            "min_rows_to_fsync_after_merge = 1",
            "min_compressed_bytes_to_fsync_after_merge = 1",
            "old_parts_lifetime = 480",
        ):
            assert setting in line, line


def test_the_questions_of_the_readme_have_answers(engine):
    engine.apply_queries()
    insert(engine, Upload(random.Random(1), 2), 0, 2)
    readme = (ROOT / "queries" / "README.md").read_text()
    statements = [s for s in readme.split("```sql\n")[1].split("```")[0].split(";\n") if s.strip()]
    assert len(statements) == 7
    for statement in statements:
        engine.ask(statement.replace("'…'", f"'{uuid.UUID(int=1)}'"))
