-- Messages of the Kafka topic that are no rows of any upload: no Avro, a schema that nobody knows, a
-- record that does not fit, rows of an upload that nobody announced. They count nowhere, and hold up
-- nothing. The same message read again replaces its row.
CREATE TABLE IF NOT EXISTS roundhouse.dead_letters
(
    topic   String,
    part    UInt32                  COMMENT 'partition of the topic',
    offset  Int64                   COMMENT 'of the message in its partition',
    reason  LowCardinality(String)  COMMENT 'a word: not_avro, unknown_schema, not_a_game_round, unknown_upload, out_of_order',
    detail  String                  COMMENT 'a sentence',
    key     String                  COMMENT 'the message, byte for byte',
    value   String,
    seen_at DateTime64(3, 'UTC')
)
ENGINE = ReplacingMergeTree
ORDER BY (topic, part, offset)
SETTINGS
    fsync_part_directory = 1,
    min_rows_to_fsync_after_merge = 1,
    min_compressed_bytes_to_fsync_after_merge = 1,
    old_parts_lifetime = 480
COMMENT 'Messages of the topic that are no rows';
