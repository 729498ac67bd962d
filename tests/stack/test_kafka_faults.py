"""Faults of the log in Kafka that an operator will meet one day: lost offsets, one file sent to two processes,
rows that retention dropped. After each of them every row counts once, and what happened is said.
"""

import contextlib
import os
import signal
import threading

import httpx
import pytest
from kafka_site import (
    GROUP,
    Site,
    ask,
    check_exactly_once,
    check_matched,
    drop_all_records,
    group_takes,
    kafka_check,
    make_file,
    metric,
    send,
    served,
    wait_stored,
)
from native_stack import wait_for
from rounds import expected_hourly


def delete_group(site: Site) -> bool:
    return group_takes(site.admin().delete_consumer_groups([GROUP])[GROUP])


def test_lost_offsets_change_no_figure(site, rng):
    content, rows = make_file(rng)
    gone, gone_rows = make_file(rng, 5_000)
    server = site.start()
    upload_id = wait_stored(server, send(server, content, filename="offsets.csv"))["id"]
    void_id = wait_stored(server, send(server, gone, filename="voided.csv"))["id"]
    assert server.post(f"/v1/uploads/{void_id}/void").status_code == 200
    server.kill()
    wait_for(lambda: delete_group(site), "the group is empty and was deleted")
    assert set(site.committed(GROUP).values()) == {None}
    server.start()
    more, more_rows = make_file(rng)
    more_id = send(server, more, filename="meanwhile.csv")
    read_again = False
    while not read_again or server.get(f"/v1/uploads/{more_id}").json()["state"] != "stored":
        read_again = site.lag(GROUP) == 0
        check_exactly_once(server, rows)
        assert served(server, gone_rows) == []
    again = metric(server, "roundhouse_kafka_inserted_rows_total")
    assert again >= len(rows) + len(gone_rows) + len(more_rows)
    check_exactly_once(server, more_rows)
    for each in (upload_id, more_id):
        check_matched(server, each)


def told(upload: dict) -> dict:
    """What every process must say of an upload."""
    return {name: upload[name] for name in ("id", "state", "rows", "totals", "sha256", "stored_version")}


def test_the_same_file_sent_to_two_processes_at_once_counts_once(site, rng):
    content, rows = make_file(rng, 150_000)
    servers = [site.start(), site.start()]
    together = threading.Barrier(2)
    answers = [None, None]

    def go(at: int) -> None:
        together.wait()
        answers[at] = servers[at].upload(content, filename="same.csv", wait=120)

    threads = [threading.Thread(target=go, args=(at,)) for at in (0, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    uploads = [answer.json() for answer in answers]
    assert [answer.status_code for answer in answers] == [200, 200], uploads
    assert told(uploads[0]) == told(uploads[1]) and uploads[0]["state"] == "stored"
    assert [uploads[at]["duplicate"] for at in (0, 1)] in ([False, True], [True, False])
    loser = uploads[1] if uploads[1]["duplicate"] else uploads[0]
    assert "stored_elsewhere" in [warning["code"] for warning in loser["warnings"]]
    path = f"/v1/uploads/{loser['id']}"
    for server in servers:
        wait_for(lambda s=server: served(s, rows) == sorted(expected_hourly(rows)), "it serves the file", 30)
        assert server.get(f"{path}/original").content == content  # each was sent it
    found = site.rows_of(loser["id"])
    assert len(found) == len({record["row_number"] for _, record in found}) == len(rows)
    for server in servers:
        server.kill()
        server.start()
        assert told(server.get(path).json()) == told(loser)
        check_exactly_once(server, rows)
    check_matched(servers[0], loser["id"])
    assert site.count(loser["id"]) == len(rows)


def test_every_process_answers_for_a_file_that_one_received(site, rng):
    content, rows = make_file(rng, 5_000)
    receiver, other = site.start(), site.start()
    stored = wait_stored(receiver, send(receiver, content, filename="one.csv"))
    path = f"/v1/uploads/{stored['id']}"
    wait_for(lambda: other.get(path).json().get("state") == "stored", "the other knows it")
    seen = other.get(path).json()
    assert seen["held_by"] and receiver.get(path).json()["held_by"] is None
    assert {**seen, "held_by": None} == receiver.get(path).json()
    assert stored["id"] in [each["id"] for each in other.get("/v1/uploads").json()["data"]]
    again = other.upload(content, filename="one.csv")
    assert (again.status_code, again.json()["duplicate"]) == (200, True)
    assert told(again.json()) == told(stored) and site.count(stored["id"]) == len(rows)
    for request in (
        other.get(f"{path}/original"),
        other.get(f"{path}/rejects"),
        other.post("/v1/reconciliations", json={"upload_id": stored["id"]}),
    ):
        assert (request.status_code, request.json()["code"]) == (404, "upload_elsewhere")
        assert seen["held_by"] in request.json()["detail"]
    differing = other.upload(content, filename="one.csv", timezone="+02:00")
    assert (differing.status_code, differing.json()["code"]) == (409, "same_file_other_options")
    other.kill()
    other.start()
    assert other.get(path).json() == seen
    assert other.post(f"{path}/void").status_code == 200
    wait_for(lambda: receiver.get(path).json()["voided_version"] is not None, "the receiver knows of the void")
    assert served(receiver, rows) == served(other, rows) == []


def test_every_process_answers_for_a_file_on_its_way(site, rng):
    content, _ = make_file(rng, 5_000)
    refused = b"\r\n".join(content.split(b"\r\n")[:600])  # with a bad row
    receiver, other = site.start(), site.start()
    for part in ("clickhouse-1", "clickhouse-2"):
        site.stack.kill(part)
    waiting = f"/v1/uploads/{send(receiver, content, filename='on its way.csv')}"
    bad = f"/v1/uploads/{send(receiver, refused, filename='bad.csv', on_error='abort')}"
    wait_for(lambda: other.get(waiting).json().get("state") == "storing", "the other knows how far it is")
    wait_for(lambda: other.get(bad).json().get("state") == "refused", "the other knows that it was refused")
    seen = other.get(waiting).json()
    assert seen["rows"] == receiver.get(waiting).json()["rows"] and seen["held_by"]
    assert other.get(bad).json()["error"]["code"] == receiver.get(bad).json()["error"]["code"]
    for request in (
        other.get(f"{waiting}/events"),
        other.post(f"{waiting}/cancel"),
        other.post(f"{waiting}/void"),
        other.request("DELETE", bad),
    ):
        assert (request.status_code, request.json()["code"]) == (404, "upload_elsewhere")
    assert receiver.request("DELETE", bad).status_code == 204
    assert receiver.get(bad).status_code == 404
    wait_for(lambda: other.get(bad).status_code == 404, "the other knows that it was deleted")
    site.stack.run("up")
    wait_for(lambda: other.get(waiting).json()["state"] == "stored", "it is stored", 120)


def test_a_process_that_stopped_while_it_published_holds_nobody_up(site, rng):
    """The last rows of its file are half of a cell, and the topic has no more."""
    half, half_rows = make_file(rng, 150_000)
    content, rows = make_file(rng, 5_000)
    stopped, server = site.start(environment={"ROUNDHOUSE_KILL_AT": "kafka_after_commit"}), site.start()
    with contextlib.suppress(httpx.HTTPError):
        stopped.upload(half, filename="half.csv", wait=None)
    assert stopped.wait_dead(60) == -signal.SIGKILL
    upload = server.wait_final(send(server, content, filename="after.csv"), timeout=120)
    assert upload["state"] == "stored", upload
    check_exactly_once(server, rows)
    assert served(server, half_rows) == []
    stopped.start()
    half_id = send(stopped, half, filename="half.csv")
    wait_stored(stopped, half_id)
    for each in (stopped, server):
        wait_for(
            lambda s=each: served(s, half_rows) == sorted(expected_hourly(half_rows)), "it serves the file", 30
        )
        check_exactly_once(each, rows)
    check_matched(stopped, half_id)
    assert site.count(half_id) == len(half_rows)


def test_what_is_published_in_part_goes_before_what_is_not_begun(site, rng):
    """Readers of the topic wait for the rest of it."""
    server = site.start()
    long, long_rows = make_file(rng, 600_000)
    first = send(server, long, filename="first.csv")
    path = f"/v1/uploads/{first}"
    wait_for(lambda: server.get(path).json()["progress"]["rows"] >= 150_000, "some rows are in the topic")
    os.kill(site.stack.parts()["broker"]["pid"], signal.SIGKILL)
    behind = [send(server, make_file(rng, 1_000)[0], filename=f"behind-{n}.csv") for n in range(5)]
    wait_for(lambda: "publishing an upload is tried again" in server.log_path.read_text(), "it has failed", 90)
    site.stack.start("broker")
    versions = [wait_stored(server, upload_id)["stored_version"] for upload_id in [first, *behind]]
    assert versions == sorted(versions)
    check_exactly_once(server, long_rows)


def test_a_removal_that_comes_late_takes_nothing_that_counts(site, rng):
    """ClickHouse was asked for it by a process that is gone, and the other one has stored the file since."""
    content, rows = make_file(rng, 5_000)
    owner, other = site.start(), site.start()
    site.stack.kill("clickhouse-2")
    ask(site, 1, "SYSTEM STOP MERGES")  # nor does it remove rows
    before = site.committed(GROUP)
    upload_id = send(owner, content, filename="late.csv")
    path = f"/v1/uploads/{upload_id}"
    wait_for(lambda: owner.get(path).json()["state"] == "storing", "all of it is published")
    wait_for(lambda: site.committed(GROUP) != before, "shard 1 has its part")
    assert send(other, content, filename="late.csv") == upload_id
    with contextlib.suppress(httpx.TransportError):
        owner.post(f"{path}/cancel", timeout=5)
    which = "SELECT mutation_id FROM system.mutations WHERE NOT is_done"
    wait_for(lambda: ask(site, 1, which) != "", "the removal is asked for")
    late = ask(site, 1, which)
    owner.kill()
    site.stack.start("clickhouse-2")
    # Whoever takes the upload over ends it before it counts rows, and waits for what it had begun.
    wait_for(lambda: ask(site, 1, which) not in ("", late), "it is ended", 120)
    ask(site, 1, "SYSTEM START MERGES")
    wait_stored(other, upload_id)
    check_exactly_once(other, rows)
    check_matched(other, upload_id)


def test_cancelled_while_the_broker_is_away(site, rng):
    """It is said at once; that its rows do not count is written when somebody can take it."""
    content, rows = make_file(rng, 1_000_000)
    server = site.start()
    broker = site.stack.parts()["broker"]["pid"]
    upload_id = send(server, content, filename="cancelled.csv")
    path = f"/v1/uploads/{upload_id}"
    wait_for(lambda: server.get(path).json()["progress"]["rows"] >= 150_000, "some rows are in the topic")
    os.kill(broker, signal.SIGKILL)
    wait_for(lambda: "kafka_unavailable" in server.log_path.read_text(), "the broker is missed", 60)
    answer = server.post(f"{path}/cancel", timeout=20)
    assert answer.status_code == 200 and answer.json()["state"] == "cancelled", answer.text
    server.kill()
    site.stack.start("broker")
    server.start()
    assert server.get(path).json()["state"] == "cancelled"
    wait_for(lambda: metric(server, "roundhouse_kafka_open_uploads") == 0, "its rows are declared void", 60)
    assert served(server, rows) == []
    more, more_rows = make_file(rng, 5_000)
    wait_stored(server, send(server, more, filename="more.csv"))
    check_exactly_once(server, more_rows)


@pytest.mark.parametrize("recovered_by", ["its own restart", "the file sent to another process"])
def test_rows_that_retention_dropped_unread_are_said_and_come_again(site, rng, recovered_by):
    content, rows = make_file(rng)
    expected = sorted(expected_hourly(rows))
    receiver = site.start()
    for part in ("clickhouse-1", "clickhouse-2"):
        site.stack.kill(part)
    upload_id = send(receiver, content, filename="dropped.csv")
    path = f"/v1/uploads/{upload_id}"
    wait_for(lambda: receiver.get(path).json()["state"] == "storing", "all of it is published")
    receiver.kill()
    drop_all_records(site)
    site.stack.run("up")
    if recovered_by == "its own restart":
        server = receiver.start()
    else:
        server = site.start()
        wait_for(lambda: metric(server, "roundhouse_kafka_lost_uploads") == 1, "the loss is known")
        assert served(server, rows) == []
        assert "kafka_retention_lost (1 of the uploads still lack rows)" in kafka_check(server)
        assert send(server, content, filename="dropped.csv") == upload_id
    while server.get(path).json()["state"] != "stored":
        assert served(server, rows) in ([], expected)
    check_exactly_once(server, rows)
    check_matched(server, upload_id)
    assert metric(server, "roundhouse_kafka_retention_losses_total") > 0
    wait_for(lambda: metric(server, "roundhouse_kafka_lost_uploads") == 0, "nothing is missing any more")
    for said in (kafka_check(server), server.log_path.read_text()):
        assert "kafka_retention_lost" in said and upload_id in said
