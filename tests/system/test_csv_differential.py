"""The CSV reader against two others, on random small files: Python's csv module with the rules of csv_oracle.py, on
123,800, and DuckDB with casts of its own, on 103,800 of them. With every target (scalar, AVX2, AVX-512) that the CPU
has, each fed in other pieces, cut into other chunks, some on several threads. A failure prints RH_TEST_SEED, which
makes the same files again.
"""

import random
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import csv_oracle
import csv_reader
import duckdb
import pytest
from csv_files import Batch, Dialect, File
from csv_reader import Found, Way
from rounds import AMOUNTS, COLUMNS

DELIMITERS = {"comma": ",", "semicolon": ";", "tab": "\t", "pipe": "|"}
LINE_ENDS = {"lf": "\n", "crlf": "\r\n", "cr": "\r"}
CHUNK = 64 * 1024  # of the reader
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MILLISECOND = timedelta(milliseconds=1)


def random_pieces(rng: random.Random, size: int) -> tuple[int, int]:
    """Whole, cut once at any place, byte by byte, tiny, or about the size of blocks of 64 bytes."""
    kind = rng.randrange(6)
    if kind == 0:
        return size, size
    if kind == 1:
        return rng.randrange(1, size), size
    if kind == 2:
        return 1, 1
    if kind == 3:
        return rng.randrange(1, 4), rng.randrange(1, 4)
    if kind == 4:
        return rng.randrange(1, 200), rng.randrange(1, 200)
    return 64 * rng.randrange(1, 5) + rng.randrange(-1, 2), 64 * rng.randrange(1, 5)


def random_way(rng: random.Random, file: File) -> Way:
    size = max(2, len(file.content))
    if size > CHUNK:  # these are about the reader's own chunks
        return Way((rng.randrange(64, 2 * CHUNK), rng.randrange(64, 2 * CHUNK)))
    kind = rng.random()
    chunk_bytes = 0 if kind < 0.4 else rng.randrange(1, size) if kind < 0.7 else rng.randrange(1, 300)
    threads = rng.randrange(2, 4) if rng.random() < 0.05 else 1
    return Way(random_pieces(rng, size), chunk_bytes, threads)


def expected(file: File) -> Found:
    """By Python's csv and the oracle's rules."""
    text = file.content.decode(errors="surrogateescape")
    reading = csv_oracle.read(text, file.delimiter, file.rules, file.broken, unclosed=file.unclosed)
    rows = []
    for number, values in reading.rows.items():
        if values:
            created, instance, user, game, *amounts, game_name, provider = values.values()
            ms = (created - EPOCH) // MILLISECOND
            micros = [int(amount.scaleb(6)) for amount in amounts]
            rows.append((number, ms, instance, user, game, *micros, game_name, provider))
    rejects = [(number, *where) for number, where in reading.rejects.items()]
    return Found(reading.error, reading.blank, tuple(reading.empty_amounts), rows, rejects)


def compare(found, wanted, what: str, file: File) -> None:
    if found != wanted:
        pytest.fail(f"{what}:\n{file.content!r}\n{file}\nfound  {found}\nwanted {wanted}", pytrace=False)


def read_with_every_target(rng: random.Random, files: list[File]) -> list[Found]:
    targets = csv_reader.names()[0]
    assert targets[0] == "scalar"
    answers = {}
    ways = {}
    for target in targets:
        ways[target] = [random_way(rng, file) for file in files]
        answers[target] = csv_reader.read(files, target, ways[target])
    for number, file in enumerate(files):
        wanted = expected(file)
        for target in targets:
            if target != "scalar" and answers[target][number] == answers["scalar"][number]:
                continue
            found = csv_reader.parse(answers[target][number])
            # What stands behind a header that is refused is not looked at.
            if wanted.error in ("", "no_rows", "empty_file") or found.error != wanted.error:
                compare(found._asdict(), wanted._asdict(), f"{target}, {ways[target][number]}", file)
    return [csv_reader.parse(answer) for answer in answers["scalar"]]


def write(directory, files: list[File]) -> None:
    directory.mkdir()
    for number, file in enumerate(files):
        (directory / f"{number:06}.csv").write_bytes(file.content)


# DuckDB's own cast refuses `1234567891234e-4`: the number before the exponent must fit the type, so that it gets a
# larger one. This stands for what fits none, and for exponents of more than 16 bits (`0e70000`), which it refuses.
LEFT_OUT = 10**18


def duckdb_value(column: str, field: str) -> str:
    """`field`, which is text, as SQL of its value. A value that DuckDB cannot cast is NULL."""
    number = f"trim({field}, ' \t')"
    if column == "created_timestamp":
        return f"epoch_us(TRY_CAST({number} AS TIMESTAMPTZ)) // 1000"
    if column in ("game_instance_id", "game_id"):
        return f"TRY_CAST({number} AS BIGINT)"
    if column in AMOUNTS:
        with_exponent = f"TRY_CAST(TRY_CAST({number} AS DECIMAL(38,18)) AS DECIMAL(18,6))"
        return f"""CASE WHEN {number} IN ('', 'NaN', 'null', 'NULL', '\\N') THEN 0
            WHEN NOT contains(lower({number}), 'e') THEN
                (TRY_CAST({number} AS DECIMAL(18,6))::DECIMAL(38,6) * 1000000)::BIGINT
            WHEN regexp_full_match({number}, '.{{1,18}}[eE][+-]?[0-9]{{1,4}}') THEN
                ({with_exponent}::DECIMAL(38,6) * 1000000)::BIGINT
            ELSE {LEFT_OUT} END"""
    return field


def duckdb_rows(directory, batch: Batch) -> Iterator[tuple]:
    """(file's number, the ten values) of every record with the right number of fields, headers too."""
    columns = ", ".join(f"'c{place}': 'VARCHAR'" for place in range(len(batch.layout)))
    values = ", ".join(duckdb_value(column, f"c{batch.layout.index(column)}") for column in COLUMNS)
    connection = duckdb.connect(config={"threads": 1})
    connection.execute("SET TimeZone = 'UTC'")
    # Without new_line, which DuckDB finds out: told '\r\n' in strict mode, it would find no record.
    return connection.execute(
        f"""SELECT parse_filename(filename, true)::INTEGER, {values}
            FROM read_csv(?, auto_detect=false, header=false, columns={{{columns}}}, delim=?, quote='"', escape='"',
                          nullstr='no text is null', strict_mode=true, ignore_errors=true, filename=true,
                          parallel=false)""",
        [f"{directory}/*.csv", batch.dialect.delimiter],
    ).fetchall()


def compare_with_duckdb(directory, batch: Batch, files: list[File], found: list[Found]) -> None:
    """Structure: every record that has as many fields as the header, in order. Values: of accepted rows, by casts.

    Left out: what is refused for its values (DuckDB takes other forms of numbers and times, and rounds), amounts with
    an exponent of more than four digits or more than 18 characters before it, files of mixed line ends (DuckDB has one a file), quotes where none may
    stand and bytes that are no UTF-8 (DuckDB goes on elsewhere), files whose time zone is not UTC.
    """
    write(directory, files)
    by_file: list[list[tuple]] = [[] for _ in files]
    for number, *values in duckdb_rows(directory, batch):
        by_file[number].append(values)
    for file, one, theirs in zip(files, found, by_file, strict=True):
        cut_otherwise = {number for number, *_, faults in one.rejects if faults[0][0] == "field_count"}
        records = len(one.rows) + len(one.rejects)
        numbers = [number for number in range(1, records + 1) if number not in cut_otherwise]
        compare(1 + len(numbers), len(theirs), "DuckDB's number of records", file)
        theirs_of = dict(zip(numbers, theirs[1:], strict=True))
        for number, *ours in one.rows:
            values = [o if t == LEFT_OUT else t for t, o in zip(theirs_of[number], ours, strict=True)]
            compare(ours, values, f"DuckDB's row {number}", file)
    shutil.rmtree(directory)


@pytest.mark.parametrize("line_end", LINE_ENDS)
@pytest.mark.parametrize("delimiter", DELIMITERS)
def test_files_are_read_as_by_python_and_by_duckdb(tmp_path, rng, delimiter, line_end):
    """12 × 8,400 = 100,800 files."""
    accepted = refused = 0
    for number in range(7):
        batch = Batch(rng, Dialect(DELIMITERS[delimiter], [LINE_ENDS[line_end]], has_zones=False))
        files = [batch.file(n) for n in range(1200)]
        found = read_with_every_target(rng, files)
        compare_with_duckdb(tmp_path / str(number), batch, files, found)
        accepted += sum(len(one.rows) for one in found)
        refused += sum(len(one.rejects) for one in found)
    assert accepted > 8400 and refused > 4200


@pytest.mark.parametrize("line_end", LINE_ENDS)
def test_borders_of_chunks_may_stand_everywhere(tmp_path, rng, line_end):
    """3 × 1,000 files; from one to the next the border of the reader's chunks moves by a byte of the rows."""
    for number in range(4):
        batch = Batch(rng, Dialect(rng.choice(list(DELIMITERS.values())), [LINE_ENDS[line_end]], has_zones=False))
        files = [batch.file(0, filler=CHUNK - 1000 + 250 * number + n) for n in range(250)]
        found = read_with_every_target(rng, files)
        compare_with_duckdb(tmp_path / str(number), batch, files, found)
        assert sum(len(one.rows) for one in found) > 250


@pytest.mark.parametrize("delimiter", DELIMITERS)
def test_broken_files_are_read_as_by_python(rng, delimiter):
    """4 × 10,000 files with line ends of all kinds, stray and open quotes, bytes that are no UTF-8, other headers."""
    faults, errors = set(), set()
    for _ in range(10):
        batch = Batch(rng, Dialect(DELIMITERS[delimiter], list(LINE_ENDS.values()), has_broken=True))
        found = read_with_every_target(rng, [batch.file(n) for n in range(1000)])
        errors |= {one.error for one in found}
        faults |= {code for one in found for *_, of_row in one.rejects for code, _ in of_row}
    assert faults == set(csv_reader.names()[1]) - {"line_too_long"}  # a mebibyte: src/csv/reader_test.cc
    assert errors == {"", "empty_file", "no_rows", "header_unreadable", "missing_column", "duplicate_column"}
