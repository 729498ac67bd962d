"""Random small CSV files for the tests that compare CSV readers: valid and invalid values of every form, quotes, line
breaks inside quotes, wrong numbers of fields, blank lines; padded so that everything comes to stand everywhere.

Fields are drawn from a supply that is made anew for each batch, as they stand in the file.
"""

import dataclasses
import random

from csv_oracle import Rules
from rounds import AMOUNTS, COLUMNS

# Characters next to those of numbers and times, and digits that are not ASCII.
NEIGHBOURS = "0123456789/:.;,-+eEtTzZ _x'\"\t\n\r\x01\x7f\x85é٣０NaNul"
LETTERS = ["abcdefghij KLMNOP'&.-", "aé日本ßÄ", "x😀𝄞", 'a"b" ', "a,;|\tb", "a\nb\r", "a\x01\x1f\x7f\x80\u2028b"]
# Quotes where none may stand; none of them goes on beyond its field (with any delimiter but the one that is in it).
BROKEN = ['x"y', 'e"', '"c"d', '"f" ', ' "g"', '"a""b"c"d"', '"a\r\nb"c', '"D"x', 'x"', '""x', '"""x"y""']
BLANK_LINES = ["", " ", "\t", "  \t "]


@dataclasses.dataclass(slots=True)
class File:
    content: bytes = dataclasses.field(repr=False)
    delimiter: str
    rules: Rules
    broken: dict[int, frozenset[int]]  # as csv_oracle.read takes it
    unclosed: bool


@dataclasses.dataclass
class Dialect:
    delimiter: str
    line_ends: list[str]  # more than one: mixed in a file
    has_broken: bool = False  # quotes where none may stand, quotes that never close, bytes that are not UTF-8
    has_zones: bool = True  # files with a time zone of their own


def mutated(rng: random.Random, text: str) -> str:
    at = rng.randrange(len(text) + 1)
    cut = rng.randrange(2)
    return text[:at] + rng.choice(["", *NEIGHBOURS]) * rng.choice([1, 1, 2]) + text[at + cut :]


def blanks_around(rng: random.Random, text: str) -> str:
    return text if rng.random() < 0.85 else rng.choice(["", " ", "\t"]) + text + rng.choice([" ", "  ", "\t", ""])


def timestamp(rng: random.Random) -> str:
    if rng.random() < 0.06:
        date = rng.choice(
            [
                "1970-01-01",
                "2105-12-31",
                "2000-02-29",
                "2100-02-28",
                "2024-02-29",
                "1969-12-31",
                "2106-01-01",
                "2100-02-29",
                "2023-02-29",
            ]
        )
        text = date + rng.choice(" T") + rng.choice(["00:00:00", "23:59:59", "23:59:60", "24:00:00"])
    else:
        date = f"{rng.randrange(1970, 2106)}-{rng.randrange(1, 13):02}-{rng.randrange(1, 29):02}"
        time = f"{rng.randrange(24):02}:{rng.randrange(60):02}:{rng.randrange(60):02}"
        text = date + rng.choice("  T") + time
    if rng.random() < 0.3:
        text += "." + "".join(rng.choices("0123456789", k=rng.randrange(1, 10)))
    if rng.random() < 0.3:
        hours, minutes = rng.randrange(24), rng.randrange(60)
        text += rng.choice(["Z", f"+{hours:02}:{minutes:02}", f"-{hours:02}{minutes:02}", f"+{hours:02}"])
    return blanks_around(rng, text)


def integer(rng: random.Random) -> str:
    if rng.random() < 0.06:
        text = rng.choice(["0", "-0", "+7", "007", str(2**63 - 1), str(2**63), str(2**64), "-1", "0" * 30 + "5"])
    else:
        text = str(rng.randrange(10 ** rng.randrange(1, 20)))
    return blanks_around(rng, text)


def amount(rng: random.Random) -> str:
    kind = rng.random()
    if kind < 0.15:
        return rng.choice(["", "", "NaN", "NaN", "null", "NULL", "\\N", " ", " NaN"])
    whole = "".join(rng.choices("0123456789", k=rng.choice([0, 1, 1, 2, 3, 5, 8, 9, 10, 11, 12])))
    fraction = "".join(rng.choices("0123456789", k=rng.choice([0, 0, 1, 2, 2, 2, 4, 6])))
    text = whole + ("." + fraction if fraction or rng.random() < 0.1 else "") or "0"
    if kind < 0.22:
        text += rng.choice("eE") + rng.choice(["", "+", "-"]) + rng.choice(["0", "1", "1", "02", "03", "5", "012"])
    elif kind < 0.3:
        text = "0" * rng.randrange(1, 20) + text + ("0" * rng.randrange(12) if "." in text else "")
    elif kind < 0.36:
        text = rng.choice(["+", "-"]) + text
    return blanks_around(rng, text)


def name(rng: random.Random, characters_max: int) -> str:
    letters = rng.choice(LETTERS)
    kind = rng.random()
    if kind < 0.85:
        size = rng.randrange(24)
    elif kind < 0.97:
        size = rng.randrange(characters_max)
    else:
        size = characters_max + rng.choice([-1, 0, 0, 1, 2])
    return "".join(rng.choices(letters, k=size))


def value(rng: random.Random, column: str) -> str:
    if column == "created_timestamp":
        return timestamp(rng)
    if column in ("game_instance_id", "game_id"):
        return integer(rng)
    if column in AMOUNTS:
        return amount(rng)
    return name(rng, 128 if column == "user_id" else 256)


def user(rng: random.Random) -> str:
    """Mostly one that no rule refuses: it would be nearly every row otherwise."""
    return rng.choice(["", "p", "é"]) + f"player-{rng.randrange(10 ** rng.randrange(1, 30))}"


class Batch:
    """Files with the same columns in the same order."""

    def __init__(self, rng: random.Random, dialect: Dialect):
        self.rng = rng
        self.dialect = dialect
        self.layout = COLUMNS + ["note", "more"][: rng.randrange(1, 3)]
        if rng.random() < 0.8:
            rng.shuffle(self.layout)
        self.pad_at = self.layout.index("note")
        self.usual = [self.supply(column, 250) for column in self.layout]
        self.unusual = [[self.written(mutated(rng, value(rng, c))) for _ in range(120)] for c in self.layout]

    def supply(self, column: str, count: int) -> list[str]:
        rng = self.rng
        if column == "user_id":
            values = [user(rng) if rng.random() < 0.9 else name(rng, 128) for _ in range(count)]
        else:
            values = [value(rng, column) for _ in range(count)]
        return [self.written(v) for v in values]

    def written(self, text: str) -> str:
        if any(c in text for c in (self.dialect.delimiter, '"', "\n", "\r")) or self.rng.random() < 0.2:
            return '"' + text.replace('"', '""') + '"'
        return text

    def header(self, padding: int) -> list[str]:
        """Its length grows by `padding`."""
        rng = self.rng
        names = []
        for column in self.layout:
            if column == "note":
                column += "s" * padding
            elif rng.random() < 0.1:
                column = rng.choice([column.upper(), f" {column}", f"{column}\t", column.title()])
            names.append(self.written(column))
        if self.dialect.has_broken and rng.random() < 0.01:  # one is missing, perhaps another there twice
            names[rng.randrange(len(names))] = rng.choice(["", "created", *self.layout])
        return names

    def row(self) -> list[str]:
        rng = self.rng
        fields = [usual[int(rng.random() * len(usual))] for usual in self.usual]
        while rng.random() < 0.12:
            at = rng.randrange(len(fields))
            fields[at] = rng.choice(self.unusual[at])
        return self.miscounted(fields) if rng.random() < 0.04 else fields

    def miscounted(self, fields: list[str]) -> list[str]:
        """Too few or too many; or every place is a delimiter."""
        size = len(fields)
        size = self.rng.choice([1, 2, size - 1, size + 1, size + 7, 90])
        if size == 90:
            return [""] * size
        if size == 1 and not fields[0].strip('" \t'):
            return ['""']  # csv_oracle.is_blank says why
        return (fields + fields)[:size]

    def rows_of_a_file(self) -> int:
        kind = self.rng.random()
        if kind < 0.996:
            return self.rng.randrange(1, 6)
        # None; or about as many as the reader stages before it hands them on.
        return self.rng.choice([0, 0, self.rng.randrange(120, 135), self.rng.randrange(250, 265)])

    def file(self, number: int, *, filler: int = 0) -> File:
        """The header's length grows with `number`. `filler`: bytes of an ignored field in the first row."""
        rng, dialect = self.rng, self.dialect
        lines = [rng.choice(BLANK_LINES[:2])] if rng.random() < 0.02 else []
        if dialect.has_broken and rng.random() < 0.003:
            return File(self.joined(lines, ends=True).encode(), dialect.delimiter, self.rules(), {}, False)
        header = self.header(number % 131)
        broken = {0: self.broken_place(header)} if dialect.has_broken and rng.random() < 0.01 else {}
        lines.append(dialect.delimiter.join(header))
        rows = self.rows_of_a_file()
        for row in range(1, rows + 1):
            fields = self.row()
            if row == 1 and filler:
                fields = self.row_with(filler)
            elif dialect.has_broken and rng.random() < 0.15:
                broken[row] = self.broken_place(fields)
            lines.append(dialect.delimiter.join(fields))
            if rng.random() < 0.04:
                # A tab that is the delimiter makes two fields of a line.
                lines.append(rng.choice(BLANK_LINES[: 2 if dialect.delimiter == "\t" else 4]))
        unclosed = dialect.has_broken and rows > 0 and rng.random() < 0.05
        if unclosed:
            fields = [
                *self.row()[: rng.randrange(len(self.layout) + 2)],
                '"never' + name(rng, 90).replace('"', ""),
            ]
            lines.append(dialect.delimiter.join(fields))
        content = self.joined(lines, ends=unclosed or rng.random() < 0.5).encode()
        if dialect.has_broken and rng.random() < 0.1:
            content = self.damaged(content)
        return File(content, dialect.delimiter, self.rules(), broken, unclosed)

    def broken_place(self, fields: list[str]) -> frozenset[int]:
        at = self.rng.randrange(len(fields))
        fields[at] = self.rng.choice(BROKEN)
        return frozenset([at])

    def row_with(self, filler: int) -> list[str]:
        fields = [usual[int(self.rng.random() * len(usual))] for usual in self.usual]
        words = self.rng.choice(["padding ", 'a ""b"" ', "line\r\n", "é\n"])
        size = len(words.encode())
        text = words * (filler // size) + "p" * (filler % size)
        fields[self.pad_at] = f'"{text}"'
        return fields

    def joined(self, lines: list[str], *, ends: bool) -> str:
        """`ends`: with an end of the last line."""
        line_ends = self.dialect.line_ends
        if len(line_ends) == 1:  # the usual case, and the quicker way
            return line_ends[0].join(lines) + line_ends[0] * ends
        ended = [line + self.rng.choice(line_ends) for line in lines]
        return "".join(ended) if ends or not lines else "".join(ended[:-1]) + lines[-1]

    def damaged(self, content: bytes) -> bytes:
        """With bytes that are not UTF-8 behind a letter or digit, where they leave the structure as it is."""
        at = self.rng.randrange(len(content) // 2, len(content))
        while not content[at - 1 : at].isalnum():
            at -= 1
        bad = self.rng.choice(
            [b"\xff", b"\xc3", b"\xe2\x82", b"\xed\xa0\x80", b"\xc0\xaf", b"\xf4\x90\x80\x80", b"\x80"]
        )
        return content[:at] + bad + content[at:]

    def rules(self) -> Rules:
        rng = self.rng
        zone = rng.choice([0, 0, 60, -330, 825]) if self.dialect.has_zones else 0
        return Rules(zone, rng.random() < 0.06, rng.random() < 0.4)
