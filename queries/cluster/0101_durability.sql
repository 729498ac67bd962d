-- A server of a cluster syncs what it has inserted before it answers, so that an acknowledged row
-- stays whatever happens to the machine. The supervised ClickHouse does without: the sink syncs its
-- directory before it moves the checkpoint, which is one sync for many inserts.
ALTER TABLE roundhouse.game_rounds MODIFY SETTING fsync_after_insert = 1;
ALTER TABLE roundhouse.hourly MODIFY SETTING fsync_after_insert = 1;
ALTER TABLE roundhouse.hourly_by_game MODIFY SETTING fsync_after_insert = 1;
ALTER TABLE roundhouse.game_hourly MODIFY SETTING fsync_after_insert = 1;
ALTER TABLE roundhouse.games MODIFY SETTING fsync_after_insert = 1;
ALTER TABLE roundhouse.uploads MODIFY SETTING fsync_after_insert = 1;
ALTER TABLE roundhouse.dead_letters MODIFY SETTING fsync_after_insert = 1;
