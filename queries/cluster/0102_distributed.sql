-- The rows of all shards, for whoever asks one server. {cluster} is the name of the cluster in the
-- servers' remote_servers (setting clickhouse.cluster).
--
-- A row lies on the shard of its partition of the log: `part` modulo the number of shards, which is
-- also what a Distributed table does with the sharding key `part` when all shards weigh the same.
-- All rows of a cell have the same part, so FINAL and argMax by the full key stay right when each
-- shard works them out for itself.
--
-- `uploads` has all its rows on every shard: it is read from one of them, so a condition on it is
-- GLOBAL IN (SELECT upload_id FROM roundhouse.visible_uploads).
CREATE TABLE IF NOT EXISTS roundhouse.game_rounds_all AS roundhouse.game_rounds
ENGINE = Distributed('{cluster}', roundhouse, game_rounds, part)
COMMENT 'game_rounds of all shards';

CREATE TABLE IF NOT EXISTS roundhouse.hourly_all AS roundhouse.hourly
ENGINE = Distributed('{cluster}', roundhouse, hourly, part)
COMMENT 'hourly of all shards';

CREATE TABLE IF NOT EXISTS roundhouse.hourly_by_game_all AS roundhouse.hourly_by_game
ENGINE = Distributed('{cluster}', roundhouse, hourly_by_game, part)
COMMENT 'hourly_by_game of all shards';

CREATE TABLE IF NOT EXISTS roundhouse.game_hourly_all AS roundhouse.game_hourly
ENGINE = Distributed('{cluster}', roundhouse, game_hourly, part)
COMMENT 'game_hourly of all shards';

CREATE TABLE IF NOT EXISTS roundhouse.games_all AS roundhouse.games
ENGINE = Distributed('{cluster}', roundhouse, games, part)
COMMENT 'games of all shards';
