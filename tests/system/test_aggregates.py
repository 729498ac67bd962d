"""GET /v1/aggregates against totals that DuckDB computes from the same files."""

import csv
import io
import itertools
import json
import tempfile
import threading
from collections import Counter
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import duckdb
import pytest
from rounds import AMOUNTS, make_rows, to_csv
from topologies import ALONE, CLUSTER

pytestmark = pytest.mark.topologies(ALONE, CLUSTER)

PLAYERS = ["=1+1", "-7.5", "@home", "a,b", "Zoë", 'say "hi"', *[f"player-{i}" for i in range(8)]]
BOTH = ("player_id", "game_id")
GROUPS = [BOTH, ("player_id",), ("game_id",), ()]
START = datetime(2019, 10, 30, 20)  # 60 hours over the end of a month


def shared_rows(rng, count):
    """Rows of players and games that other files have too."""
    rows = make_rows(rng, count, games=6, hours=60, start=START.isoformat())
    for row in rows:
        row[2] = rng.choice(PLAYERS)
    return rows


class Totals:
    """Sums of files of rows, by DuckDB."""

    def __init__(self, files):
        self.connection = duckdb.connect()
        sums = ", ".join(
            f"CASE WHEN coalesce({a}, '') IN ('', 'NaN') THEN 0 ELSE CAST({a} AS DECIMAL(18, 6)) END AS {a}"
            for a in AMOUNTS
        )
        with tempfile.NamedTemporaryFile("w", suffix=".csv", newline="") as file:
            file.write(to_csv(list(itertools.chain(*files))))
            file.flush()
            self.connection.execute(
                "CREATE TABLE rounds AS SELECT user_id AS player_id, CAST(game_id AS UBIGINT) AS game_id, "
                f"CAST(created_timestamp AS TIMESTAMP) AS played_at, {sums} FROM read_csv(?, all_varchar=true, "
                "header=true, delim=',', quote='\"', escape='\"', parallel=false)",
                [file.name],
            )

    def by(self, group=BOTH, granularity="hour", offset=0, where="true", order="player"):
        """Rows as `served` gives them, in the order of the API."""
        period = {
            "hour": "strftime(date_trunc('hour', played_at), '%Y-%m-%dT%H:%M:%SZ')",
            "day": f"strftime(played_at + to_hours({offset}), '%Y-%m-%d')",
            "month": f"strftime(played_at + to_hours({offset}), '%Y-%m')",
        }.get(granularity)
        keys = [*group, *([f"{period} AS period"] if period else [])]
        names = [*group, *(["period"] if period else [])]
        columns = ", ".join([*keys, "count(*)", *[f"sum({a})" for a in AMOUNTS]])
        sorted_by = {
            "player": ["player_id", "game_id", "period"],
            "game": ["game_id", "player_id", "period"],
            "time": ["period", "player_id", "game_id"],
            "-time": ["period DESC", "player_id", "game_id"],
        }[order]
        sorted_by = ", ".join(s for s in sorted_by if s.split()[0] in names)
        grouped = f" GROUP BY {', '.join(names)} ORDER BY {sorted_by}" if names else ""
        rows = self.connection.execute(f"SELECT {columns} FROM rounds WHERE {where}{grouped}").fetchall()
        return [tuple(str(v) for v in row[: len(names)]) + row[len(names) :] for row in rows]


def served(data, granularity="hour"):
    """Rows of an answer as tuples: the keys as text in the order they are named, rounds, amounts."""
    names = [n for n in ("player_id", "game_id", granularity) if data and n in data[0]]
    for row in data:
        assert set(row) == {*names, "rounds", *AMOUNTS}
        for amount in AMOUNTS:
            assert "E" not in row[amount].upper() and not ("." in row[amount] and row[amount].endswith("0"))
    return [(*[row[n] for n in names], int(row["rounds"]), *[Decimal(row[a]) for a in AMOUNTS]) for row in data]


def pages(server, **params):
    """Every page from the first on, by its cursor."""
    found, cursor = [], None
    while True:
        answer = server.get("/v1/aggregates", params={**params, **({"cursor": cursor} if cursor else {})})
        assert answer.status_code == 200, answer.text
        found.append(answer.json())
        cursor = found[-1]["next_cursor"]
        assert ("next" in answer.links) == (cursor is not None)
        if cursor is None:
            return found


def walked(server, **params):
    return list(itertools.chain(*[page["data"] for page in pages(server, **params)]))


def whole(server, **params):
    """All rows, by the one answer that has no limit."""
    answer = server.get("/v1/aggregates", params={**params, "format": "ndjson"})
    assert answer.status_code == 200, answer.text
    *rows, end = [json.loads(line) for line in answer.text.splitlines()]
    assert end["_end"]["rows"] == len(rows) and end["_end"]["next_cursor"] is None
    return rows


def version_of(server):
    return server.get("/v1/aggregates", params={"limit": 1}).json()["version"]


class Book:
    """What was uploaded, and which files count at which version."""

    def __init__(self, server):
        self.server = server
        self.files = {}  # upload id -> rows
        self.history = {}  # version -> ids that count

    def add(self, rows, **params):
        upload = self.server.stored(to_csv(rows).encode(), **params)
        self.files[upload["id"]] = rows
        before = self.history[max(self.history)] if self.history else set()
        gone = {params["replaces"]} if "replaces" in params else set()
        self.history[version_of(self.server)] = (before | {upload["id"]}) - gone
        return upload["id"]

    def void(self, upload_id):
        answer = self.server.post(f"/v1/uploads/{upload_id}/void")
        assert answer.status_code == 200, answer.text
        self.history[version_of(self.server)] = self.history[max(self.history)] - {upload_id}

    def totals(self, version=None):
        ids = self.history[max(self.history) if version is None else version]
        return Totals([self.files[i] for i in sorted(ids)])


@pytest.fixture(scope="module")
def book(server, seed):
    import random

    rng = random.Random(seed)
    book = Book(server)
    first = book.add(shared_rows(rng, 350))
    second = book.add(shared_rows(rng, 250))
    book.add(shared_rows(rng, 300))
    book.void(first)
    book.add(shared_rows(rng, 200), replaces=second)
    assert len(book.history) == 5
    return book


@pytest.mark.parametrize("order", ["player", "game"])
def test_pages_of_seven_neither_repeat_nor_miss_a_row(server, book, order):
    rows = walked(server, limit=7, order=order)
    assert len(rows) > 200
    assert rows == server.aggregates(order=order)
    assert served(rows) == book.totals().by(order=order)


@pytest.mark.parametrize("granularity", ["hour", "day", "month", "total"])
@pytest.mark.parametrize("group", GROUPS, ids=lambda g: ",".join(g) or "none")
@pytest.mark.parametrize("offset", [0, -12, 5, 14])
def test_granularity_grouping_and_time_zone(server, book, granularity, group, offset):
    params = {
        "granularity": granularity,
        "group_by": ",".join(group) or "none",
        "timezone": f"{offset:+03d}:00",
    }
    order = "player" if "player_id" in group else "game" if group else "time"
    expected = book.totals().by(group, granularity, offset, order=order)
    assert served(walked(server, limit=31, **params), granularity) == expected
    assert served(server.aggregates(**params), granularity) == expected
    assert served(whole(server, **params), granularity) == expected


FILTERS = {
    "player": ({"player_id": ["Zoë"]}, "player_id = 'Zoë'"),
    "players": ({"player_id": ["a,b", "=1+1", "player-3", "a,b"]}, "player_id IN ('a,b', '=1+1', 'player-3')"),
    "game": ({"game_id": ["10002"]}, "game_id = 10002"),
    "games": ({"game_id": ["10005", "10001"]}, "game_id IN (10001, 10005)"),
    "both": (
        {"player_id": ["Zoë", "player-1"], "game_id": ["10000", "10003"]},
        "player_id IN ('Zoë', 'player-1') AND game_id IN (10000, 10003)",
    ),
    "range": (
        {"from": "2019-10-31T03:00:00Z", "to": "2019-11-01T00:00:00Z"},
        "played_at >= '2019-10-31 03:00:00' AND played_at < '2019-11-01'",
    ),
    "date in a time zone": ({"from": "2019-11-01", "timezone": "+02:00"}, "played_at >= '2019-10-31 22:00:00'"),
    "open end": ({"to": "2019-10-31"}, "played_at < '2019-10-31'"),
    "nobody": ({"player_id": ["nobody", "' OR 1=1 --"]}, "false"),
    "before all": ({"to": "1970-01-02"}, "false"),
    "after all": ({"from": "2200-01-01"}, "false"),
    "hostile": ({"player_id": ["\\'", "x\\", "Zoë"]}, "player_id = 'Zoë'"),
}


@pytest.mark.parametrize("name", FILTERS)
@pytest.mark.parametrize("group", GROUPS, ids=lambda g: ",".join(g) or "none")
def test_filters_in_every_order(server, book, name, group):
    """Every order that is offered gives the same rows as DuckDB, by pages and at once."""
    params, where = FILTERS[name]
    params = {**params, "group_by": ",".join(group) or "none"}
    totals = book.totals()
    orders = []
    for order in ["player", "game", "time", "-time"]:
        answer = server.get("/v1/aggregates", params={**params, "order": order})
        if answer.status_code == 400:
            assert answer.json()["code"] == "unsupported_order"
            continue
        orders.append(order)
        expected = totals.by(group, where=where, order=order)
        assert served(walked(server, limit=31, order=order, **params)) == expected, order
        assert served(server.aggregates(order=order, **params)) == expected, order
        assert served(whole(server, order=order, **params)) == expected, order
    timed = "player_id" not in group or "player_id" in params
    assert orders == [
        *(["player"] if "player_id" in group else []),
        *(["game"] if "game_id" in group else []),
        *(["time", "-time"] if timed else []),
    ]


def test_history_stays(server, book):
    """Each version answers as it did when it was new, after a void and a replacement too."""
    for version in book.history:
        data = server.aggregates(as_of=version)
        assert served(data) == book.totals(version).by(), version
    first = min(book.history)
    nothing = server.get("/v1/aggregates", params={"as_of": first - 1}).json()
    assert nothing["data"] == [] and nothing["version"] == first - 1
    total = server.get("/v1/aggregates", params={"as_of": first - 1, "granularity": "total", "group_by": "none"})
    assert total.json()["data"] == [{"rounds": 0, **dict.fromkeys(AMOUNTS, "0")}]
    late = server.get("/v1/aggregates", params={"as_of": max(book.history) + 1000})
    assert late.status_code == 400 and late.json()["code"] == "unknown_version"


def test_cursor_stays_on_its_version_while_files_arrive(server, book, rng):
    version = version_of(server)
    before = book.totals()
    done = threading.Event()
    failures = []

    def write():
        try:
            for _ in range(6):
                book.add(shared_rows(rng, 60))
        except BaseException as error:
            failures.append(error)
        finally:
            done.set()

    writer = threading.Thread(target=write)
    writer.start()
    try:
        first = server.get("/v1/aggregates", params={"limit": 7, "as_of": version}).json()
        rounds = 0
        while not done.is_set() or rounds == 0:
            found = pages(server, limit=7)
            assert len({page["version"] for page in found}) == 1
            if found[0]["version"] == version:
                assert served(list(itertools.chain(*[p["data"] for p in found]))) == before.by()
            rounds += 1
    finally:
        writer.join()
    assert not failures, failures
    assert version_of(server) > version
    rest = walked(server, limit=50, as_of=version, cursor=first["next_cursor"])[0:]
    assert served(first["data"] + rest) == before.by()
    for seen in book.history:
        assert served(server.aggregates(as_of=seen)) == book.totals(seen).by(), seen


def csv_rows(text):
    return list(csv.DictReader(io.StringIO(text, newline="")))


@pytest.mark.parametrize("params", [{}, {"limit": 9}, {"granularity": "total", "group_by": "none"}], ids=str)
def test_formats_say_the_same(server, book, params):
    params = {**params, "as_of": version_of(server)}
    expected = server.aggregates(**params) if "limit" not in params else None
    if expected is None:
        expected = server.get("/v1/aggregates", params=params).json()["data"]
    table = server.get("/v1/aggregates", params={**params, "csv_guard": "false"}, headers={"Accept": "text/csv"})
    assert table.headers["content-type"].startswith("text/csv")
    assert "attachment" in table.headers["content-disposition"]
    assert table.text.count("\n") == table.text.count("\r\n") == len(expected) + 1
    assert served(csv_rows(table.text)) == served(expected)
    lines = server.get("/v1/aggregates", params={**params, "format": "ndjson"})
    assert lines.headers["content-type"] == "application/x-ndjson"
    *rows, end = [json.loads(line) for line in lines.text.splitlines()]
    assert rows == expected
    assert end["_end"]["rows"] == len(expected) and end["_end"]["version"] == params["as_of"]
    assert (end["_end"]["next_cursor"] is not None) == ("limit" in params) == ("next" in table.links)
    assert table.headers["x-roundhouse-version"] == str(params["as_of"])


def test_formats_may_change_between_pages(server, book):
    rows = server.get("/v1/aggregates", params={"limit": 5, "csv_guard": "false"}).json()
    rest = server.get(
        "/v1/aggregates", params={"format": "csv", "csv_guard": "false", "cursor": rows["next_cursor"]}
    )
    assert served(rows["data"]) + served(csv_rows(rest.text)) == book.totals().by()


def test_csv_guards_formulas_and_no_numbers(server, book):
    params = {"format": "csv", "group_by": "player_id", "granularity": "total"}
    guarded = {row["player_id"] for row in csv_rows(server.get("/v1/aggregates", params=params).text)}
    assert {"'=1+1", "'@home", "-7.5", "a,b", 'say "hi"', "Zoë"} <= guarded
    bare = server.get("/v1/aggregates", params={**params, "csv_guard": "false"})
    assert {row["player_id"] for row in csv_rows(bare.text)} == set(PLAYERS)


def test_count_is_exact_and_only_on_request(server, book):
    plain = server.get("/v1/aggregates", params={"limit": 3})
    assert "count" not in plain.json() and "x-total-count" not in plain.headers
    counted = server.get("/v1/aggregates", params={"limit": 3, "count": "exact", "granularity": "day"})
    assert counted.json()["count"] == len(book.totals().by(granularity="day"))
    assert counted.headers["x-total-count"] == str(counted.json()["count"])


def test_etag_lives_as_long_as_the_figures(server, book, rng):
    params = {"player_id": "Zoë", "limit": 5}
    answer = server.get("/v1/aggregates", params=params)
    etag = answer.headers["etag"]
    assert etag.startswith('"') and "Accept" in answer.headers["vary"]
    again = server.get("/v1/aggregates", params=params, headers={"If-None-Match": f'"other", {etag}'})
    assert again.status_code == 304 and again.content == b"" and again.headers["etag"] == etag
    others = [
        {**params, "limit": 6},
        {**params, "format": "csv"},
        {**params, "granularity": "day"},
        {**params, "count": "exact"},
        {**params, "cursor": answer.json()["next_cursor"]},
    ]
    etags = [server.get("/v1/aggregates", params=p).headers["etag"] for p in others]
    assert len({etag, *etags}) == len(others) + 1
    book.add(shared_rows(rng, 50))
    fresh = server.get("/v1/aggregates", params=params, headers={"If-None-Match": etag})
    assert fresh.status_code == 200 and fresh.headers["etag"] != etag


def test_link_leads_to_the_next_page(server, book):
    params = {"limit": 5, "player_id": ["a,b", "Zoë"], "from": "2019-10-31", "timezone": "+01:00"}
    rows, answer = [], server.get("/v1/aggregates", params=params)
    while True:
        rows += answer.json()["data"]
        if "next" not in answer.links:
            break
        answer = server.get(answer.links["next"]["url"])
    assert rows == server.aggregates(**{**params, "limit": 10_000})


@pytest.mark.parametrize(
    "change",
    [{"player_id": "Zoë"}, {"granularity": "day"}, {"order": "game"}, {"from": "2019-10-31"}, {"as_of": 1}],
    ids=str,
)
def test_cursor_of_another_question_is_refused(server, book, change):
    cursor = server.get("/v1/aggregates", params={"limit": 3}).json()["next_cursor"]
    answer = server.get("/v1/aggregates", params={"limit": 3, "cursor": cursor, **change})
    assert answer.status_code == 400 and answer.json()["code"] == "cursor_mismatch"
    assert server.get("/v1/aggregates", params={"limit": 4, "cursor": cursor}).status_code == 200


@pytest.mark.parametrize(
    "params,status,code",
    [
        ({"cursor": "nonsense"}, 400, "bad_cursor"),
        ({"from": "2019-10-31T03:30:00Z"}, 400, "bad_range"),
        ({"from": "2019-11-01", "to": "2019-10-31"}, 400, "bad_range"),
        ({"from": "31.10.2019"}, 400, "bad_date"),
        ({"timezone": "+05:30"}, 400, "bad_timezone"),
        ({"granularity": "week"}, 400, "unknown_granularity"),
        ({"group_by": "provider"}, 400, "unknown_group_by"),
        ({"order": "time"}, 400, "unsupported_order"),
        ({"order": "rounds"}, 400, "unknown_order"),
        ({"limit": 0}, 400, "bad_limit"),
        ({"limit": 10_001}, 400, "bad_limit"),
        ({"game_id": "ten"}, 400, "bad_game_id"),
        ({"player_id": ""}, 400, "bad_player_id"),
        ({"as_of": "yesterday"}, 400, "bad_version"),
        ({"format": "xml"}, 400, "unknown_format"),
    ],
    ids=str,
)
def test_wrong_questions_are_refused_with_a_reason(server, book, params, status, code):
    answer = server.get("/v1/aggregates", params=params)
    assert answer.status_code == status and answer.json()["code"] == code
    assert answer.headers["content-type"] == "application/problem+json"
    assert len(answer.json()["detail"]) > 20


def test_unacceptable_format_is_refused(server):
    answer = server.get("/v1/aggregates", headers={"Accept": "image/png"})
    assert answer.status_code == 406 and "text/csv" in answer.json()["detail"]


def test_cells_twice_and_files_that_do_not_count_change_nothing(server, book):
    """A cell inserted again, a part of a cell, and rows of an upload that was never stored."""
    keys = "player_id, game_id, hour"
    amounts = ", ".join(AMOUNTS)
    for table, columns in (("hourly", keys), ("game_hourly", "game_id, hour")):
        server.clickhouse(f"SYSTEM STOP MERGES {table}")
        names = f"{columns}, upload_id, part, cell, rounds, {amounts}"
        server.clickhouse(f"INSERT INTO {table} ({names}) SELECT {names} FROM {table}")
        server.clickhouse(
            f"INSERT INTO {table} ({names}) SELECT {columns}, upload_id, part, cell, rounds - 1, 0, 0, 0, 0 "
            f"FROM {table} WHERE rounds > 1"
        )
        server.clickhouse(
            f"INSERT INTO {table} ({names}) SELECT {columns}, "
            f"toUUID('00000000-0000-8000-8000-000000000000'), 0, 0, rounds, {amounts} FROM {table} "
            f"UNION ALL SELECT {'1, 2' if table == 'game_hourly' else repr('a-ghost') + ', 1, 2'}, "
            "toUUID('00000000-0000-8000-8000-000000000000'), 0, 0, 5, 1, 1, 1, 1"
        )
    totals = book.totals()
    for order in ("player", "game"):
        assert served(walked(server, limit=7, order=order)) == totals.by(order=order)
        assert served(whole(server, order=order)) == totals.by(order=order)
    by_game = totals.by(("game_id",), order="game")
    assert served(walked(server, limit=7, group_by="game_id")) == by_game
    assert served(whole(server, group_by="game_id")) == by_game


@pytest.mark.topologies(ALONE)  # where its reader has a name of its own in the log of queries
def test_no_request_reads_raw_rows(server, book):
    """The engine's own log: what the reading user's queries touched since the first of them."""
    for query in ({}, {"game_id": "1"}, {"group_by": "game_id"}, {"granularity": "day", "order": "game"}):
        server.aggregates(**query)
    server.clickhouse("SYSTEM FLUSH LOGS")
    reader = server.clickhouse_info("--read-only")["user"]
    tables = Counter()
    for line in server.clickhouse(
        "SELECT arrayJoin(tables) FROM system.query_log WHERE type = 'QueryFinish' AND user = {reader:String} "
        "AND query LIKE '%FORMAT RowBinary%' FORMAT TSV",
        reader=reader,
    ).splitlines():
        tables[line] += 1
    assert {"roundhouse.hourly", "roundhouse.hourly_by_game", "roundhouse.game_hourly"} <= set(tables)
    assert not [name for name in tables if "game_rounds" in name], tables


def test_hours_are_utc_and_half_open(server, book):
    hour = datetime(2019, 10, 31, 5, tzinfo=UTC)
    span = {"from": hour.isoformat(), "to": (hour + timedelta(hours=1)).isoformat()}
    hours = {row["hour"] for row in server.aggregates(**span)}
    assert hours == {"2019-10-31T05:00:00Z"}
