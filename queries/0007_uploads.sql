-- The files that have been stored, and in which versions of the figures they count.
--
-- Each change of the figures (a file stored, a file voided) is a version, a growing number. A file
-- counts at version V when stored_version <= V AND V < voided_version. A row is written again with
-- a higher revision when its file is voided: read this table with FINAL.
CREATE TABLE IF NOT EXISTS roundhouse.uploads
(
    upload_id         UUID,
    filename          String,
    bytes             UInt64                COMMENT 'of the unpacked file',
    sha256            String                COMMENT 'of the unpacked file, in hexadecimal',
    rows_read         UInt64                COMMENT 'records: accepted + rejected',
    rows_accepted     UInt64,
    rows_rejected     UInt64,
    rows_blank        UInt64                COMMENT 'blank lines, which are no records',
    real_amount_bet   Decimal(38, 6)  COMMENT 'staked from the real balance',
    bonus_amount_bet  Decimal(38, 6)  COMMENT 'staked from bonus money',
    real_amount_win   Decimal(38, 6)  COMMENT 'won to the real balance',
    bonus_amount_win  Decimal(38, 6)  COMMENT 'won as bonus money',
    created_min       DateTime64(3, 'UTC')  COMMENT 'created_timestamp of the earliest accepted row',
    created_max       DateTime64(3, 'UTC')  COMMENT 'created_timestamp of the latest accepted row',
    stored_version    UInt64                COMMENT 'the first version the file counts in',
    voided_version    UInt64 DEFAULT 18446744073709551615  COMMENT 'the first version it does not count in any more',
    stored_at         DateTime64(3, 'UTC'),
    revision          UInt64                COMMENT 'the row of an upload with the highest one holds'
)
ENGINE = ReplacingMergeTree(revision)
ORDER BY upload_id
SETTINGS
    fsync_part_directory = 1,
    min_rows_to_fsync_after_merge = 1,
    min_compressed_bytes_to_fsync_after_merge = 1,
    old_parts_lifetime = 480
COMMENT 'Stored files and the versions they count in';
