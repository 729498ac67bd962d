-- Only with --consumer=clickhouse: what the servers read out of Kafka themselves, and where it goes.
--
-- Messages of the topic pass through this table and are not kept in it: its views take from it what
-- is a row and what is none. They hang on it, and not on the Kafka table, since that begins to read
-- when its first view is there: what is read before the second one is there would be lost to it
-- (measured: 34,209 of 400,000 rows).
CREATE TABLE IF NOT EXISTS roundhouse.staging_bets_read
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
    row_number        UInt64,
    topic             String,
    part              UInt32  COMMENT 'partition of the topic',
    offset            Int64   COMMENT 'of the message in its partition',
    error             String  COMMENT 'why the message is no row; empty: it is one',
    key               String  COMMENT 'of a message that is no row, byte for byte',
    value             String
)
ENGINE = Null
COMMENT 'Messages on their way from Kafka into the tables';

-- Which server reads a partition changes with every rebalance, and may change between a block that
-- was inserted and the commit of its offsets. So each row goes to the shard of its partition, not to
-- the one that read it, and the same row again replaces itself there.
CREATE MATERIALIZED VIEW IF NOT EXISTS roundhouse.game_rounds_mv TO roundhouse.game_rounds_all AS
SELECT upload_id, row_number, part, created_timestamp, game_instance_id, user_id, game_id,
    real_amount_bet, bonus_amount_bet, real_amount_win, bonus_amount_win, game_name, provider
FROM roundhouse.staging_bets_read
WHERE error = '';

CREATE TABLE IF NOT EXISTS roundhouse.dead_letters_all AS roundhouse.dead_letters
ENGINE = Distributed('{cluster}', roundhouse, dead_letters, part)
COMMENT 'dead_letters of all shards';

CREATE MATERIALIZED VIEW IF NOT EXISTS roundhouse.dead_letters_mv TO roundhouse.dead_letters_all AS
SELECT topic, part, offset,
    multiIf(length(value) < 5 OR NOT startsWith(value, char(0)), 'not_avro',
            error LIKE '%while fetching schema id%', 'unknown_schema',
            'not_a_game_round') AS reason,
    error AS detail, key, value, now64(3) AS seen_at
FROM roundhouse.staging_bets_read
WHERE error != '';
