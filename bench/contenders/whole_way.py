"""The whole way as most teams write it: pandas reads and cleans the CSV, fastavro writes the records into a
file, ClickHouse takes that file. Prints one line of JSON. Tables and views are there already.

whole_way.py FILE SCHEMA AVRO_FILE CLICKHOUSE_URL USER PASSWORD INSERT
"""

import decimal
import json
import os
import sys
import urllib.parse
import urllib.request
import uuid

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


class WholeWay:
    def __init__(self, file: str, schema_file: str, avro_file: str):
        self.file, self.avro_file = file, avro_file
        self.rows, self.sums = 0, [ZERO] * len(AMOUNTS)
        with open(schema_file) as text:
            self.schema = fastavro.parse_schema(json.load(text))

    def to_avro(self) -> None:
        chunks = pandas.read_csv(self.file, chunksize=CHUNK_ROWS, dtype=TYPES | dict.fromkeys(AMOUNTS, "str"))
        for chunk in chunks:
            records = clean(chunk)
            with open(self.avro_file, "a+b") as out:
                fastavro.writer(out, self.schema, records, codec="null")
                os.fsync(out.fileno())
            self.rows += len(records)
            for number, name in enumerate(AMOUNTS):
                self.sums[number] += sum((record[name] for record in records), ZERO)

    def to_clickhouse(self, url: str, user: str, password: str, insert: str) -> None:
        query = urllib.parse.urlencode({"query": insert})
        headers = {"X-ClickHouse-User": user, "X-ClickHouse-Key": password}
        with open(self.avro_file, "rb") as body:
            request = urllib.request.Request(f"{url}&{query}", data=body, headers=headers, method="POST")
            request.add_header("Content-Length", str(os.path.getsize(self.avro_file)))
            urllib.request.urlopen(request).read()


if __name__ == "__main__":
    way = WholeWay(*sys.argv[1:4])

    def run() -> None:
        way.to_avro()
        way.to_clickhouse(*sys.argv[4:])

    measured(run, lambda _: (way.rows, way.sums))
