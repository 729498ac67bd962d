"""Answers of a server that has stored a file, against ClickHouse asked straight: latencies, pages, export, start."""

import dataclasses
import http.client
import json
import pathlib
import subprocess
import time
import urllib.parse

import measure
from contest import AMOUNTS, ROOT, ratio_of, spread
from server import Body, Server

CLIENTS = [1, 8, 64]
PLAYERS = 64
PAGE_ROWS = 100
DEEP_PAGE_ROWS = 50  # the usual file has 96,372 hourly rows, and a page 1,000 only if pages are this small
READ_BYTES = 1 << 20
SUMS = ", ".join(f"sum({name})" for name in ["rounds", *AMOUNTS])
VISIBLE = "upload_id IN (SELECT upload_id FROM uploads FINAL)"


@dataclasses.dataclass
class Load:
    """How long, and with how many repeats, each is asked."""

    seconds: int
    repeats: int
    page: int  # of the deep page


class Asked:
    """One of the two sides: where it listens, and the headers that it wants."""

    def __init__(self, port: int, headers: dict[str, str]):
        self.port, self.headers = port, headers

    def by_wrk(self, targets: list[str], clients: int, seconds: int, scratch: pathlib.Path) -> dict:
        file = scratch / "targets.txt"
        file.write_text("\n".join(targets) + "\n")
        words = ["wrk", "-t1", f"-c{clients}", "--timeout", "60s"]
        for name, value in self.headers.items():
            words += ["-H", f"{name}: {value}"]
        words += ["-s", str(ROOT / "bench" / "wrk_report.lua"), f"http://127.0.0.1:{self.port}"]
        for duration in (seconds, 10 * seconds):  # a short one may end before any answer does
            command = [*words, f"-d{duration}s", "--", str(file)]
            out = subprocess.run(command, check=True, capture_output=True, text=True).stdout
            figures = json.loads(out.splitlines()[-1])
            if figures["failed"]:
                raise RuntimeError(f"{targets[0]}: {figures}")
            if figures["requests"]:
                return figures
        raise RuntimeError(f"{targets[0]}: no answer in {duration} s")

    def whole(self, target: str) -> tuple[float, int]:
        """Seconds to the last byte of one answer, and its lines."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=600)
        began = time.monotonic()
        connection.request("GET", target, headers=self.headers)
        answer = connection.getresponse()
        lines = 0
        while piece := answer.read(READ_BYTES):
            lines += piece.count(b"\n")
        connection.close()
        if answer.status != 200:
            raise RuntimeError(f"{target}: {answer.status}")
        return time.monotonic() - began, lines


def straight(server: Server) -> tuple[Asked, dict[str, str]]:
    info = server.clickhouse()
    headers = {"X-ClickHouse-User": info["user"], "X-ClickHouse-Key": info["password"]}
    asked = Asked(urllib.parse.urlsplit(info["url"]).port, headers)
    return asked, {"database": info["database"], "optimize_aggregation_in_order": "1"}


def of_player(player: str, limit: int, **parameters: str) -> str:
    sql = (
        f"SELECT player_id, game_id, hour, {SUMS} FROM hourly FINAL WHERE {VISIBLE} AND player_id = '{player}' "
        f"GROUP BY player_id, game_id, hour ORDER BY player_id, game_id, hour LIMIT {limit} FORMAT JSONEachRow"
    )
    return "/?" + urllib.parse.urlencode({"query": sql, **parameters})


def busiest(server: Server, column: str, table: str, count: int) -> list[tuple[str, int]]:
    """Ids with the most aggregates, and how many these are."""
    sql = f"SELECT {column}, count() AS n FROM {table} GROUP BY {column} ORDER BY n DESC, {column} LIMIT {count}"
    lines = server.sql(sql + " FORMAT TSV").text.splitlines()
    return [(line.split("\t")[0], int(line.split("\t")[1])) for line in lines]


def latencies(server: Server, load: Load, scratch: pathlib.Path) -> list[dict]:
    """The busiest players' first page, from roundhouse and from ClickHouse."""
    clickhouse, parameters = straight(server)
    players = [player for player, _ in busiest(server, "player_id", "v_hourly", PLAYERS)]
    sides = {
        "roundhouse": (
            Asked(server.port, {}),
            [f"/v1/aggregates?player_id={player}&limit={PAGE_ROWS}" for player in players],
        ),
        "clickhouse": (clickhouse, [of_player(player, PAGE_ROWS, **parameters) for player in players]),
    }
    figures = []
    for clients in CLIENTS:
        runs: dict[str, list[dict]] = {name: [] for name in sides}
        for _ in range(load.repeats):
            for name, (asked, targets) in sides.items():
                runs[name].append(asked.by_wrk(targets, clients, load.seconds, scratch))
        figure: dict = {"clients": clients}
        for name, those in runs.items():
            figure[name] = {key: spread([run[key] for run in those]) for key in ("p50_s", "p90_s", "p99_s")}
            figure[name]["per_s"] = spread([run["requests"] / run["seconds"] for run in those])
        for key in ("p50", "p99"):
            both = [[run[f"{key}_s"] for run in runs[name]] for name in sides]
            figure[f"{key}_ratio"] = ratio_of(*both)
        figures.append(figure)
    return figures


def compare(server: Server, first: str, second: str, load: Load, scratch: pathlib.Path) -> dict:
    """Two requests to roundhouse by one client: how many times as long the first one's median takes."""
    asked = Asked(server.port, {})
    runs: list[list[float]] = [[], []]
    for _ in range(load.repeats):
        for target, medians in zip((first, second), runs, strict=True):
            medians.append(asked.by_wrk([target], 1, load.seconds, scratch)["p50_s"])
    return {"first_s": spread(runs[0]), "second_s": spread(runs[1]), "ratio": ratio_of(*runs)}


def by_game(server: Server, load: Load, scratch: pathlib.Path) -> dict:
    """A game's page against a player's page of as many rows."""
    player, player_rows = busiest(server, "player_id", "v_hourly", 1)[0]
    game, game_rows = busiest(server, "game_id", "v_hourly_by_game", 1)[0]
    limit = min(PAGE_ROWS, player_rows, game_rows)
    targets = [f"/v1/aggregates?{id}&limit={limit}" for id in (f"game_id={game}", f"player_id={player}")]
    return {"rows": limit} | compare(server, *targets, load, scratch)


def deep_page(server: Server, load: Load, scratch: pathlib.Path) -> dict:
    first = f"/v1/aggregates?limit={DEEP_PAGE_ROWS}"
    target, page = first, 1
    while page < load.page and (cursor := server.get(target)["next_cursor"]):
        target, page = f"{first}&cursor={urllib.parse.quote(cursor)}", page + 1
    return {"page": page} | compare(server, target, first, load, scratch)


def export(server: Server, repeats: int) -> dict:
    """All hourly rows as CSV: `rate_ratio` is roundhouse's rate by ClickHouse's."""
    clickhouse, parameters = straight(server)
    sql = (
        f"SELECT player_id, game_id, hour, {SUMS} FROM hourly FINAL WHERE {VISIBLE} "
        "GROUP BY player_id, game_id, hour ORDER BY player_id, game_id, hour FORMAT CSVWithNames"
    )
    ours, theirs = [], []
    for _ in range(repeats):
        ours_s, lines = Asked(server.port, {}).whole("/v1/aggregates?format=csv")
        query = urllib.parse.urlencode({"query": sql, **parameters})
        theirs_s, their_lines = clickhouse.whole(f"/?{query}")
        if lines != their_lines:
            raise RuntimeError(f"roundhouse exports {lines} lines, ClickHouse {their_lines}")
        ours.append(ours_s)
        theirs.append(theirs_s)
    return {
        "rows": lines - 1,
        "ours_s": spread(ours),
        "clickhouse_s": spread(theirs),
        "rate_ratio": ratio_of(theirs, ours),
    }


def start(binary: pathlib.Path, scratch: pathlib.Path, repeats: int) -> dict:
    """From the program's start to `/readyz`, on an empty data directory."""
    seconds = []
    for _ in range(repeats):
        with Server(binary, scratch / "start") as server:
            seconds.append(server.start_s)
    return spread(seconds)


def measure_answers(binary: pathlib.Path, file: pathlib.Path, scratch: pathlib.Path, load: Load) -> dict:
    with Server(binary, scratch / "answers") as server:
        measure.store(server, Body(file))
        return {
            "latencies": latencies(server, load, scratch),
            "by_game": by_game(server, load, scratch),
            "deep_page": deep_page(server, load, scratch),
            "export": export(server, load.repeats),
            "start_s": start(binary, scratch, load.repeats),
        }
