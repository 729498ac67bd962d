"""The rules of docs/formats/csv.md once more, over Python's csv module: what the program is compared with.

Python's csv (not `strict`) cuts records and fields where the document does, also behind a stray quote, but it does
not say where the quoting was wrong: that, the one who made the file has to tell.
"""

import csv
import dataclasses
import functools
import io
import re
from datetime import UTC, datetime, timedelta
from decimal import Context, Decimal

from rounds import AMOUNTS, COLUMNS

BLANKS = " \t"
NO_AMOUNT = {"", "NaN", "null", "NULL", "\\N"}
TIMESTAMP = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)[ T](\d\d):(\d\d):(\d\d)(?:\.(\d{1,9}))?"
    r"(?:(Z)|([+-])([01]\d|2[0-3])(?::?([0-5]\d))?)?",
    re.ASCII,
)
INTEGER = re.compile(r"[+-]?\d+", re.ASCII)
DECIMAL = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
CONTROL = re.compile("[\x00-\x1f\x7f-\x9f]")
MICRO = Decimal("0.000001")
EXACT = Context(prec=40)
# Bytes that are not UTF-8, in text that was decoded with errors="surrogateescape".
NO_UTF8 = re.compile("[\udc80-\udcff]")

csv.field_size_limit(2**30)


class Fault(str):
    """One of the document's codes, in the place of a value."""


@dataclasses.dataclass(frozen=True)
class Rules:
    timezone_minutes: int = 0
    empty_amount_is_reject: bool = False
    allow_negative: bool = False


DEFAULT = Rules()


@dataclasses.dataclass
class Reading:
    error: str = ""  # of the file as a whole
    rows: dict[int, dict | None] = dataclasses.field(default_factory=dict)  # by row number; None: refused
    # By row number: first line, last line, (code, column or -1) of each fault.
    rejects: dict[int, tuple[int, int, list[tuple[str, int]]]] = dataclasses.field(default_factory=dict)
    blank: int = 0
    empty_amounts: list[int] = dataclasses.field(default_factory=lambda: [0, 0, 0, 0])  # of accepted rows


@functools.lru_cache(maxsize=1 << 14)
def timestamp(text: str, timezone_minutes: int = 0) -> datetime | Fault:
    text = text.strip(BLANKS)
    if not text:
        return Fault("missing_value")
    found = TIMESTAMP.fullmatch(text)
    if not found:
        return Fault("bad_timestamp")
    year, *numbers = map(int, found.groups()[:6])
    fraction, utc, sign, hours, minutes = found.groups()[6:]
    try:
        moment = datetime(year or 400, *numbers, tzinfo=UTC)  # year 0 has the days of the year 400
    except ValueError:
        return Fault("bad_timestamp")
    if not 1969 <= moment.year <= 2106:  # no offset reaches further
        return Fault("timestamp_out_of_range")
    offset = timedelta(minutes=0 if utc else timezone_minutes)
    if sign:
        offset = timedelta(hours=int(hours), minutes=int(minutes or 0)) * (-1 if sign == "-" else 1)
    moment += timedelta(milliseconds=int((fraction or "0").ljust(3, "0")[:3])) - offset
    return moment if 1970 <= moment.year <= 2105 else Fault("timestamp_out_of_range")


@functools.lru_cache(maxsize=1 << 14)
def integer(text: str) -> int | Fault:
    text = text.strip(BLANKS)
    if not text:
        return Fault("missing_value")
    if not INTEGER.fullmatch(text):
        return Fault("bad_integer")
    return int(text) if 0 <= int(text) < 2**63 else Fault("integer_out_of_range")


def is_no_amount(text: str) -> bool:
    return text.strip(BLANKS) in NO_AMOUNT


@functools.lru_cache(maxsize=1 << 14)
def amount(text: str, rules: Rules = DEFAULT) -> Decimal | Fault:
    text = text.strip(BLANKS)
    if text in NO_AMOUNT:
        return Fault("empty_amount") if rules.empty_amount_is_reject else Decimal(0)
    if not DECIMAL.fullmatch(text):
        return Fault("bad_decimal")
    value = Decimal(text)
    if not value:
        return Decimal(0)
    if value.adjusted() >= 12:
        return Fault("decimal_out_of_range")
    if value.adjusted() < -6 or value.quantize(MICRO, context=EXACT) != value:
        return Fault("decimal_too_precise")
    return value if value > 0 or rules.allow_negative else Fault("negative_amount")


def name(text: str) -> str | Fault:
    return text if len(text) <= 256 else Fault("text_too_long")


def user(text: str) -> str | Fault:
    if not text:
        return Fault("missing_value")
    if len(text) > 128:
        return Fault("text_too_long")
    return Fault("control_character") if CONTROL.search(text) else text


def judge(row: list[str], rules: Rules = DEFAULT) -> list:
    """The values of fields in the order of COLUMNS, with a Fault where a rule refuses one."""
    created, instance, player, game, *amounts, game_name, provider = row
    return [
        timestamp(created, rules.timezone_minutes),
        integer(instance),
        user(player),
        integer(game),
        *[amount(text, rules) for text in amounts],
        name(game_name),
        name(provider),
    ]


class Header:
    def __init__(self, names: list[str]):
        names = [name.strip(BLANKS).lower() for name in names]
        self.fields = len(names)
        self.column = [COLUMNS.index(name) if name in COLUMNS else -1 for name in names]
        self.error = ""
        if any(names.count(name) > 1 for name in COLUMNS):
            self.error = "duplicate_column"
        elif not set(COLUMNS) <= set(names):
            self.error = "missing_column"
        else:
            self.place = [names.index(name) for name in COLUMNS]


def faults_of(
    fields: list[str], broken: frozenset[int], header: Header, judged: list | None
) -> list[tuple[str, int]]:
    """`broken`: places of fields. `judged`: the values by column, unless the number of fields is wrong."""
    quoting, encoding = ("bad_quote", -1), ("invalid_encoding", -1)
    if judged is None:
        faults = [("field_count", -1)] + [quoting] * bool(broken)
        return faults + [encoding] * bool(NO_UTF8.search("".join(fields)))
    faults = []
    for place, column in enumerate(header.column):
        if column < 0 and (place in broken or NO_UTF8.search(fields[place])):
            faults.append(quoting if place in broken else encoding)
    for column, (place, value) in enumerate(zip(header.place, judged, strict=True)):
        if place in broken:
            faults.append(("bad_quote", column))
        elif NO_UTF8.search(fields[place]):
            faults.append(("invalid_encoding", column))
        elif isinstance(value, Fault):
            faults.append((str(value), column))
    return faults


def is_blank(fields: list[str]) -> bool:
    """A line without a byte is [], one with nothing but "" in it is [""]. Of a line with nothing but quoted blanks
    csv does not say that it was quoted; no file may have one."""
    return not fields or (len(fields) == 1 and bool(fields[0]) and not fields[0].strip(BLANKS))


def read(
    content: str,
    delimiter: str = ",",
    rules: Rules = DEFAULT,
    broken: dict[int, frozenset[int]] | None = None,
    *,
    unclosed: bool = False,
) -> Reading:
    """`broken`: by row number, the places of fields with a quote where none may stand; in row 0, the header.
    `unclosed`: the last record, which is a row, ends inside quotes. `content` may have what NO_UTF8 is."""
    broken = broken or {}
    reading = Reading()
    header = None
    is_utf8 = not NO_UTF8.search(content)
    reader = csv.reader(io.StringIO(content, newline=""), delimiter=delimiter)
    records = [(fields, reader.line_num) for fields in reader]
    line_last = 0
    for at, (fields, record_end) in enumerate(records, 1):
        line, line_last = line_last + 1, record_end
        if is_blank(fields):
            reading.blank += 1
            continue
        if header is None:
            header = Header(fields)
            is_readable = not NO_UTF8.search("".join(fields)) and 0 not in broken
            reading.error = header.error if is_readable else "header_unreadable"
            if reading.error:
                return reading
            continue
        number = len(reading.rows) + 1
        reading.rows[number] = None
        if unclosed and at == len(records):
            column = header.column[len(fields) - 1] if len(fields) <= header.fields else -1
            reading.rejects[number] = (line, line_last, [("unclosed_quote", column)])
            continue
        judged = judge([fields[place] for place in header.place], rules) if len(fields) == header.fields else None
        if not judged or number in broken or not is_utf8 or any(isinstance(value, Fault) for value in judged):
            faults = faults_of(fields, broken.get(number, frozenset()), header, judged)
            if faults:
                reading.rejects[number] = (line, line_last, faults)
                continue
        reading.rows[number] = dict(zip(COLUMNS, judged, strict=True))
        for a, place in enumerate(header.place[4:8]):
            reading.empty_amounts[a] += is_no_amount(fields[place])
    if not reading.rows:
        reading.error = "no_rows" if header else "empty_file"
    return reading


def totals(rows: dict[int, dict | None]) -> dict[str, Decimal]:
    return {name: sum((r[name] for r in rows.values() if r), Decimal(0)) for name in AMOUNTS}
