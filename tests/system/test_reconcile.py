"""Reconciliation against a real server: every way to break a key, one at a time, must be named, and only it."""

import csv
import gzip
import io
import json
import random
import time
from decimal import Decimal

import pytest
from rounds import AMOUNTS, COLUMNS, expected_hourly, make_rows, to_csv
from topologies import ALONE, CLUSTER

pytestmark = pytest.mark.topologies(ALONE, CLUSTER)

MILLIONTH = Decimal("0.000001")
KEY = ("player_id", "game_id", "hour")


def finished(server, answer) -> dict:
    assert answer.status_code == 200, answer.text
    reconciliation = answer.json()
    assert reconciliation["state"] == "done", reconciliation["error"]
    assert answer.headers["Location"] == f"/v1/reconciliations/{reconciliation['id']}"
    assert server.get(answer.headers["Location"]).json() == reconciliation
    return reconciliation


def of_upload(server, upload: dict) -> dict:
    return finished(
        server,
        server.post("/v1/reconciliations", json={"upload_id": upload["id"]}, headers={"Prefer": "wait=60"}),
    )


def of_statement(server, content: bytes | str, headers=None, **scope) -> dict:
    headers = {"Content-Type": "text/csv", "Prefer": "wait=60", **(headers or {})}
    if isinstance(content, str):
        content = content.encode()
    return finished(server, server.post("/v1/reconciliations", content=content, params=scope, headers=headers))


def breaks(server, reconciliation: dict, limit: int = 2) -> list[tuple]:
    """(player, game, hour, class) of all discrepancies, by small pages."""
    found, cursor = [], None
    while True:
        params = {"limit": limit, **({"cursor": cursor} if cursor else {})}
        page = server.get(f"/v1/reconciliations/{reconciliation['id']}/discrepancies", params=params)
        assert page.status_code == 200, page.text
        found += [(*(row[name] for name in KEY), row["class"]) for row in page.json()["data"]]
        cursor = page.json()["next_cursor"]
        if cursor is None:
            assert len(found) == reconciliation["discrepancies"]
            return found


def assert_only(server, reconciliation: dict, *expected: tuple) -> None:
    assert reconciliation["verdict"] == "mismatched", reconciliation
    assert breaks(server, reconciliation) == sorted(expected)


def assert_matched(server, reconciliation: dict, rows: list[list[str]]) -> None:
    assert reconciliation["verdict"] == "matched", reconciliation
    assert breaks(server, reconciliation) == []
    hours = expected_hourly(rows)
    for side in reconciliation["totals"].values():
        assert side["rows"] == sum(row[3] for row in hours)
        for i, name in enumerate(AMOUNTS):
            assert Decimal(side[name]) == sum(row[4 + i] for row in hours)


def key_of(row: list[str], hour_shift: int = 0) -> tuple[str, str, str]:
    hour = int(row[0][11:13]) + hour_shift
    return row[2], row[3], f"{row[0][:10]}T{hour:02d}:00:00Z"


def victim(rows: list[list[str]], rng: random.Random) -> int:
    """A row whose next hour is on the same day, so that a test can move it there by its text."""
    return rng.choice([i for i, row in enumerate(rows) if int(row[0][11:13]) < 22])


def moved(row: list[str]) -> list[str]:
    return [f"{row[0][:11]}{int(row[0][11:13]) + 1:02d}{row[0][13:]}", *row[1:]]


def more_by_a_millionth(row: list[str]) -> list[str]:
    amount = Decimal(row[4] if row[4] not in ("", "NaN") else "0") + MILLIONTH
    return [*row[:4], f"{amount:f}", *row[5:]]


@pytest.fixture
def stored(server, rng):
    """Rows of this test's own players and provider, uploaded and stored."""
    rows = make_rows(rng, 3000)
    own = rng.randrange(10**6, 10**9) * 10
    for row in rows:
        row[3] = str(own + int(row[3]) - 10000)  # another test's broken hours are of other games
        row[9] = f'Play\'n "GO" \\ {row[2][:8]}'
    return rows, server.stored(to_csv(rows).encode())


INSERT_CHANGED = """INSERT INTO game_rounds ({columns}) SELECT {values} FROM game_rounds FINAL
    WHERE upload_id = {{id:UUID}} AND row_number = {{row:UInt64}}
    SETTINGS async_insert = 0, prefer_column_name_to_alias = 1"""
RAW = ["upload_id", "row_number", "part", *COLUMNS]


def change_raw(server, upload: dict, row: int, /, **changes: str) -> None:
    """Writes a changed copy of a row to game_rounds alone: the views are detached meanwhile."""
    listed = server.clickhouse(
        "SELECT name FROM system.tables WHERE database = 'roundhouse' AND engine = 'MaterializedView'"
    )
    views = sorted(set(listed.split()))
    for view in views:
        server.clickhouse(f"DETACH TABLE {view}")
    try:
        server.clickhouse(
            INSERT_CHANGED.format(
                columns=", ".join(RAW),
                values=", ".join(f"{changes.get(c, c)} AS {c}" if c in changes else c for c in RAW),
            )
            .replace("{{", "{")
            .replace("}}", "}"),
            id=upload["id"],
            row=row,
        )
    finally:
        for view in views:
            server.clickhouse(f"ATTACH TABLE {view}")


def delete_raw(server, upload: dict, row_number: int) -> None:
    server.clickhouse(
        "DELETE FROM game_rounds WHERE upload_id = {id:UUID} AND row_number = {row:UInt64} "
        "SETTINGS lightweight_deletes_sync = 2",
        id=upload["id"],
        row=row_number,
    )


HOURLY_WHERE = (
    "upload_id = {id:UUID} AND player_id = {player:String} AND game_id = {game:UInt64} "
    "AND hour = parseDateTimeBestEffort({hour:String}, 'UTC')"
)


def queries_for_marks(server) -> int:
    """How often rows were asked for key by key, since the server began."""
    server.clickhouse("SYSTEM FLUSH LOGS")
    count = server.clickhouse(
        "SELECT count() FROM system.query_log WHERE type = 'QueryFinish' "
        "AND query LIKE '%groupArrayIf((content, ms)%' AND query NOT LIKE '%query_log%' FORMAT TSV"
    )
    return int(count)


def hourly_parameters(upload: dict, row: list[str]) -> dict:
    player, game, hour = key_of(row)
    return {"id": upload["id"], "player": player, "game": game, "hour": hour}


def change_hourly(server, upload: dict, row: list[str], select: str) -> None:
    server.clickhouse(
        f"INSERT INTO hourly SELECT player_id, game_id, {select} FROM hourly FINAL "
        f"WHERE {HOURLY_WHERE} SETTINGS async_insert = 0",
        **hourly_parameters(upload, row),
    )


AFTER_HOUR = "upload_id, part, cell, rounds, real_amount_bet, bonus_amount_bet, real_amount_win, bonus_amount_win"


class TestUpload:
    def test_matches_when_clean(self, server, stored):
        rows, upload = stored
        reconciliation = of_upload(server, upload)
        assert_matched(server, reconciliation, rows)
        assert reconciliation["upload_id"] == upload["id"]
        assert reconciliation["rows"] == {"read": len(rows), "accepted": len(rows), "rejected": 0, "blank": 0}
        assert reconciliation["warnings"] == []

    def test_names_an_amount_changed_in_the_rows(self, server, stored, rng):
        rows, upload = stored
        i = victim(rows, rng)
        change_raw(
            server, upload, i + 1, real_amount_bet="game_rounds.real_amount_bet + toDecimal64('0.000001', 6)"
        )
        assert_only(server, of_upload(server, upload), (*key_of(rows[i]), "amount_mismatch"))

    def test_names_the_hour_of_two_rows_that_exchanged_amounts(self, server, rng):
        """No count and no sum of anything shows it."""
        rows = make_rows(rng, 200)
        i = victim(rows, rng)
        rows[i][4] = "1.5"
        rows.append([*rows[i][:1], str(10**15 + 7), *rows[i][2:4], "2.25", *rows[i][5:]])
        upload = server.stored(to_csv(rows).encode())
        change_raw(server, upload, i + 1, real_amount_bet="toDecimal64('2.25', 6)")
        change_raw(server, upload, len(rows), real_amount_bet="toDecimal64('1.5', 6)")
        reconciliation = of_upload(server, upload)
        totals = reconciliation["totals"]
        assert totals["original"] == totals["stored"] == totals["aggregated"]
        assert_only(server, reconciliation, (*key_of(rows[i]), "amount_mismatch"))

    @pytest.mark.topologies(ALONE)  # the log of queries is one server's
    def test_reads_the_rows_of_each_key_only_if_something_differs(self, server, stored, rng):
        rows, upload = stored
        before = queries_for_marks(server)
        assert_matched(server, of_upload(server, upload), rows)
        assert queries_for_marks(server) == before
        i = victim(rows, rng)
        change_raw(server, upload, i + 1, game_name="'another'")
        assert_only(server, of_upload(server, upload), (*key_of(rows[i]), "amount_mismatch"))
        assert queries_for_marks(server) == before + 1

    def test_names_a_changed_provider(self, server, stored, rng):
        rows, upload = stored
        i = victim(rows, rng)
        change_raw(server, upload, i + 1, provider="'somebody else'")
        assert_only(server, of_upload(server, upload), (*key_of(rows[i]), "amount_mismatch"))

    def test_names_a_dropped_row(self, server, stored, rng):
        rows, upload = stored
        i = victim(rows, rng)
        delete_raw(server, upload, i + 1)
        assert_only(server, of_upload(server, upload), (*key_of(rows[i]), "missing_in_store"))

    def test_names_a_doubled_row(self, server, stored, rng):
        rows, upload = stored
        i = victim(rows, rng)
        change_raw(server, upload, i + 1, row_number=f"toUInt64({len(rows) + 10})")
        assert_only(server, of_upload(server, upload), (*key_of(rows[i]), "duplicate"))

    def test_names_both_hours_of_a_moved_row(self, server, stored, rng):
        rows, upload = stored
        i = victim(rows, rng)
        change_raw(server, upload, i + 1, created_timestamp="game_rounds.created_timestamp + INTERVAL 1 HOUR")
        reconciliation = of_upload(server, upload)
        assert_only(
            server,
            reconciliation,
            (*key_of(rows[i]), "wrong_hour"),
            (*key_of(rows[i], 1), "wrong_hour"),
        )
        page = server.get(f"/v1/reconciliations/{reconciliation['id']}/discrepancies").json()["data"]
        assert {row["other_hour"] for row in page} == {key_of(rows[i])[2], key_of(rows[i], 1)[2]}

    def test_names_an_amount_changed_in_the_aggregate(self, server, stored, rng):
        rows, upload = stored
        row = rows[victim(rows, rng)]
        server.clickhouse(
            "ALTER TABLE hourly UPDATE real_amount_bet = real_amount_bet + toDecimal128('0.000001', 6) "
            f"WHERE {HOURLY_WHERE} SETTINGS mutations_sync = 2",
            **hourly_parameters(upload, row),
        )
        assert_only(server, of_upload(server, upload), (*key_of(row), "aggregate_stale"))

    def test_names_a_dropped_hour_of_the_aggregate(self, server, stored, rng):
        rows, upload = stored
        row = rows[victim(rows, rng)]
        server.clickhouse(
            f"DELETE FROM hourly WHERE {HOURLY_WHERE} SETTINGS lightweight_deletes_sync = 2",
            **hourly_parameters(upload, row),
        )
        assert_only(server, of_upload(server, upload), (*key_of(row), "aggregate_stale"))

    def test_names_a_doubled_hour_of_the_aggregate(self, server, stored, rng):
        rows, upload = stored
        row = rows[victim(rows, rng)]
        change_hourly(server, upload, row, f"hour, {AFTER_HOUR}".replace("cell", "cell + 7"))
        assert_only(server, of_upload(server, upload), (*key_of(row), "aggregate_stale"))

    def test_names_both_hours_of_a_moved_aggregate(self, server, stored, rng):
        rows, upload = stored
        row = rows[victim(rows, rng)]
        change_hourly(server, upload, row, f"hour + INTERVAL 1 HOUR, {AFTER_HOUR}".replace("cell", "cell + 7"))
        server.clickhouse(
            f"DELETE FROM hourly WHERE {HOURLY_WHERE} SETTINGS lightweight_deletes_sync = 2",
            **hourly_parameters(upload, row),
        )
        assert_only(
            server,
            of_upload(server, upload),
            (*key_of(row), "aggregate_stale"),
            (*key_of(row, 1), "aggregate_stale"),
        )

    def test_names_an_hour_of_the_aggregate_that_a_later_insert_replaced(self, server, stored, rng):
        """With as many rounds, so that nothing but the order of arrival says which of the two counts."""
        rows, upload = stored
        row = rows[victim(rows, rng)]
        select = f"hour, {AFTER_HOUR}".replace("real_amount_win", "real_amount_win + toDecimal128('0.000001', 6)")
        change_hourly(server, upload, row, select)
        player, game, _ = key_of(row)
        served = server.aggregates(player_id=player, game_id=game, granularity="total")[0]["real_amount_win"]
        won = sum(hour[6] for hour in expected_hourly(rows) if [str(part) for part in hour[:2]] == [player, game])
        assert Decimal(served) == won + MILLIONTH
        assert_only(server, of_upload(server, upload), (*key_of(row), "aggregate_stale"))

    @pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "cp1252"])
    @pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
    def test_matches_in_every_encoding(self, server, rng, encoding, delimiter):
        rows = make_rows(rng, 500)
        for i, row in enumerate(rows):
            row[8] = ['"', 'a""b', "line\r\nbreak", "Café €", "it's; |,\tfine", " blanks "][i % 6]
        content = to_csv(rows, delimiter=delimiter, line_end=rng.choice(["\n", "\r\n"])).encode(encoding)
        assert_matched(server, of_upload(server, server.stored(content)), rows)

    def test_matches_with_rejects_of_every_kind(self, server, rng):
        rows = make_rows(rng, 300)
        good = to_csv(rows, line_end="\n").split("\n")
        bad = [
            "only,three,fields",
            '2019-10-01 00:00:00,1,u,1,1"2,0,0,0,n,p',
            '2019-10-01 00:00:00,1,u,1,"1"2,0,0,0,n,p',
            "2019-02-30 00:00:00,1,u,1,1,0,0,0,n,p",
            "1969-01-01 00:00:00,1,u,1,1,0,0,0,n,p",
            "2019-10-01 00:00:00,x,u,1,1,0,0,0,n,p",
            "2019-10-01 00:00:00,9223372036854775808,u,1,1,0,0,0,n,p",
            "2019-10-01 00:00:00,1,,1,1,0,0,0,n,p",
            f"2019-10-01 00:00:00,1,{'u' * 129},1,1,0,0,0,n,p",
            "2019-10-01 00:00:00,1,u\x01,1,1,0,0,0,n,p",
            '2019-10-01 00:00:00,1,u,1,"1,\n5",0,0,0,n,p',
            "2019-10-01 00:00:00,1,u,1,1.0000001,0,0,0,n,p",
            "2019-10-01 00:00:00,1,u,1,1000000000000,0,0,0,n,p",
            "2019-10-01 00:00:00,1,u,1,-1,0,0,0,n,p",
            "",
            "  ",
        ]
        lines = [good[0]]
        for i, line in enumerate(good[1:-1]):
            lines.append(line)
            if i % 10 == 0:
                lines.append(bad[i // 10 % len(bad)])
        content = "\n".join(lines).encode() + b'\n2019-10-01 00:00:00,1,u\xff,1,1,0,0,0,n,p\n"never closed,\n1,2\n'
        upload = server.stored(content)
        reconciliation = of_upload(server, upload)
        assert_matched(server, reconciliation, rows)
        assert reconciliation["rows"] == upload["rows"]
        assert reconciliation["rows"]["rejected"] > 20 and reconciliation["rows"]["blank"] == 2


# Every rollup beside `hourly`, with what its key has of a row.
OTHERS = {
    "hourly_by_game": "player_id = {player:String} AND game_id = {game:UInt64} AND hour = {hour:DateTime('UTC')}",
    "game_hourly": "game_id = {game:UInt64} AND hour = {hour:DateTime('UTC')}",
    "games": "game_id = {game:UInt64} AND provider = {provider:String} AND game_name = {name:String}",
}


def damage(server, upload: dict, row: list[str], sql: str, table: str) -> None:
    player, game, hour = key_of(row)
    server.clickhouse(
        sql.format(table=table, where=f"upload_id = {{id:UUID}} AND {OTHERS[table]}"),
        id=upload["id"],
        player=player,
        game=game,
        hour=hour[:19].replace("T", " "),
        name=row[8].replace("\\", "\\\\"),
        provider=row[9].replace("\\", "\\\\"),
    )


UPDATE = "ALTER TABLE {table} UPDATE %s WHERE {where} SETTINGS mutations_sync = 2"
DELETE = "DELETE FROM {table} WHERE {where} SETTINGS lightweight_deletes_sync = 2"
COPY = "INSERT INTO {table} SELECT * REPLACE (%s) FROM (SELECT * FROM {table} FINAL WHERE {where})"


class TestOtherRollups:
    def named(self, server, reconciliation: dict) -> list[tuple]:
        assert reconciliation["verdict"] == "mismatched", reconciliation
        page = server.get(f"/v1/reconciliations/{reconciliation['id']}/discrepancies", params={"limit": 100})
        data = page.json()["data"]
        assert len(data) == reconciliation["discrepancies"]
        assert {row["class"] for row in data} <= {"aggregate_stale"}
        assert all(row["original"] is None for row in data if "table" in row)
        return [
            tuple(row.get(name) for name in ("table", "player_id", "game_id", "hour", "provider", "game_name"))
            for row in data
        ]

    def expected(self, table: str, row: list[str], **changes) -> tuple:
        player, game, hour = key_of(row)
        by = {
            "hourly_by_game": (player, game, hour, None, None),
            "game_hourly": (None, game, hour, None, None),
            "games": (None, game, None, row[9], row[8]),
        }
        return (table, *by[table])

    @pytest.mark.parametrize("table", OTHERS)
    @pytest.mark.parametrize(
        "sql",
        [
            UPDATE % "bonus_amount_win = bonus_amount_win + toDecimal128('0.000001', 6)",
            COPY % "rounds + 1 AS rounds",
            DELETE,
            COPY % "cell + 7 AS cell",
            COPY % "toDecimal128(real_amount_bet - toDecimal128('0.000001', 6), 6) AS real_amount_bet",
        ],
    )
    def test_a_damaged_key_is_named_with_its_table(self, server, stored, rng, table, sql):
        rows, upload = stored
        row = rows[victim(rows, rng)]
        damage(server, upload, row, sql, table)
        reconciliation = of_upload(server, upload)
        assert self.named(server, reconciliation) == [self.expected(table, row)]
        assert self.named(server, of_statement(server, to_csv(rows))) == [self.expected(table, row)]
        sides = server.get(f"/v1/reconciliations/{reconciliation['id']}/discrepancies").json()["data"][0]
        assert sides["stored"] != sides["aggregated"] and sides["stored"]["rounds"] > 0

    @pytest.mark.parametrize("table", ["hourly_by_game", "game_hourly"])
    def test_both_hours_of_a_moved_key_are_named(self, server, stored, rng, table):
        rows, upload = stored
        row = rows[victim(rows, rng)]
        damage(server, upload, row, COPY % "hour + INTERVAL 1 HOUR AS hour, cell + 7 AS cell", table)
        damage(server, upload, row, DELETE, table)
        named = self.named(server, of_upload(server, upload))
        assert named == [self.expected(table, row), self.expected(table, moved(row))]

    def test_a_changed_name_of_a_game_is_named(self, server, stored, rng):
        rows, upload = stored
        row = rows[victim(rows, rng)]
        damage(server, upload, row, COPY % "'somebody else' AS provider, cell + 7 AS cell", "games")
        damage(server, upload, row, DELETE, "games")
        named = self.named(server, of_upload(server, upload))
        other = [*row[:9], "somebody else"]
        assert sorted(named) == sorted([self.expected("games", row), self.expected("games", other)])

    def test_breaks_of_other_tables_are_csv_too(self, server, stored, rng):
        rows, upload = stored
        row = rows[victim(rows, rng)]
        for table in OTHERS:
            damage(server, upload, row, DELETE, table)
        path = f"/v1/reconciliations/{of_upload(server, upload)['id']}/discrepancies"
        text = server.get(path, params={"format": "csv", "csv_guard": "false"}).text
        lines = list(csv.DictReader(io.StringIO(text, newline="")))
        named = [tuple(line[name] or None for name in ("table", *KEY, "provider", "game_name")) for line in lines]
        assert named == [self.expected(table, row) for table in OTHERS]

    def test_damages_of_all_tables_at_once_are_all_named(self, server, stored, rng):
        rows, upload = stored
        row = rows[victim(rows, rng)]
        # First, since a view writes what is inserted here to hourly_by_game.
        change_hourly(server, upload, row, f"hour, {AFTER_HOUR}".replace("cell", "cell + 7"))
        for table in OTHERS:
            damage(server, upload, row, DELETE, table)
        named = self.named(server, of_upload(server, upload))
        hourly = (None, *key_of(row), None, None)
        assert named == [hourly, *[self.expected(table, row) for table in OTHERS]]


class TestStatement:
    def test_matches_the_same_rows_in_another_form(self, server, stored, rng):
        rows, _ = stored
        shuffled = rng.sample(rows, len(rows))
        assert_matched(server, of_statement(server, to_csv(rows)), rows)
        content = to_csv(shuffled, delimiter=";").encode("utf-16-le")
        assert_matched(server, of_statement(server, content), rows)
        packed = gzip.compress(to_csv(shuffled).encode())
        assert_matched(server, of_statement(server, packed, {"Content-Encoding": "gzip"}), rows)

    @pytest.mark.parametrize(
        ("change", "classes"),
        [
            (lambda rows, i: rows[:i] + [more_by_a_millionth(rows[i])] + rows[i + 1 :], ["amount_mismatch"]),
            (lambda rows, i: rows[:i] + rows[i + 1 :], ["extra_in_store"]),
            (lambda rows, i: [*rows, rows[i]], ["duplicate"]),
            (lambda rows, i: rows[:i] + [moved(rows[i])] + rows[i + 1 :], ["wrong_hour", "wrong_hour"]),
            (lambda rows, i: [*rows, [*rows[i][:1], "7", *rows[i][2:]]], ["missing_in_store"]),
        ],
    )
    def test_names_what_differs_and_nothing_else(self, server, stored, rng, change, classes):
        rows, _ = stored
        i = victim(rows, rng)
        expected = [(*key_of(rows[i], shift), name) for shift, name in enumerate(classes)]
        assert_only(server, of_statement(server, to_csv(change(rows, i))), *expected)

    def test_counts_its_own_bad_rows_and_compares_the_rest(self, server, stored):
        rows, _ = stored
        content = to_csv(rows) + "1,2\r\nyesterday,1,u,1,1,0,0,0,n,p\r\n"
        reconciliation = of_statement(server, content)
        assert_matched(server, reconciliation, rows)
        assert reconciliation["rows"]["rejected"] == 2
        assert [row["row"] for row in reconciliation["rejected_examples"]] == [3001, 3002]
        warnings = [(warning["code"], warning["count"]) for warning in reconciliation["warnings"]]
        assert warnings == [("rows_rejected", 2), ("scope_uncertain", 2)]
        named = {"from": "2019-01-01", "to": "2020-01-01", "provider": sorted({row[9] for row in rows})}
        reconciliation = of_statement(server, content, **named)
        assert_matched(server, reconciliation, rows)
        assert [warning["code"] for warning in reconciliation["warnings"]] == ["rows_rejected"]

    @pytest.mark.parametrize("column", [0, 9], ids=["hour", "provider"])
    def test_a_bad_row_is_of_its_hour_and_provider(self, server, rng, column):
        """The only row of the last hour, or of a provider: what is stored there is compared."""
        rows = make_rows(rng, 200, hours=3)
        own = rng.randrange(10**6, 10**9) * 10
        for row in rows:
            row[3], row[9] = str(own), f"Provider {own}"
        rows[7][3] = str(own + 1)
        rows[7][column] = {0: "2021-05-01 00:00:00", 9: f"Another {own}"}[column]
        server.stored(to_csv(rows).encode())
        bad = [*rows[:7], [*rows[7][:4], "500.0000001", *rows[7][5:]], *rows[8:]]
        reconciliation = of_statement(server, to_csv(bad))
        assert reconciliation["rows"]["rejected"] == 1
        assert_only(server, reconciliation, (*key_of(rows[7]), "extra_in_store"))
        assert [warning["code"] for warning in reconciliation["warnings"]] == ["rows_rejected"]

    def test_a_bad_date_does_not_widen_the_scope(self, server, stored, rng):
        rows, _ = stored
        hours = sorted({row[0][:13] for row in rows})
        early = [row for row in rows if row[0][:13] <= hours[len(hours) // 2]]
        beyond = ["2106-01-01 00:00:00", *rng.choice(rows)[1:]]
        reconciliation = of_statement(server, to_csv([*early, beyond]))
        assert_matched(server, reconciliation, early)
        assert reconciliation["rows"]["rejected"] == 1

    def test_keeps_to_its_scope(self, server, stored):
        rows, _ = stored
        games = sorted({row[3] for row in rows})
        some = [row for row in rows if row[3] == games[0]]
        reconciliation = of_statement(server, to_csv(some))
        assert reconciliation["verdict"] == "mismatched"
        assert {found[1] for found in breaks(server, reconciliation, 1000)} == set(games[1:])
        assert_matched(server, of_statement(server, to_csv(some), game_id=games[0]), some)
        day = [row for row in rows if row[0].startswith("2019-10-02")]
        inside = of_statement(server, to_csv(rows), **{"from": "2019-10-02", "to": "2019-10-03"})
        assert_matched(server, inside, day)
        assert inside["warnings"][0]["code"] == "rows_out_of_scope"
        assert inside["warnings"][0]["count"] == len(rows) - len(day)

    def test_of_which_nothing_is_in_the_scope_is_no_match(self, server, stored):
        rows, _ = stored
        for scope in ({"provider": "Nobody"}, {"from": "2031-01-01", "to": "2031-01-02"}, {"game_id": "5"}):
            headers = {"Content-Type": "text/csv", "Prefer": "wait=60"}
            answer = server.post(
                "/v1/reconciliations", content=to_csv(rows).encode(), params=scope, headers=headers
            ).json()
            assert answer["state"] == "failed" and answer["verdict"] is None, answer
            assert answer["error"]["code"] == "nothing_in_scope"
            assert f"lies in the scope ({len(rows)} rows outside of it)" in answer["error"]["detail"]

    def test_subtracts_other_providers_of_the_same_game_and_hour(self, server, rng):
        rows = make_rows(rng, 400, players=2, games=1, hours=3)
        names = [f"{rows[0][2][:8]} {name}" for name in "AB"]
        for i, row in enumerate(rows):
            row[9] = names[i % 2]
        server.stored(to_csv(rows).encode())
        mine = [row for row in rows if row[9] == names[0]]
        assert_matched(server, of_statement(server, to_csv(mine)), mine)

    def test_refuses_negative_amounts_unless_they_are_allowed(self, server, rng):
        rows = make_rows(rng, 50, hours=2)
        own = str(rng.randrange(10**6, 10**9) * 10)
        for row in rows:
            row[3], row[9] = own, f"Negative {own}"
        rows[7][4], rows[9][7] = "-12.500001", "-1e-06"
        server.stored(to_csv(rows).encode(), allow_negative="true")
        allowed = of_statement(server, to_csv(rows), allow_negative="true")
        assert_matched(server, allowed, rows)
        assert allowed["warnings"] == []
        for options in ({}, {"allow_negative": "false"}):
            reconciliation = of_statement(server, to_csv(rows), **options)
            assert reconciliation["verdict"] == "mismatched" and reconciliation["rows"]["rejected"] == 2
            assert {found[3] for found in breaks(server, reconciliation)} == {"extra_in_store"}
            assert [(w["code"], w["count"]) for w in reconciliation["warnings"]] == [("rows_rejected", 2)]
            assert [row["row"] for row in reconciliation["rejected_examples"]] == [8, 10]

    def test_leaves_voided_uploads_out(self, server, stored):
        rows, upload = stored
        assert server.post(f"/v1/uploads/{upload['id']}/void").status_code == 200
        reconciliation = of_statement(server, to_csv(rows))
        assert {found[3] for found in breaks(server, reconciliation, 1000)} == {"missing_in_store"}
        assert reconciliation["totals"]["stored"]["rows"] == 0


class TestInterface:
    def test_answers_at_once_and_survives_a_restart(self, start_server, rng):
        server = start_server()
        rows = make_rows(rng, 2000)
        upload = server.stored(to_csv(rows).encode())
        answer = server.post("/v1/reconciliations", json={"upload_id": upload["id"]})
        assert answer.status_code == 202 and answer.json()["state"] == "running"
        assert answer.headers["Retry-After"]
        server.kill()
        server.start()
        path = answer.headers["Location"]
        deadline = time.monotonic() + 120
        while (reconciliation := server.get(path).json())["state"] == "running":
            assert time.monotonic() < deadline, "it did not end in time"
            time.sleep(0.1)
        assert_matched(server, reconciliation, rows)
        listed = server.get("/v1/reconciliations").json()["data"]
        assert [one["id"] for one in listed] == [reconciliation["id"]]

    def test_csv_guards_formulas_and_no_numbers(self, server):
        row = ["2001-01-01 00:00:00", "1", "=1+1", "1", "1", "", "", "", "Game", "Guarded"]
        reconciliation = of_statement(server, to_csv([row, [*row[:2], "-5", *row[3:]]]))
        path = f"/v1/reconciliations/{reconciliation['id']}/discrepancies"
        answer = server.get(path, params={"format": "csv"})
        assert [line.split(",")[0] for line in answer.text.splitlines()] == ["player_id", "-5", "'=1+1"]
        assert (
            answer.headers["content-disposition"].startswith("attachment") and answer.headers["vary"] == "Accept"
        )
        bare = server.get(path, params={"format": "csv", "csv_guard": "false"})
        assert [line.split(",")[0] for line in bare.text.splitlines()] == ["player_id", "-5", "=1+1"]
        assert server.get(path, params={"csv_guard": "maybe"}).json()["code"] == "bad_csv_guard"

    def test_discrepancies_as_csv_and_ndjson(self, server, stored):
        rows, _ = stored
        reconciliation = of_statement(server, to_csv(rows[:-1] + [more_by_a_millionth(rows[-1])]))
        path = f"/v1/reconciliations/{reconciliation['id']}/discrepancies"
        text = server.get(path, headers={"Accept": "text/csv"}).text
        assert text.splitlines()[1].startswith(",".join([*key_of(rows[-1]), "amount_mismatch"]))
        lines = server.get(path, params={"format": "ndjson"}).text.splitlines()
        assert lines[-1] == '{"_end":{"rows":1}}' and len(lines) == 2

    @pytest.mark.parametrize(
        ("options", "status", "code"),
        [
            ({"json": {"upload_id": "00000000-0000-4000-8000-000000000000"}}, 404, "upload_not_found"),
            ({"json": {"upload_id": "x"}}, 400, "bad_upload_id"),
            ({"json": {"upload": "x"}}, 400, "unknown_key"),
            ({"json": [1]}, 400, "bad_json"),
            ({"content": b"{", "headers": {"Content-Type": "application/json"}}, 400, "bad_json"),
            ({"content": b"x", "headers": {"Content-Type": "text/plain"}}, 415, "unsupported_media_type"),
            ({"content": b"", "headers": {"Content-Type": "text/csv"}}, 422, "empty_file"),
            ({"content": b"x", "headers": {"Content-Type": "text/csv"}, "params": {"from": "x"}}, 400, "bad_from"),
            (
                {"content": b"x", "headers": {"Content-Type": "text/csv"}, "params": {"game_id": "1x"}},
                400,
                "bad_game_id",
            ),
            (
                {"content": b"x", "headers": {"Content-Type": "text/csv"}, "params": {"nope": "1"}},
                400,
                "unknown_parameter",
            ),
            (
                {"content": b"x", "headers": {"Content-Type": "text/csv", "Content-Encoding": "br"}},
                415,
                "unsupported_encoding",
            ),
            (
                {"content": b"no gzip", "headers": {"Content-Type": "text/csv", "Content-Encoding": "gzip"}},
                422,
                "bad_gzip",
            ),
        ],
    )
    def test_wrong_requests_say_what_is_wrong(self, server, options, status, code):
        answer = server.post("/v1/reconciliations", **options)
        assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text

    def test_a_statement_without_columns_or_rows_is_refused_at_once(self, server):
        header = ",".join(COLUMNS) + "\n"
        known = server.get("/v1/reconciliations").json()["data"]
        for content, params, code in [
            (b"a,b\n1,2\n", {}, "missing_column"),
            (header.encode("utf-16-le") + b"x\0", {"delimiter": "pipe"}, "missing_column"),
            (header.encode() + b"x\n", {"encoding": "utf-16le"}, "wrong_encoding"),
            (("user_id," + header).encode(), {}, "duplicate_column"),
            (header.encode(), {}, "no_rows"),
            (b"x" * 2_000_000, {}, "header_unreadable"),
        ]:
            answer = server.post(
                "/v1/reconciliations", content=content, params=params, headers={"Content-Type": "text/csv"}
            )
            assert (answer.status_code, answer.json()["code"]) == (422, code), answer.text
        assert server.get("/v1/reconciliations").json()["data"] == known
        directories = {path.name for path in (server.data / "reconciliations").iterdir()}
        assert directories == {reconciliation["id"] for reconciliation in known}

    def test_a_statement_without_valid_rows_fails_with_the_reason(self, server):
        content = (",".join(COLUMNS) + "\n" + ",".join("x" * 10) + "\n").encode()
        answer = server.post(
            "/v1/reconciliations", content=content, headers={"Content-Type": "text/csv", "Prefer": "wait=60"}
        )
        assert answer.json()["state"] == "failed" and answer.json()["error"]["code"] == "no_rows", answer.text
        assert answer.json()["verdict"] is None
        found = server.get(f"{answer.headers['Location']}/discrepancies")
        assert (found.status_code, found.json()["code"]) == (409, "reconciliation_failed")
        lines = [json.loads(line) for line in server.log_path.read_text().splitlines()]
        (logged,) = [line for line in lines if line.get("id") == answer.json()["id"]]
        assert (logged["level"], logged["message"]) == ("warning", "a reconciliation failed")
        assert logged["verdict"] == "no_rows"

    def test_unknown_ids_and_cursors(self, server, stored):
        assert server.get("/v1/reconciliations/00000000-0000-4000-8000-000000000000").status_code == 404
        assert server.get("/v1/reconciliations/..%2f..").status_code == 404
        _, upload = stored
        path = f"/v1/reconciliations/{of_upload(server, upload)['id']}/discrepancies"
        assert server.get(path, params={"cursor": "x"}).json()["code"] == "bad_cursor"
        assert server.get(path, params={"limit": "0"}).status_code == 400


def test_a_voided_upload_is_reconciled_and_said_to_be_voided(server, rng):
    upload = server.stored(to_csv(make_rows(rng, 50)).encode())
    voided = server.post(f"/v1/uploads/{upload['id']}/void").json()
    answer = of_upload(server, upload)
    assert answer["verdict"] == "matched"
    assert [warning["code"] for warning in answer["warnings"]] == ["upload_voided"]
    assert f"version {voided['voided_version']}" in answer["warnings"][0]["detail"]
