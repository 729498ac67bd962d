-- The accepted rows, one for one, as they stood in the uploaded files, with where they came from.
--
-- The key is (upload_id, row_number): inserting a row again changes nothing, since ReplacingMergeTree
-- keeps one row of a key (read it with FINAL, or count distinct keys, while merges are under way).
-- Rows arrive in the order of the key, so a part needs no sorting.
--
-- The fsync settings make merges and new parts survive a power cut. Without them a merge that was
-- not yet on disk, whose sources had been removed, has lost stored rows. They need an absolute path
-- of the data directory. Every table of this database has the same four.
CREATE TABLE IF NOT EXISTS roundhouse.game_rounds
(
    upload_id         UUID                    COMMENT 'the file this row came with',
    row_number        UInt64                  COMMENT '1-based ordinal of the record in its file, refused records included',
    part              UInt32                  COMMENT 'partition of the log the row came through',
    created_timestamp DateTime64(3, 'UTC')    COMMENT 'when the round was played',
    game_instance_id  UInt64                  COMMENT 'the round',
    user_id           String                  COMMENT 'the player (player_id in every other table)',
    game_id           UInt64,
    real_amount_bet   Decimal(18, 6)          COMMENT 'staked from the real balance',
    bonus_amount_bet  Decimal(18, 6)          COMMENT 'staked from bonus money',
    real_amount_win   Decimal(18, 6)          COMMENT 'won to the real balance',
    bonus_amount_win  Decimal(18, 6)          COMMENT 'won as bonus money',
    game_name         LowCardinality(String),
    provider          LowCardinality(String)  COMMENT 'who made the game'
)
ENGINE = ReplacingMergeTree
PARTITION BY toYYYYMM(created_timestamp)
ORDER BY (upload_id, row_number)
SETTINGS
    fsync_part_directory = 1,
    min_rows_to_fsync_after_merge = 1,
    min_compressed_bytes_to_fsync_after_merge = 1,
    old_parts_lifetime = 480
COMMENT 'Accepted rows of the uploaded files, one for one';
