-- For people and dashboards: figures of the files that count now, already added up. A condition on
-- a column of the table's key (WHERE player_id = '…') is pushed down to it, so it reads little.
CREATE VIEW IF NOT EXISTS roundhouse.visible_uploads AS
SELECT *
FROM roundhouse.uploads FINAL
WHERE voided_version = 18446744073709551615;

CREATE VIEW IF NOT EXISTS roundhouse.v_hourly AS
SELECT
    player_id, game_id, hour,
    sum(cell_sums.1) AS rounds,
    sum(cell_sums.2) AS real_amount_bet,
    sum(cell_sums.3) AS bonus_amount_bet,
    sum(cell_sums.4) AS real_amount_win,
    sum(cell_sums.5) AS bonus_amount_win
FROM
(
    SELECT
        player_id, game_id, hour,
        argMax((rounds, real_amount_bet, bonus_amount_bet, real_amount_win, bonus_amount_win), rounds) AS cell_sums
    FROM roundhouse.hourly
    WHERE upload_id IN (SELECT upload_id FROM roundhouse.visible_uploads)
    GROUP BY player_id, game_id, hour, upload_id, part, cell
)
GROUP BY player_id, game_id, hour;

CREATE VIEW IF NOT EXISTS roundhouse.v_hourly_by_game AS
SELECT
    game_id, player_id, hour,
    sum(cell_sums.1) AS rounds,
    sum(cell_sums.2) AS real_amount_bet,
    sum(cell_sums.3) AS bonus_amount_bet,
    sum(cell_sums.4) AS real_amount_win,
    sum(cell_sums.5) AS bonus_amount_win
FROM
(
    SELECT
        game_id, player_id, hour,
        argMax((rounds, real_amount_bet, bonus_amount_bet, real_amount_win, bonus_amount_win), rounds) AS cell_sums
    FROM roundhouse.hourly_by_game
    WHERE upload_id IN (SELECT upload_id FROM roundhouse.visible_uploads)
    GROUP BY game_id, player_id, hour, upload_id, part, cell
)
GROUP BY game_id, player_id, hour;

CREATE VIEW IF NOT EXISTS roundhouse.v_game_hourly AS
SELECT
    game_id, hour,
    sum(cell_sums.1) AS rounds,
    sum(cell_sums.2) AS real_amount_bet,
    sum(cell_sums.3) AS bonus_amount_bet,
    sum(cell_sums.4) AS real_amount_win,
    sum(cell_sums.5) AS bonus_amount_win
FROM
(
    SELECT
        game_id, hour,
        argMax((rounds, real_amount_bet, bonus_amount_bet, real_amount_win, bonus_amount_win), rounds) AS cell_sums
    FROM roundhouse.game_hourly
    WHERE upload_id IN (SELECT upload_id FROM roundhouse.visible_uploads)
    GROUP BY game_id, hour, upload_id, part, cell
)
GROUP BY game_id, hour;

CREATE VIEW IF NOT EXISTS roundhouse.v_games AS
SELECT
    game_id, provider, game_name,
    sum(cell_sums.1) AS rounds,
    sum(cell_sums.2) AS real_amount_bet,
    sum(cell_sums.3) AS bonus_amount_bet,
    sum(cell_sums.4) AS real_amount_win,
    sum(cell_sums.5) AS bonus_amount_win
FROM
(
    SELECT
        game_id, provider, game_name,
        argMax((rounds, real_amount_bet, bonus_amount_bet, real_amount_win, bonus_amount_win), rounds) AS cell_sums
    FROM roundhouse.games
    WHERE upload_id IN (SELECT upload_id FROM roundhouse.visible_uploads)
    GROUP BY game_id, provider, game_name, upload_id, part, cell
)
GROUP BY game_id, provider, game_name;
