-- Rounds and amounts by game and hour over all players: for questions by game alone
-- (group_by=game_id), which would read every player's rows of `hourly_by_game`. The same rules as
-- `hourly`. It reads game_rounds and not `hourly`, whose rows may reach a view in several blocks:
-- sums of a cell over several blocks would be partial ones.
CREATE TABLE IF NOT EXISTS roundhouse.game_hourly
(
    game_id           UInt64,
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
ORDER BY (game_id, hour, upload_id, part, cell)
SETTINGS
    fsync_part_directory = 1,
    min_rows_to_fsync_after_merge = 1,
    min_compressed_bytes_to_fsync_after_merge = 1,
    old_parts_lifetime = 480
COMMENT 'Rounds and amounts by game and hour, over all players';

CREATE MATERIALIZED VIEW IF NOT EXISTS roundhouse.game_hourly_mv TO roundhouse.game_hourly AS
SELECT
    r.game_id AS game_id,
    toStartOfHour(toDateTime(r.created_timestamp, 'UTC')) AS hour,
    r.upload_id AS upload_id,
    r.part AS part,
    toUInt32(intDiv(r.row_number - 1, 65536)) AS cell,
    count() AS rounds,
    sum(r.real_amount_bet) AS real_amount_bet,
    sum(r.bonus_amount_bet) AS bonus_amount_bet,
    sum(r.real_amount_win) AS real_amount_win,
    sum(r.bonus_amount_win) AS bonus_amount_win
FROM roundhouse.game_rounds AS r
GROUP BY game_id, hour, upload_id, part, cell;
