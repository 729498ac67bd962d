"""Files of game rounds for the tests, and their totals computed by DuckDB."""

import csv
import io
import random
import tempfile
from decimal import Decimal

import duckdb

COLUMNS = [
    "created_timestamp",
    "game_instance_id",
    "user_id",
    "game_id",
    "real_amount_bet",
    "bonus_amount_bet",
    "real_amount_win",
    "bonus_amount_win",
    "game_name",
    "provider",
]
AMOUNTS = COLUMNS[4:8]


def make_rows(
    rng: random.Random,
    count: int,
    *,
    players: int = 20,
    games: int = 5,
    hours: int = 48,
    start: str = "2019-10-01",
) -> list[list[str]]:
    """Valid rows in random order of time, with amounts of every length, empty ones and NaN."""
    from datetime import datetime, timedelta

    first = datetime.fromisoformat(start)
    tag = f"{rng.randrange(16**8):08x}"
    rows = []
    for i in range(count):
        amounts = []
        for _ in range(4):
            kind = rng.randrange(6)
            if kind == 0:
                amounts.append(rng.choice(["", "NaN"]))
            elif kind == 1:
                amounts.append("1e-05")
            else:
                digits = rng.randrange(7)
                amounts.append(str(Decimal(rng.randrange(10**9)).scaleb(-digits)))
        game = rng.randrange(games)
        rows.append(
            [
                (first + timedelta(seconds=rng.randrange(hours * 3600))).strftime("%Y-%m-%d %H:%M:%S"),
                str(20000 + i),
                f"{tag}-player-{rng.randrange(players)}",
                str(10000 + game),
                *[a if "E" not in a else f"{Decimal(a):f}" for a in amounts],
                ["Fire, Ice", 'Joker\'s "Wild"', "Book of Test", "Café Royale"][game % 4],
                ["Play'n GO", "Provider, Inc."][game % 2],
            ]
        )
    return rows


def with_refused_rows(accepted: list[list[str]]) -> list[list[str]]:
    """The rows, and in each thousand of them one more that is refused."""
    rows = list(accepted)
    for at in range(500, len(accepted), 1000):
        broken = list(rows[at])
        broken[4] = "12,5 EUR"
        rows.insert(at, broken)
    return rows


def to_csv(
    rows: list[list[str]], *, delimiter: str = ",", line_end: str = "\r\n", header: list[str] = COLUMNS
) -> str:
    out = io.StringIO()
    writer = csv.writer(out, delimiter=delimiter, lineterminator=line_end)
    writer.writerow(header)
    writer.writerows(rows)
    return out.getvalue()


def expected_hourly(rows: list[list[str]]) -> list[tuple]:
    """(player, game, hour, rounds, four sums as Decimal), ordered by that key, as DuckDB counts them."""
    if not rows:
        return []
    sums = ", ".join(
        f"sum(CASE WHEN coalesce({name}, '') IN ('', 'NaN') THEN 0 ELSE CAST({name} AS DECIMAL(18,6)) END)"
        for name in AMOUNTS
    )
    with tempfile.NamedTemporaryFile("w", suffix=".csv", newline="") as file:
        file.write(to_csv(rows))
        file.flush()
        return (
            duckdb.connect()
            .execute(
                f"SELECT * FROM (SELECT user_id, game_id, "
                f"date_trunc('hour', CAST(created_timestamp AS TIMESTAMP)) AS hour, "
                f"count(*), {sums} FROM read_csv(?, all_varchar=true, header=true, delim=',', quote='\"', "
                f"escape='\"', parallel=false) GROUP BY ALL) ORDER BY user_id, CAST(game_id AS UBIGINT), hour",
                [file.name],
            )
            .fetchall()
        )


def served_hourly(data: list[dict]) -> list[tuple]:
    """What /v1/aggregates answered, in the form of expected_hourly."""
    from datetime import datetime

    return [
        (
            row["player_id"],
            row["game_id"],
            datetime.fromisoformat(row["hour"].replace("Z", "+00:00")).replace(tzinfo=None),
            row["rounds"],
            *[Decimal(row[name]) for name in AMOUNTS],
        )
        for row in data
    ]
