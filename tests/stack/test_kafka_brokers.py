"""Three brokers: one that leads is killed while a file goes through, and every row counts once."""

import pytest
from confluent_kafka import IsolationLevel, TopicPartition
from confluent_kafka.admin import ConfigResource, OffsetSpec
from kafka_site import (
    CONTROL,
    TOPIC,
    Site,
    check_exactly_once,
    check_matched,
    make_file,
    running_site,
    send,
    wait_stored,
)
from native_stack import wait_for

TRANSACTIONS = "__transaction_state"


@pytest.fixture(scope="module")
def three(tmp_path_factory):
    with running_site(tmp_path_factory.mktemp("brokers"), "--brokers", "3") as site:
        yield site


def partitions_of(site: Site, topic: str):
    return site.admin().list_topics(topic, timeout=30).topics[topic].partitions


def coordinator_of(transactional_id: str, partitions: int) -> int:
    """The partition that Kafka keeps its transactions in: Java's hash of the name."""
    value = 0
    for letter in transactional_id:
        value = (31 * value + ord(letter)) & 0xFFFFFFFF
    return (value & 0x7FFFFFFF) % partitions


def ends(site: Site, level: IsolationLevel) -> dict[int, int]:
    asked = {TopicPartition(TOPIC, partition): OffsetSpec.latest() for partition in partitions_of(site, TOPIC)}
    answers = site.admin().list_offsets(asked, isolation_level=level)
    return {at.partition: answer.result().offset for at, answer in answers.items()}


@pytest.mark.parametrize("leads", ["rows", "the transaction"])
def test_a_leader_is_killed_while_a_file_goes_through(three, rng, leads):
    content, rows = make_file(rng, 500_000)
    server = three.start()
    for topic in (TOPIC, CONTROL):
        wanted = ConfigResource(ConfigResource.Type.TOPIC, topic)
        config = three.admin().describe_configs([wanted])[wanted].result()
        assert config["min.insync.replicas"].value == "2"
        assert all(len(partition.replicas) == 3 for partition in partitions_of(three, topic).values())
    before = sum(ends(three, IsolationLevel.READ_UNCOMMITTED).values())
    upload_id = send(server, content, filename="leaders.csv")
    path = f"/v1/uploads/{upload_id}"
    wait_for(
        lambda: sum(ends(three, IsolationLevel.READ_UNCOMMITTED).values()) > before, "its rows go into the topic"
    )
    if leads == "rows":
        leader = partitions_of(three, TOPIC)[0].leader
    else:
        partitions = partitions_of(three, TRANSACTIONS)
        leader = partitions[coordinator_of(f"roundhouse-{TOPIC}-{upload_id}", len(partitions))].leader
    three.stack.kill(f"broker-{leader}")
    assert server.get(path).json()["state"] in ("validating", "publishing", "storing")
    wait_stored(server, upload_id)  # on the two that are left
    check_exactly_once(server, rows)
    three.stack.start(f"broker-{leader}")
    check_matched(server, upload_id)
    assert three.count(upload_id) == len(rows)
    assert ends(three, IsolationLevel.READ_COMMITTED) == ends(three, IsolationLevel.READ_UNCOMMITTED)
    server.kill()
