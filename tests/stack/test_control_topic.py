"""What the control topic decides for all processes, and what happens when it is not there any more."""

import signal
import threading
import time

import httpx
import pytest
from confluent_kafka import ConsumerGroupTopicPartitions, Producer, TopicPartition
from confluent_kafka.admin import AlterConfigOpType, ConfigEntry, ConfigResource
from kafka_site import (
    CONTROL,
    GROUP,
    TOPIC,
    Site,
    ask,
    check_exactly_once,
    check_matched,
    group_takes,
    high,
    make_file,
    metric,
    running_site,
    send,
    served,
    wait_stored,
)
from native_stack import wait_for


@pytest.fixture
def own_site(tmp_path):
    """Of one test, which leaves topics and shards that do not belong together."""
    with running_site(tmp_path) as site:
        yield site


def knows(server, upload_id: str) -> bool:
    answer = server.get(f"/v1/uploads/{upload_id}")
    return answer.status_code == 200 and answer.json()["state"] == "stored"


def test_of_two_corrections_of_one_file_the_first_counts(site, rng):
    """Sent to two processes, of which none knows yet what the other one was sent."""
    content, _ = make_file(rng, 2_000)
    servers = [site.start(), site.start()]
    original = wait_stored(servers[0], send(servers[0], content, filename="original.csv"))["id"]
    wait_for(lambda: knows(servers[1], original), "both know the file", 30)
    corrections = [make_file(rng, 30_000), make_file(rng, 30_000)]
    together = threading.Barrier(2)
    answers = [None, None]

    def go(at: int) -> None:
        together.wait()
        answers[at] = servers[at].upload(corrections[at][0], filename=f"{at}.csv", replaces=original, wait=None)

    threads = [threading.Thread(target=go, args=(at,)) for at in (0, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [answer.status_code for answer in answers] == [202, 202], [answer.text for answer in answers]
    uploads = [servers[at].wait_final(answers[at].json()["id"]) for at in (0, 1)]
    assert sorted(upload["state"] for upload in uploads) == ["failed", "stored"], uploads
    won = 0 if uploads[0]["state"] == "stored" else 1
    lost = 1 - won
    assert uploads[lost]["error"]["code"] == "not_replaceable" and uploads[lost]["error"]["status"] == 409
    assert original in uploads[lost]["error"]["detail"] and uploads[won]["id"] in uploads[lost]["error"]["detail"]
    for _ in range(2):
        for server in servers:
            check_exactly_once(server, corrections[won][1])
            assert served(server, corrections[lost][1]) == []
        for server in servers:
            server.kill()
            server.start()
    # The lost one may be sent again, in place of the one that won.
    again = servers[lost].upload(corrections[lost][0], filename="again.csv", replaces=uploads[won]["id"], wait=60)
    assert again.status_code == 200 and again.json()["state"] == "stored", again.text
    check_exactly_once(servers[lost], corrections[lost][1])
    assert served(servers[lost], corrections[won][1]) == []


def leave_received(server, content: bytes, **params) -> None:
    """Kills the process when it has the file in its ledger, and has done nothing about it."""
    server.kill()
    server.start({"ROUNDHOUSE_KILL_AT": "receive_after_ledger"})
    with pytest.raises(httpx.TransportError):
        server.upload(content, wait=None, **params)
    assert server.wait_dead(30) == -signal.SIGKILL


def test_a_correction_replaces_though_another_process_stored_the_file_without_saying_so(site, rng):
    content, rows = make_file(rng, 2_000)
    corrected, corrected_rows = make_file(rng, 3_000)
    late, early = site.start(), site.start()
    original = wait_stored(early, send(early, content, filename="original.csv"))["id"]
    wait_for(lambda: knows(late, original), "both know the file", 30)
    leave_received(late, corrected, filename="corrected.csv", replaces=original)
    correction = wait_stored(early, send(early, corrected, filename="corrected.csv"))["id"]
    check_exactly_once(early, rows)  # nobody has said that it does not count
    late.start()
    assert wait_stored(late, correction)["stored_version"]
    for server in (late, early):
        check_exactly_once(server, corrected_rows)
        wait_for(lambda s=server: served(s, rows) == [], "what was corrected does not count", 30)
        path = f"/v1/uploads/{original}"
        wait_for(lambda s=server, p=path: s.get(p).json()["voided_version"], "the upload says so", 30)
    assert late.get(path).json()["voided_version"] == early.get(path).json()["voided_version"]


def test_what_such_a_correction_replaced_no_other_one_replaces(site, rng):
    content, rows = make_file(rng, 2_000)
    corrected, corrected_rows = make_file(rng, 3_000)
    other, other_rows = make_file(rng, 1_000)
    late, early, third = site.start(), site.start(), site.start()
    original = wait_stored(early, send(early, content, filename="original.csv"))["id"]
    for server in (late, third):
        wait_for(lambda s=server: knows(s, original), "all know the file", 30)
    leave_received(third, other, filename="other.csv", replaces=original)
    leave_received(late, corrected, filename="corrected.csv", replaces=original)
    correction = wait_stored(early, send(early, corrected, filename="corrected.csv"))["id"]
    late.start()
    wait_stored(late, correction)
    third.start()
    uploads = third.get("/v1/uploads", params={"filename": "other.csv"}).json()["data"]
    refused = third.wait_final(uploads[0]["id"])
    assert refused["state"] == "failed" and refused["error"]["code"] == "not_replaceable", refused
    assert correction in refused["error"]["detail"]
    for server in (late, early, third):
        wait_for(lambda s=server: served(s, rows) == [], "what was corrected does not count", 30)
        check_exactly_once(server, corrected_rows)
        assert served(server, other_rows) == []


def test_a_void_of_a_file_on_its_way_here_is_learned(site, rng):
    content, rows = make_file(rng, 2_000)
    late, early = site.start(), site.start()
    leave_received(late, content, filename="both.csv")
    upload_id = wait_stored(early, send(early, content, filename="both.csv"))["id"]
    path = f"/v1/uploads/{upload_id}"
    assert early.post(f"{path}/void").status_code == 200
    late.start()
    wait_stored(late, upload_id)
    wait_for(lambda: late.get(path).json()["voided_version"], "it is voided here too", 30)
    for name in ("stored_version", "voided_version"):
        assert late.get(path).json()[name] == early.get(path).json()[name]
    assert served(late, rows) == served(early, rows) == []


def skip_what_is_unread(site: Site) -> bool:
    ends = [TopicPartition(TOPIC, partition, high(site, partition)) for partition in range(12)]
    request = ConsumerGroupTopicPartitions(GROUP, ends)
    return group_takes(site.admin().alter_consumer_group_offsets([request])[GROUP])


def test_a_cancel_that_comes_too_late_keeps_no_rows_out(site, rng):
    """The upload counts already, as its process finds out when ClickHouse is there again; what it lacks comes back."""
    content, rows = make_file(rng, 2_000)
    server = site.start(environment={"ROUNDHOUSE_KILL_AT": "stored_before_uploads_row"})
    upload_id = send(server, content, filename="late.csv")
    assert server.wait_dead(60) == -signal.SIGKILL
    # Nobody but the process itself is to bring them back.
    wait_for(lambda: skip_what_is_unread(site), "the group takes offsets", 60)
    ask(site, 1, f"DELETE FROM game_rounds WHERE upload_id = '{upload_id}' SETTINGS lightweight_deletes_sync = 2")
    site.stack.kill("clickhouse-1")
    server.start(ready=False)
    assert server.post(f"/v1/uploads/{upload_id}/cancel", timeout=30).status_code in (200, 202, 409, 503)
    site.stack.start("clickhouse-1")
    wait_stored(server, upload_id)
    check_exactly_once(server, rows)
    check_matched(server, upload_id)


def test_a_void_that_a_shard_delays_delays_no_rows_of_the_others(site, rng):
    content, rows = make_file(rng, 2_000)
    voided, voided_rows = make_file(rng, 1_000)
    server = site.start()
    first = wait_stored(server, send(server, voided, filename="voided.csv"))["id"]
    site.stack.kill("clickhouse-2")
    assert server.post(f"/v1/uploads/{first}/void", timeout=60).status_code == 503
    said = "versions that were made and not brought to all shards are made visible"
    wait_for(lambda: said in server.log_path.read_text(), "somebody tries to make the void visible", 30)
    upload_id = send(server, content, filename="meanwhile.csv")
    there = f"SELECT count() > 0 FROM game_rounds WHERE upload_id = '{upload_id}'"
    wait_for(lambda: ask(site, 1, there) == "1", "the shard that is there gets its rows", 60)
    assert server.log_path.read_text().count(said) == 1
    site.stack.start("clickhouse-2")
    wait_stored(server, upload_id)
    check_exactly_once(server, rows)
    wait_for(lambda: served(server, voided_rows) == [], "the void is visible", 30)
    wait_for(lambda: '"upload voided"' in server.log_path.read_text(), "it is said", 30)


def test_a_file_that_another_process_stored_is_not_cancelled(site, rng):
    """It counts, whatever this process has still to do for it."""
    content, rows = make_file(rng, 2_000)
    long, _ = make_file(rng, 400_000)
    late, early = site.start(), site.start()
    before = [send(late, long, filename=f"{n}.csv", allow_duplicate=f"{n}") for n in range(20)]
    upload_id = send(late, content, filename="both.csv")
    wait_stored(early, send(early, content, filename="both.csv"))
    answer = late.post(f"/v1/uploads/{upload_id}/cancel")
    assert (answer.status_code, answer.json()["code"]) == (409, "upload_finished"), answer.text
    for each in before:
        late.post(f"/v1/uploads/{each}/cancel")
    wait_stored(late, upload_id)
    check_exactly_once(early, rows)


def test_a_stored_record_that_comes_after_a_cancel_counts_nothing(site, rng):
    """Kafka may take a record long after its sender has given up to wait for an answer. Here its rows are gone by
    then: it may not count, nor keep the file from being sent again."""
    content, rows = make_file(rng, 2_000)
    server = site.start()
    model = wait_stored(server, send(server, make_file(rng, 100)[0], filename="model.csv"))["id"]
    server.kill()
    server.start({"ROUNDHOUSE_KILL_AT": "sink_before_audit"})
    cancelled = send(server, content, filename="cancelled.csv")
    assert server.wait_dead(60) == -signal.SIGKILL
    site.stack.kill("clickhouse-1")
    server.start(ready=False)
    assert server.get(f"/v1/uploads/{cancelled}").json()["state"] == "storing"
    assert server.post(f"/v1/uploads/{cancelled}/cancel", timeout=30).status_code in (200, 202, 503)
    site.stack.start("clickhouse-1")
    assert server.wait_final(cancelled)["state"] == "cancelled"

    key = f"stored/{model}/".encode()
    record = next(m.value() for m in site.messages(CONTROL) if m.key().startswith(key))
    record = record.decode().replace(model, cancelled).encode()
    late = Producer({"bootstrap.servers": site.env["STACK_KAFKA"]})
    late.produce(CONTROL, record, key=f"stored/{cancelled}/late".encode(), partition=0)
    assert late.flush(30) == 0
    wait_stored(server, send(server, make_file(rng, 100)[0], filename="after.csv"))
    assert server.get(f"/v1/uploads/{cancelled}").json()["state"] == "cancelled"
    server.kill()
    server.start()
    assert server.get(f"/v1/uploads/{cancelled}").json()["state"] == "cancelled"
    assert served(server, rows) == []
    assert send(server, content, filename="cancelled.csv") == cancelled
    wait_stored(server, cancelled)
    check_exactly_once(server, rows)
    check_matched(server, cancelled)


def limit_records(site: Site, size: int) -> None:
    limit = ConfigEntry("max.message.bytes", str(size), incremental_operation=AlterConfigOpType.SET)
    topic = ConfigResource(ConfigResource.Type.TOPIC, CONTROL, incremental_configs=[limit])
    site.admin().incremental_alter_configs([topic])[topic].result()


def widened(rng, content: bytes) -> tuple[bytes, int]:
    """Its first rows with 900 columns of which nobody knows what they hold, and how many rows these are."""
    lines = content.decode().split("\r\n")[:3]
    names = [f"{rng.getrandbits(200):050x}" for _ in range(900)]
    wide = "\r\n".join([",".join([lines[0], *names]), *(line + "," * len(names) for line in lines[1:])])
    return wide.encode(), len(lines) - 1


def test_an_upload_that_cannot_be_announced_holds_nothing_up(own_site, rng):
    """Its record is larger than the brokers take."""
    site = own_site
    server = site.start()
    wait_stored(server, send(server, make_file(rng, 100)[0], filename="first.csv"))
    limit_records(site, 10_000)
    content, rows = make_file(rng, 3_000)
    checked = server.upload(widened(rng, content)[0], filename="wide.csv", dry_run="true")
    assert checked.status_code == 200 and checked.json()["state"] == "checked", checked.text
    said = "other processes cannot be told of an upload"
    wait_for(lambda: said in server.log_path.read_text(), "it is said", 30)
    wait_stored(server, send(server, content, filename="after.csv"))
    check_exactly_once(server, rows)


def test_an_upload_whose_storing_cannot_be_said_fails_and_may_come_again(own_site, rng):
    """Kafka's own limit is enough; this is of brokers that somebody set to less."""
    site = own_site
    server = site.start()
    content, rows = make_file(rng, 3_000)
    wait_stored(server, send(server, content, filename="first.csv"))
    limit_records(site, 10_000)
    wide, count = widened(rng, make_file(rng, 2)[0])
    wide_id = send(server, wide, filename="wide.csv")
    failed = server.wait_final(wide_id)
    assert (failed["state"], failed["error"]["code"]) == ("failed", "kafka_record_too_large"), failed
    assert CONTROL in failed["error"]["detail"] and "max.message.bytes" in failed["error"]["detail"]
    more, more_rows = make_file(rng, 1_000)
    wait_stored(server, send(server, more, filename="after.csv"))
    check_exactly_once(server, rows)
    check_exactly_once(server, more_rows)
    limit_records(site, 1_048_588)
    assert send(server, wide, filename="wide.csv") == wide_id
    assert wait_stored(server, wide_id)["rows"]["accepted"] == count
    check_matched(server, wide_id)


def void_without_a_shard(site: Site, server, upload_id: str) -> None:
    site.stack.kill("clickhouse-2")
    answer = server.post(f"/v1/uploads/{upload_id}/void")
    assert answer.status_code == 503 and answer.json()["code"] == "shard_unavailable", answer.text
    assert "The void is noted" in answer.json()["detail"]


def test_a_void_that_a_shard_keeps_from_being_seen_is_no_refusal(site, rng):
    content, rows = make_file(rng, 1_000)
    server = site.start()
    upload_id = wait_stored(server, send(server, content, filename="void.csv"))["id"]
    void_without_a_shard(site, server, upload_id)
    site.stack.start("clickhouse-2")
    wait_for(lambda: served(server, rows) == [], "the figures are without it", 30)


def test_a_void_that_is_not_visible_yet_outlives_a_restart(site, rng):
    """It has a version, which no figures have been given of."""
    content, rows = make_file(rng, 1_000)
    server = site.start()
    upload_id = wait_stored(server, send(server, content, filename="restarted.csv"))["id"]
    void_without_a_shard(site, server, upload_id)
    time.sleep(2)  # nothing may happen: the void counts when the shard has it
    assert server.get(f"/v1/uploads/{upload_id}").json()["voided_version"] is None
    server.kill()
    server.start(ready=False)
    time.sleep(2)
    site.stack.start("clickhouse-2")
    server.wait_ready()
    wait_for(lambda: served(server, rows) == [], "the figures are without it", 30)
    wait_for(lambda: server.get(f"/v1/uploads/{upload_id}").json()["voided_version"], "the upload says so", 30)


def delete_topic(site: Site, topic: str) -> None:
    site.admin().delete_topics([topic])[topic].result()
    wait_for(lambda: topic not in site.admin().list_topics(timeout=30).topics, "the topic is gone", 30)


def test_a_control_topic_that_is_another_one_is_refused(own_site, rng):
    """Versions would be numbered twice, and what was voided would count again."""
    server = own_site.start()
    for n in range(3):
        wait_stored(server, send(server, make_file(rng, 100)[0], filename=f"{n}.csv"))
    assert server.stop() == 0
    others = [
        own_site.start(ready=False, kafka_control_topic="mistyped-uploads"),  # on a new data directory
        server.start({"ROUNDHOUSE_KAFKA_CONTROL_TOPIC": "mistyped-uploads"}, ready=False),
    ]
    delete_topic(own_site, CONTROL)
    others.append(own_site.start(ready=False))
    for other in others:
        assert other.wait_dead(60) == 1, other.log_tail()
        assert (
            "control_topic_replaced" in other.log_tail() or "is not the one that made version" in other.log_tail()
        )
    assert server.start(ready=False).wait_dead(60) == 1
    # Once it is longer than it was, it is still another one.
    ahead = Producer({"bootstrap.servers": own_site.env["STACK_KAFKA"]})
    for n in range(200):
        ahead.produce(CONTROL, b"{}", key=f"{n}".encode(), partition=0)
    assert ahead.flush(30) == 0
    assert own_site.start(ready=False).wait_dead(60) == 1
    assert server.start(ready=False).wait_dead(60) == 1


def transaction(site: Site, name: str) -> Producer:
    producer = Producer({"bootstrap.servers": site.env["STACK_KAFKA"], "transactional.id": name})
    producer.init_transactions(30)
    producer.begin_transaction()
    return producer


def test_a_server_with_the_embedded_log_is_kept_off_the_cluster(site, rng):
    content, rows = make_file(rng, 1_000)
    server = site.start()
    wait_stored(server, send(server, content, filename="counted.csv"))
    other = site.start(log="embedded", ready=False)
    assert other.wait_dead(60) == 1
    assert "other_ledger" in other.log_tail()
    check_exactly_once(server, rows)


def test_rows_that_are_seen_before_what_is_said_of_them_are_rows(own_site, rng):
    """A transaction becomes visible in one partition after the other, and an older one that is still open hides
    the control topic's end.
    """
    site = own_site
    content, rows = make_file(rng, 5_000)
    first = site.start(kafka_topic="early-bets", kafka_control_topic="early-uploads", kafka_group="early")
    upload_id = wait_stored(first, send(first, content, filename="early.csv"))["id"]
    first.kill()
    for shard in (1, 2):
        ask(site, shard, "DROP DATABASE roundhouse SYNC")
    server = site.start(kafka_topic="late-bets", kafka_control_topic="late-uploads", kafka_group="late")
    older = transaction(site, "older")
    older.produce("late-uploads", b"{}", key=b"of a transaction that fails", partition=0)
    assert older.flush(30) == 0
    publisher = transaction(site, "publisher")
    for message in site.messages("early-bets"):
        publisher.produce("late-bets", message.value(), key=message.key(), partition=message.partition())
    said = [m for m in site.messages("early-uploads") if m.key() == f"published/{upload_id}".encode()]
    publisher.produce("late-uploads", said[-1].value(), key=said[-1].key(), partition=0)
    publisher.commit_transaction(30)
    time.sleep(3)  # nothing may happen
    older.abort_transaction(30)
    wait_for(lambda: metric(server, "roundhouse_kafka_inserted_rows_total") == len(rows), "all are inserted")
    assert metric(server, "roundhouse_dead_letters") == 0
