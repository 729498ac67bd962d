"""The row rules once more, over Python's csv module: what `check` and `convert` are compared with.

Only files whose quoting csv.writer made; structure that is broken on purpose has tests of its own.
"""

import csv
import io
import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from rounds import AMOUNTS, COLUMNS

NO_AMOUNT = {"", "NaN", "null", "NULL", "\\N"}
TIMESTAMP = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)[ T](\d\d):(\d\d):(\d\d)(?:\.(\d{1,9}))?(Z|[+-]\d\d:\d\d)?", re.ASCII
)
DECIMAL = re.compile(r"-?\d+(\.\d+)?([eE][+-]?\d+)?", re.ASCII)


def timestamp(text: str) -> datetime | None:
    found = TIMESTAMP.fullmatch(text)
    if not found:
        return None
    *numbers, fraction, zone = found.groups()
    try:
        moment = datetime(*map(int, numbers), tzinfo=UTC)
    except ValueError:
        return None
    moment += timedelta(milliseconds=int((fraction or "0").ljust(3, "0")[:3]))
    if zone and zone != "Z":
        hours, minutes = int(zone[1:3]), int(zone[4:6])
        offset = timedelta(hours=hours, minutes=minutes)
        moment -= offset if zone[0] == "+" else -offset
    return moment if 1970 <= moment.year <= 2105 else None


def integer(text: str) -> int | None:
    if not re.fullmatch(r"[0-9]+", text):
        return None
    return int(text) if int(text) < 2**63 else None


def amount(text: str) -> Decimal | None:
    if text in NO_AMOUNT:
        return Decimal(0)
    if not DECIMAL.fullmatch(text):
        return None
    value = Decimal(text)
    if value < 0 or value >= 10**12 or value != value.quantize(Decimal("0.000001")):
        return None
    return value


def text(value: str, characters: int, *, empty: bool) -> str | None:
    return value if len(value) <= characters and (value or empty) else None


def judge(fields: list[str]) -> dict | None:
    """The row's values by column, or None if a rule refuses it."""
    if len(fields) != len(COLUMNS):
        return None
    row = dict(zip(COLUMNS, fields, strict=True))
    values = {
        "created_timestamp": timestamp(row["created_timestamp"]),
        "game_instance_id": integer(row["game_instance_id"]),
        "user_id": text(row["user_id"], 128, empty=False),
        "game_id": integer(row["game_id"]),
        **{name: amount(row[name]) for name in AMOUNTS},
        "game_name": text(row["game_name"], 256, empty=True),
        "provider": text(row["provider"], 256, empty=True),
    }
    if any(value is None for value in values.values()):
        return None
    if any(ord(c) < 32 or ord(c) == 127 for c in values["user_id"]):
        return None
    return values


def read(content: str, delimiter: str = ",") -> tuple[dict[int, dict | None], int]:
    """(row number → values, or None if refused; count of blank lines)."""
    rows, blank = {}, 0
    records = csv.reader(io.StringIO(content, newline=""), delimiter=delimiter, strict=True)
    next(records)
    for fields in records:
        if not fields:
            blank += 1
            continue
        rows[len(rows) + 1] = judge(fields)
    return rows, blank


def totals(rows: dict[int, dict | None]) -> dict[str, Decimal]:
    return {name: sum((r[name] for r in rows.values() if r), Decimal(0)) for name in AMOUNTS}
