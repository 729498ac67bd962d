-- Only with --consumer=clickhouse: the tables that consume the topic, one on each shard, in one
-- consumer group. {brokers}, {topic}, {group} and {registry_url} are roundhouse's settings kafka.brokers,
-- kafka.topic, kafka.group and registry.url. All that the files of this folder make is dropped and
-- made again when one of these, or the files, have changed (the comment says of which they are); the
-- group goes on where it was.
--
-- The engine delivers at least once and cuts blocks where it likes, so nothing is added up here: the
-- rollups of an upload are made from game_rounds FINAL when all of its rows are there.
CREATE TABLE IF NOT EXISTS roundhouse.staging_bets
(
    created_timestamp DateTime64(3, 'UTC'),
    game_instance_id  UInt64,
    user_id           String,
    game_id           UInt64,
    real_amount_bet   Decimal(18, 6),
    bonus_amount_bet  Decimal(18, 6),
    real_amount_win   Decimal(18, 6),
    bonus_amount_win  Decimal(18, 6),
    game_name         String,
    provider          String,
    upload_id         UUID,
    row_number        UInt64
)
ENGINE = Kafka
SETTINGS
    kafka_broker_list = {brokers},
    kafka_topic_list = {topic},
    kafka_group_name = {group},
    kafka_format = 'AvroConfluent',
    format_avro_schema_registry_url = {registry_url},
    kafka_handle_error_mode = 'stream',
    kafka_max_block_size = 65536,
    kafka_poll_max_batch_size = 65536,
    kafka_flush_interval_ms = 500
COMMENT {settings};

-- The one view on it. A message whose schema the registry could not be asked for is not judged: the
-- block fails, nothing of it is kept, and it is read again until the registry answers. (In
-- kafka_handle_error_mode='stream' it would count as no row.)
CREATE MATERIALIZED VIEW IF NOT EXISTS roundhouse.staging_bets_mv TO roundhouse.staging_bets_read AS
SELECT *, _topic AS topic, toUInt32(_partition) AS part, toInt64(_offset) AS offset, _error AS error,
    if(_error = '', '', _key) AS key, if(_error = '', '', _raw_message) AS value
FROM roundhouse.staging_bets
WHERE throwIf(_error LIKE '%while fetching schema id%' AND _error NOT LIKE '%HTTP status code: 4%',
              'The schema registry does not answer; the rows are read again') = 0;
