"""The whole way as most teams write it: pandas reads and cleans the CSV, fastavro writes the records into a
file, ClickHouse takes that file. Prints one line of JSON. Tables and views are there already.

whole_way.py FILE SCHEMA AVRO_FILE CLICKHOUSE_URL USER PASSWORD INSERT
"""

import decimal
import os
import sys
import urllib.parse
import urllib.request
import uuid
from collections.abc import Iterator
from typing import BinaryIO

import fastavro
import pandas
from measured import measured

AMOUNTS = ["real_amount_bet", "bonus_amount_bet", "real_amount_win", "bonus_amount_win"]
TYPES = {"game_instance_id": "int64", "user_id": "str", "game_id": "int64", "game_name": "str", "provider": "str"}
ZERO = decimal.Decimal(0)
UPLOAD_ID = uuid.UUID("00000000-0000-8000-8000-000000000001")
CHUNK_ROWS = 100_000


def clean(rows: pandas.DataFrame) -> list[dict]:
    rows["created_timestamp"] = pandas.to_datetime(rows["created_timestamp"], utc=True)
    for name in AMOUNTS:
        rows[name] = [ZERO if pandas.isna(cell) else decimal.Decimal(cell) for cell in rows[name]]
    good = rows["created_timestamp"].notna() & (rows["user_id"].str.len() > 0)
    for name in AMOUNTS:
        good &= rows[name] >= 0
    rows = rows[good].assign(upload_id=UPLOAD_ID, row_number=rows.index[good] + 1)
    return rows.to_dict("records")


class Rows:
    """The cleaned rows of a file, chunk by chunk; counts and adds up what it gives."""

    def __init__(self, file: str):
        self.file, self.rows, self.sums = file, 0, [ZERO] * len(AMOUNTS)

    def __iter__(self) -> Iterator[list[dict]]:
        types = TYPES | dict.fromkeys(AMOUNTS, "str")
        for chunk in pandas.read_csv(self.file, chunksize=CHUNK_ROWS, dtype=types):
            records = clean(chunk)
            self.rows += len(records)
            for number, name in enumerate(AMOUNTS):
                self.sums[number] += sum((record[name] for record in records), ZERO)
            yield records

    def totals(self, _: object) -> tuple[int, list]:
        return self.rows, self.sums


class ClickHouse:
    def __init__(self, url: str, user: str, password: str, insert: str):
        self.target = f"{url}&{urllib.parse.urlencode({'query': insert})}"
        self.headers = {"X-ClickHouse-User": user, "X-ClickHouse-Key": password}

    def insert(self, body: BinaryIO) -> None:
        size = body.seek(0, os.SEEK_END)
        body.seek(0)
        headers = self.headers | {"Content-Length": str(size)}
        request = urllib.request.Request(self.target, data=body, headers=headers, method="POST")
        urllib.request.urlopen(request).read()


def by_file(rows: Rows, schema: dict, avro_file: str, clickhouse: ClickHouse) -> None:
    with open(avro_file, "w+b") as out:
        for records in rows:
            fastavro.writer(out, schema, records, codec="null")
            os.fsync(out.fileno())
        clickhouse.insert(out)


if __name__ == "__main__":
    file, schema_file, avro_file, *connection = sys.argv[1:]
    rows, clickhouse = Rows(file), ClickHouse(*connection)
    schema = fastavro.schema.load_schema(schema_file)
    measured(lambda: by_file(rows, schema, avro_file, clickhouse), rows.totals)
