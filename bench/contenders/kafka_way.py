"""The whole way through Kafka as most teams write it: pandas and confluent-kafka put Avro messages into a topic, a
second process takes them out and sends them to ClickHouse. Prints one line of JSON.

kafka_way.py FILE SCHEMA BROKERS REGISTRY TOPIC CLICKHOUSE_URL USER PASSWORD INSERT

The consumer sends one INSERT: several would cut cells in two, and the rollups then lack rows.
"""

import io
import multiprocessing
import pathlib
import sys

import fastavro
from confluent_kafka import Consumer, Producer
from confluent_kafka.admin import AdminClient, NewTopic
from confluent_kafka.schema_registry import SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroDeserializer, AvroSerializer
from confluent_kafka.serialization import MessageField, SerializationContext
from measured import measured
from whole_way import ClickHouse, Rows

PARTITIONS = 12
NOT_YET = -1


def produce(rows: Rows, schema: str, brokers: str, registry: str, topic: str) -> None:
    serialize = AvroSerializer(SchemaRegistryClient({"url": registry}), schema)
    context = SerializationContext(topic, MessageField.VALUE)
    producer = Producer(
        {"bootstrap.servers": brokers, "enable.idempotence": True, "linger.ms": 20, "compression.type": "lz4"}
    )
    for records in rows:
        for record in records:
            message = serialize(record, context)
            while True:
                try:
                    producer.produce(topic, message, key=record["user_id"])
                    break
                except BufferError:
                    producer.poll(0.1)
            producer.poll(0)
    producer.flush()


def consume(schema_file: str, brokers: str, registry: str, topic: str, sent, clickhouse: ClickHouse) -> None:
    deserialize = AvroDeserializer(SchemaRegistryClient({"url": registry}))
    context = SerializationContext(topic, MessageField.VALUE)
    consumer = Consumer(
        {
            "bootstrap.servers": brokers,
            "group.id": topic,
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,  # once, when ClickHouse has the rows
        }
    )
    consumer.subscribe([topic])
    records = []
    while len(records) != sent.value:
        for message in consumer.consume(10_000, 0.1):
            if message.error():
                raise RuntimeError(message.error())
            records.append(deserialize(message.value(), context))
    body = io.BytesIO()
    fastavro.writer(body, fastavro.schema.load_schema(schema_file), records, codec="null")
    clickhouse.insert(body)
    consumer.commit(asynchronous=False)
    consumer.close()


def by_kafka(
    rows: Rows, schema_file: str, brokers: str, registry: str, topic: str, clickhouse: ClickHouse
) -> None:
    sent = multiprocessing.Value("q", NOT_YET)
    arguments = (schema_file, brokers, registry, topic, sent, clickhouse)
    consumer = multiprocessing.Process(target=consume, args=arguments)
    consumer.start()
    produce(rows, pathlib.Path(schema_file).read_text(), brokers, registry, topic)
    sent.value = rows.rows
    consumer.join()
    if consumer.exitcode != 0:
        raise RuntimeError("the consumer failed")


if __name__ == "__main__":
    file, schema_file, brokers, registry, topic, *connection = sys.argv[1:]
    rows, clickhouse = Rows(file), ClickHouse(*connection)
    multiprocessing.set_start_method("spawn")  # librdkafka does not survive a fork
    admin = AdminClient({"bootstrap.servers": brokers})
    admin.create_topics([NewTopic(topic, PARTITIONS, 1)])[topic].result()
    measured(lambda: by_kafka(rows, schema_file, brokers, registry, topic, clickhouse), rows.totals)
