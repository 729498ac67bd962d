"""The promise, in short, on every topology: what the other tests say at length of some of them."""

import contextlib
import hashlib
import threading
from decimal import Decimal

import httpx
import pytest
from rounds import AMOUNTS, expected_hourly, make_rows, served_hourly, to_csv, with_refused_rows
from topologies import ALL

pytestmark = pytest.mark.topologies(*ALL)


@pytest.fixture
def file(rng) -> tuple[bytes, list[list[str]]]:
    """UTF-16 without a mark, a refused row in each thousand; and the rows that must count."""
    accepted = make_rows(rng, 4000, players=40, games=6, hours=24 * 40)
    return to_csv(with_refused_rows(accepted)).encode("utf-16-be"), accepted


def served(server, rows) -> list[tuple]:
    return sorted(served_hourly(server.aggregates(player_id=sorted({row[2] for row in rows}))))


def verdict(server, **request) -> dict:
    answer = server.post(
        "/v1/reconciliations", headers={"Prefer": "wait=60", **request.pop("headers", {})}, **request
    )
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_a_file_is_counted_once_and_proven(server, file):
    content, accepted = file
    upload = server.stored(content, filename="october.csv")
    assert upload["encoding"] == "utf-16be"
    assert upload["rows"] == {"read": 4004, "accepted": 4000, "rejected": 4, "blank": 0}
    assert served(server, accepted) == sorted(expected_hourly(accepted))

    again = server.upload(content)
    assert (again.status_code, again.json()["duplicate"]) == (200, True)
    assert served(server, accepted) == sorted(expected_hourly(accepted))

    rejects = server.get(f"/v1/uploads/{upload['id']}/rejects").json()["data"]
    faults = [(fault["column"], fault["value"]) for reject in rejects for fault in reject["faults"]]
    assert faults == [("real_amount_bet", "12,5 EUR")] * 4
    original = server.get(f"/v1/uploads/{upload['id']}/original")
    assert original.content == content
    assert upload["sha256"] == hashlib.sha256(content).hexdigest()

    found = verdict(server, json={"upload_id": upload["id"]})
    assert (found["verdict"], found["discrepancies"]) == ("matched", 0), found
    sent = verdict(server, content=to_csv(accepted).encode(), headers={"Content-Type": "text/csv"})
    assert sent["verdict"] == "matched", sent
    changed = [list(row) for row in accepted]
    changed[7][4] = str(Decimal(changed[7][4] if changed[7][4] not in ("", "NaN") else 0) + Decimal("0.000001"))
    sent = verdict(server, content=to_csv(changed).encode(), headers={"Content-Type": "text/csv"})
    assert (sent["verdict"], sent["discrepancies"]) == ("mismatched", 1), sent


def test_a_void_and_a_replacement_change_the_figures_at_their_version(server, file):
    content, accepted = file
    upload = server.stored(content)
    before = server.get("/v1/aggregates", params={"limit": 1}).json()["version"]
    better = [list(row) for row in accepted]
    better[0][4] = "1000000.5"
    server.stored(to_csv(better).encode(), replaces=upload["id"])
    assert served(server, better) == sorted(expected_hourly(better))
    old = server.aggregates(player_id=sorted({row[2] for row in accepted}), as_of=before)
    assert sorted(served_hourly(old)) == sorted(expected_hourly(accepted))
    assert server.get(f"/v1/uploads/{upload['id']}").json()["voided_version"] > before


def test_a_walk_stays_on_its_version_while_files_arrive(server, rng):
    rows = make_rows(rng, 2000, players=20, games=3, hours=40)
    server.stored(to_csv(rows).encode())
    players = sorted({row[2] for row in rows})
    others = [to_csv(make_rows(rng, 500, players=5)).encode() for _ in range(3)]
    writer = threading.Thread(target=lambda: [server.stored(other) for other in others])
    writer.start()
    walked, cursor = [], None
    while True:
        params = {"player_id": players, "limit": 23, **({"cursor": cursor} if cursor else {})}
        page = server.get("/v1/aggregates", params=params).json()
        walked += page["data"]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    writer.join()
    assert sorted(served_hourly(walked)) == sorted(expected_hourly(rows))


@pytest.mark.parametrize("stage", ["publish_before_rename", "sink_before_audit", "stored_before_uploads_row"])
def test_killed_on_the_way_it_goes_on_by_itself(start_server, file, stage):
    content, accepted = file
    server = start_server("data", environment={"ROUNDHOUSE_KILL_AT": stage})
    with contextlib.suppress(httpx.TransportError):  # rows are inserted before the file's end is there
        server.upload(content, wait=None)
    server.wait_dead(60)
    server.environment.pop("ROUNDHOUSE_KILL_AT")
    server.start()
    server.stored(content)
    assert served(server, accepted) == sorted(expected_hourly(accepted))
    assert server.stop() == 0
    server.start()
    totals = server.aggregates(granularity="total", group_by="none")
    expected = expected_hourly(accepted)
    assert [(t["rounds"], *[Decimal(t[a]) for a in AMOUNTS]) for t in totals] == [
        (len(accepted), *[sum(row[4 + i] for row in expected) for i in range(4)])
    ]
