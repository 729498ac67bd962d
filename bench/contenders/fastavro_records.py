"""CSV → Avro records as a script does it: Python's csv, types, fastavro. Prints one line of JSON.

fastavro_records.py FILE SCHEMA
"""

import csv
import datetime
import decimal
import json
import os
import sys
import uuid
from collections.abc import Iterator

import fastavro
from measured import measured

AMOUNTS = ["real_amount_bet", "bonus_amount_bet", "real_amount_win", "bonus_amount_win"]
NO_AMOUNT = ["", "NaN"]
ZERO = decimal.Decimal(0)
UPLOAD_ID = uuid.UUID("00000000-0000-8000-8000-000000000001")


class Records:
    """The rows of a file; counts and adds up what it gives."""

    def __init__(self, file: str):
        self.file, self.rows, self.sums = file, 0, [ZERO] * len(AMOUNTS)

    def __iter__(self) -> Iterator[dict]:
        with open(self.file, encoding="utf-8", newline="") as lines:
            for row in csv.DictReader(lines):
                created = datetime.datetime.fromisoformat(row["created_timestamp"])
                row["created_timestamp"] = created.replace(tzinfo=datetime.UTC)
                row["game_instance_id"] = int(row["game_instance_id"])
                row["game_id"] = int(row["game_id"])
                for number, name in enumerate(AMOUNTS):
                    row[name] = ZERO if row[name] in NO_AMOUNT else decimal.Decimal(row[name])
                    self.sums[number] += row[name]
                self.rows += 1
                row["upload_id"], row["row_number"] = UPLOAD_ID, self.rows
                yield row


if __name__ == "__main__":
    file, schema_file = sys.argv[1:]
    with open(schema_file) as text:
        schema = fastavro.parse_schema(json.load(text))
    records = Records(file)
    with open(os.devnull, "wb") as out:
        measured(
            lambda: fastavro.writer(out, schema, records, codec="null"),
            lambda _: (records.rows, records.sums),
        )
