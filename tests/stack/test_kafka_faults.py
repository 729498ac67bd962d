"""Faults of the log in Kafka that an operator will meet one day: lost offsets, one file sent to two processes,
rows that retention dropped. After each of them every row counts once, and what happened is said.
"""

import threading

from confluent_kafka import KafkaException
from kafka_site import (
    Site,
    check_exactly_once,
    check_matched,
    make_file,
    metric,
    send,
    served,
    wait_stored,
)
from native_stack import wait_for
from rounds import expected_hourly

GROUP = "roundhouse"


def delete_group(site: Site) -> bool:
    """False while a member of it is missed."""
    try:
        site.admin().delete_consumer_groups([GROUP])[GROUP].result()
    except KafkaException:
        return False
    return True


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


def test_the_same_file_sent_to_two_processes_at_once_counts_once(site, rng):
    content, rows = make_file(rng, 150_000)
    servers = [site.start(), site.start()]
    together = threading.Barrier(2)
    ids = [None, None]

    def go(at: int) -> None:
        together.wait()
        ids[at] = send(servers[at], content, filename="same.csv")

    threads = [threading.Thread(target=go, args=(at,)) for at in (0, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert ids[0] == ids[1]
    stored = [wait_stored(server, ids[0]) for server in servers]
    assert stored[0]["stored_version"] == stored[1]["stored_version"]
    for server in servers:
        wait_for(lambda s=server: served(s, rows) == sorted(expected_hourly(rows)), "it serves the file", 30)
    assert site.count(ids[0]) == len(rows)
