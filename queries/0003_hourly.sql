-- Rounds and amounts by player, game and hour: the table behind GET /v1/aggregates, for questions
-- that name a player or none.
--
-- A cell is 65,536 consecutive row numbers of a file in one partition of the log. The sink inserts
-- whole cells only, and the key ends in (upload_id, part, cell), so a cell that is inserted again
-- writes the same rows again and changes nothing; a fuller cell replaces a part of it. Therefore a
-- reader first takes argMax((rounds, amounts), rounds) by the FULL key and then adds up. A key
-- without part or cell would lose rows silently: two cells' rows for the same hour would replace
-- each other.
--
-- The view sees one inserted block at a time. Two rules of the sink keep its sums right: a block
-- holds whole cells and is never split, and no row number stands in it twice (it would be counted
-- twice here, though game_rounds would show it once).
CREATE TABLE IF NOT EXISTS roundhouse.hourly
(
    player_id         String,
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
ORDER BY (player_id, game_id, hour, upload_id, part, cell)
SETTINGS
    fsync_part_directory = 1,
    min_rows_to_fsync_after_merge = 1,
    min_compressed_bytes_to_fsync_after_merge = 1,
    old_parts_lifetime = 480
COMMENT 'Rounds and amounts by player, game and hour';

CREATE MATERIALIZED VIEW IF NOT EXISTS roundhouse.hourly_mv TO roundhouse.hourly AS
SELECT
    r.user_id AS player_id,
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
GROUP BY player_id, game_id, hour, upload_id, part, cell;
