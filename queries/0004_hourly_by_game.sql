-- The rows of `hourly` ordered by game first, for questions that name a game and no player: in the
-- order of `hourly` they would have to read everything. The view copies what is inserted into
-- `hourly` row by row and adds nothing up, so it does not matter in how many blocks that arrives.
CREATE TABLE IF NOT EXISTS roundhouse.hourly_by_game
(
    game_id           UInt64,
    player_id         String,
    hour              DateTime('UTC') COMMENT 'start of the hour in UTC',
    upload_id         UUID            COMMENT 'the file the rows came with',
    part              UInt32          COMMENT 'partition of the log the rows came through',
    cell              UInt32          COMMENT 'which 65,536 row numbers of the file: intDiv(row_number - 1, 65536)',
    rounds            UInt64          COMMENT 'rows; also the version: the fuller row of a key replaces the others',
    real_amount_bet   Decimal(38, 6)  COMMENT 'staked from the real balance',
    bonus_amount_bet  Decimal(38, 6)  COMMENT 'staked from bonus money',
    real_amount_win   Decimal(38, 6)  COMMENT 'won to the real balance',
    bonus_amount_win  Decimal(38, 6)  COMMENT 'won as bonus money'
)
ENGINE = ReplacingMergeTree(rounds)
PARTITION BY toYYYYMM(hour)
ORDER BY (game_id, player_id, hour, upload_id, part, cell)
SETTINGS
    fsync_part_directory = 1,
    min_rows_to_fsync_after_merge = 1,
    min_compressed_bytes_to_fsync_after_merge = 1,
    old_parts_lifetime = 480
COMMENT 'Rounds and amounts by game, player and hour';

CREATE MATERIALIZED VIEW IF NOT EXISTS roundhouse.hourly_by_game_mv TO roundhouse.hourly_by_game AS
SELECT game_id, player_id, hour, upload_id, part, cell, rounds,
    real_amount_bet, bonus_amount_bet, real_amount_win, bonus_amount_win
FROM roundhouse.hourly;
