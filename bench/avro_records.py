"""CSV → Avro records without compression, with one thread."""

import functools
import pathlib

import contest
from contest import CONTENDERS, JUDGE_FILE, OURS, PYTHON, ROOT, Run
from typed_columns import TYPED, rows_by_clickhouse

SCHEMA = ROOT / "schemas" / "game_round.avsc"


def records_by_clickhouse(binary: pathlib.Path, file: pathlib.Path) -> Run:
    columns = f"created_timestamp, game_instance_id, user_id, game_id, {TYPED}, game_name, provider"
    sql = rows_by_clickhouse(file, columns) + " FORMAT Avro SETTINGS output_format_avro_codec = 'null'"
    return contest.clickhouse(binary, sql, 1)


def converted(binary: pathlib.Path, file: pathlib.Path, out: pathlib.Path) -> Run:
    _, _, run = contest.process([binary, "convert", file, "--out", out])
    out.unlink()
    return run


def measure(
    binary: pathlib.Path, utf8: pathlib.Path, small: pathlib.Path, scratch: pathlib.Path, repeats: int
) -> dict:
    def encoded(file: pathlib.Path) -> functools.partial:
        return functools.partial(contest.own_words, [JUDGE_FILE, 1, "utf-8", file, "avro"])

    contenders = {
        OURS: encoded(utf8),
        "roundhouse convert": functools.partial(converted, binary, utf8, scratch / "converted.avro"),
        "clickhouse": functools.partial(records_by_clickhouse, binary, utf8),
    }
    script = [PYTHON, CONTENDERS / "fastavro_records.py", small, SCHEMA]
    slow = {OURS: encoded(small), "fastavro": functools.partial(contest.own_words, script)}
    return {"full": contest.compete(contenders, repeats), "small": contest.compete(slow, repeats)}
