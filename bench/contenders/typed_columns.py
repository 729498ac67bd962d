"""One contender that turns the bytes of a CSV file of game rounds into typed columns: prints one line of JSON.

  typed_columns.py NAME FILE THREADS

Each does it in the fastest way of those that were tried with the version that bench/requirements.txt pins:
times, ids and decimals as such, an amount that is empty or NaN as null or 0, and an unreadable cell as an
error. Rows and sums are asked for afterwards, so that it shows whether all read the same.
"""

import datetime
import decimal
import os
import sys
from collections.abc import Callable

from measured import measured

AMOUNTS = ["real_amount_bet", "bonus_amount_bet", "real_amount_win", "bonus_amount_win"]
NO_AMOUNT = ["", "NaN"]

# What is measured, and what then gives rows and sums of its result.
Contender = tuple[Callable[[], object], Callable[[object], tuple[int, list]]]


def duckdb(file: str, threads: int) -> Contender:
    import duckdb

    amounts = ", ".join(f"{name}: 'DECIMAL(18, 6)'" for name in AMOUNTS)
    rows = (
        f"read_csv('{file}', header = true, delim = ',', quote = '\"', escape = '\"', auto_detect = false, "
        f"nullstr = {NO_AMOUNT}, columns = {{created_timestamp: 'TIMESTAMP', game_instance_id: 'UBIGINT', "
        f"user_id: 'VARCHAR', game_id: 'UBIGINT', {amounts}, game_name: 'VARCHAR', provider: 'VARCHAR'}})"
    )
    connection = duckdb.connect()
    connection.execute(f"SET threads = {threads}")

    def read() -> None:
        # To count, it types each column and keeps none: less than half of what CREATE TABLE takes.
        connection.execute(f"SELECT count(COLUMNS(*)) FROM {rows}").fetchone()

    def totals(_: object) -> tuple[int, list]:
        sums = ", ".join(f"sum({name})" for name in AMOUNTS)
        count, *values = connection.execute(f"SELECT count(*), {sums} FROM {rows}").fetchone()
        return count, values

    return read, totals


def pyarrow(file: str, threads: int) -> Contender:
    import pyarrow
    import pyarrow.compute
    import pyarrow.csv

    pyarrow.set_cpu_count(threads)
    text = pyarrow.string()
    types = {
        "created_timestamp": pyarrow.timestamp("ms"),
        "game_instance_id": pyarrow.uint64(),
        "user_id": text,
        "game_id": pyarrow.uint64(),
        **{name: pyarrow.decimal128(18, 6) for name in AMOUNTS},
        "game_name": text,
        "provider": text,
    }
    options = pyarrow.csv.ReadOptions(use_threads=threads > 1)
    convert = pyarrow.csv.ConvertOptions(column_types=types, null_values=NO_AMOUNT)

    def totals(table) -> tuple[int, list]:
        return table.num_rows, [pyarrow.compute.sum(table[name]).as_py() for name in AMOUNTS]

    return lambda: pyarrow.csv.read_csv(file, options, convert_options=convert), totals


def polars(file: str, threads: int) -> Contender:
    os.environ["POLARS_MAX_THREADS"] = str(threads)
    import polars

    schema = {
        "created_timestamp": polars.String,
        "game_instance_id": polars.UInt64,
        "user_id": polars.String,
        "game_id": polars.UInt64,
        **{name: polars.Decimal(18, 6) for name in AMOUNTS},
        "game_name": polars.String,
        "provider": polars.String,
    }
    # As a column of Datetime in the schema it takes three times as long.
    created = polars.col("created_timestamp").str.to_datetime("%Y-%m-%d %H:%M:%S", time_unit="ms")
    frame = polars.scan_csv(file, schema=schema, null_values=NO_AMOUNT).with_columns(created)

    def totals(rows) -> tuple[int, list]:
        return rows.height, [rows[name].sum() for name in AMOUNTS]

    return frame.collect, totals


def python_csv(file: str, _threads: int) -> Contender:
    import csv

    moment, number, zero = datetime.datetime.fromisoformat, decimal.Decimal, decimal.Decimal(0)

    def read() -> list[list]:
        columns: list[list] = [[] for _ in range(10)]
        with open(file, encoding="utf-8", newline="") as lines:
            reader = csv.reader(lines)
            next(reader)
            for row in reader:
                amounts = [zero if cell in NO_AMOUNT else number(cell) for cell in row[4:8]]
                typed = [moment(row[0]), int(row[1]), row[2], int(row[3]), *amounts, row[8], row[9]]
                for column, value in zip(columns, typed, strict=True):
                    column.append(value)
        return columns

    return read, lambda columns: (len(columns[0]), [sum(column, zero) for column in columns[4:8]])


CONTENDERS = {"duckdb": duckdb, "pyarrow": pyarrow, "polars": polars, "python_csv": python_csv}

if __name__ == "__main__":
    name, file, threads = sys.argv[1:]
    measured(*CONTENDERS[name](file, int(threads)))
