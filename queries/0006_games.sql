-- Which names and providers the games go by in which file, with rounds and amounts: the list of
-- games, and totals by provider. The same rules as `hourly`; not partitioned, since it has no time.
CREATE TABLE IF NOT EXISTS roundhouse.games
(
    game_id           UInt64,
    provider          LowCardinality(String),
    game_name         LowCardinality(String),
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
ORDER BY (game_id, provider, game_name, upload_id, part, cell)
SETTINGS
    fsync_part_directory = 1,
    min_rows_to_fsync_after_merge = 1,
    min_compressed_bytes_to_fsync_after_merge = 1,
    old_parts_lifetime = 480
COMMENT 'Names and providers of games, with rounds and amounts';

CREATE MATERIALIZED VIEW IF NOT EXISTS roundhouse.games_mv TO roundhouse.games AS
SELECT
    r.game_id AS game_id,
    r.provider AS provider,
    r.game_name AS game_name,
    r.upload_id AS upload_id,
    r.part AS part,
    toUInt32(intDiv(r.row_number - 1, 65536)) AS cell,
    count() AS rounds,
    sum(r.real_amount_bet) AS real_amount_bet,
    sum(r.bonus_amount_bet) AS bonus_amount_bet,
    sum(r.real_amount_win) AS real_amount_win,
    sum(r.bonus_amount_win) AS bonus_amount_win
FROM roundhouse.game_rounds AS r
GROUP BY game_id, provider, game_name, upload_id, part, cell;
