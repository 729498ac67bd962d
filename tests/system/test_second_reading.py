"""Two readings of one file, the upload's and the reconciliation's, which share no code: they must agree on every
row, accepted or refused. Whatever one of them takes and the other does not makes the verdict `mismatched`.
"""

import pathlib
import sqlite3

import pytest
from roundhouse import ROOT
from rounds import COLUMNS, make_rows, to_csv
from topologies import ALONE, CLUSTER

pytestmark = pytest.mark.topologies(ALONE, CLUSTER)

CORPUS = sorted((ROOT / "tests" / "corpus").glob("*/*.csv"))


# What the corpus says to the parser, as the API says it.
OPTIONS = {
    "allow_negative": {"allow_negative": "true"},
    "empty_amount=reject": {"empty_amount": "reject"},
    "timezone_offset_minutes=120": {"timezone": "+02:00"},
}


def reconcile(server, upload_id: str) -> dict:
    answer = server.post("/v1/reconciliations", json={"upload_id": upload_id}, headers={"Prefer": "wait=60"})
    assert answer.json()["state"] == "done", answer.text
    return answer.json()


def assert_both_agree(server, upload: dict) -> dict:
    found = reconcile(server, upload["id"])
    disagreements = [found["verdict"], found["warnings"], found["rejected_examples"]]
    assert disagreements == ["matched", [], []], disagreements
    assert found["rows"] == upload["rows"]
    return found


@pytest.mark.parametrize("path", CORPUS, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_both_readings_of_a_file_of_the_corpus_agree(server, path):
    options = path.with_suffix(".options")
    params = {}
    for line in options.read_text().split() if options.exists() else []:
        params |= OPTIONS[line]
    answer = server.upload(path, filename=path.name, **params)
    if answer.status_code == 422:
        return  # not a file of rounds: there is nothing to read again
    assert answer.status_code in (200, 202), answer.text
    upload = server.wait_final(answer.json()["id"])
    if upload["state"] == "stored":
        assert_both_agree(server, upload)
    else:
        assert upload["state"] in ("refused", "failed") and upload["rows"]["accepted"] == 0, upload


TIMES = [
    "2019-10-22T08:20:41", "2019-10-22 08:20:41.5Z", "2019-10-22 08:20:41.123456789-0130", "2019-10-22 08:20:41+23",
    "2019-10-22 08:20:41+24:00", "2019-10-22 08:20:41+02:60", "2019-10-22 08:20:41 Z", "2019-10-22 08:20:41z",
    "2019-10-22 08:20:60", "2019-10-22 24:00:00", "2019-02-29 00:00:00", "2020-02-29 00:00:00", "2019-13-01 00:00:00",
    "1969-12-31 23:30:00-01:00", "1970-01-01 00:30:00+01:00", "1970-01-01 00:00:00", "1969-12-31 23:59:59.999",
    "2105-12-31 23:59:59.999", "2106-01-01 00:00:00", "2105-12-31 23:30:00-01:00", "2106-01-01 00:30:00+01:00",
    "2019-10-22 08:20:41.", "2019-10-22 08:20:41.1234567890", "2019-10-2208:20:41", "2019-10-22", "1571732441",
    "\t2019-10-22 08:20:41 ", "t2019-10-22 08:20:41", "2019-10-22 08:20:41\\", "2019-10-22\n08:20:41", "", " ",
]  # fmt: skip
INTEGERS = [
    "0", "-0", "+0", "+5", "-5", "007", "9223372036854775807", "9223372036854775808", "18446744073709551616",
    "99999999999999999999", "340282366920938463463374607431768211457", "0" * 40 + "12", "+", "-", "", " 12\t", "1.0",
    "1e3", "t5", "5\\", "١", "0x1f", "1_000", "-000", "++1",
]  # fmt: skip
AMOUNTS = [
    "1", "1.", ".5", ".", "+.5", "-.0", "-0", "-0.000001", "-1", "1e-05", "1E+3", "1e", "1e+", "e5", "1e5.0", "1.5e-6",
    "1.5e-7", "1e-20", "0e99999999999", "0." + "0" * 60, "1." + "0" * 60, "0.1" + "0" * 40 + "1", "1" + "0" * 11,
    "1" + "0" * 12, "999999999999.999999", "9999999999999e-1", "999999999999.9999999", "1000000000000e-12",
    "0" * 50 + "1.25", "0.00000000000000000000000000001e30", "1e999999999999999999999", "1e-999999999999999999999",
    "123456789012345678901234567890e-20", "100000000000000000000000000000e-24", "1,5", "1 000", "0x1p3", "inf",
    "Infinity", "nan", "NaN", "null", "NULL", "Null", "\\N", "\\n", "None", " 5\t", "t5", "5t", "5\\", "１", "--1", "1e1_0",
    "1..2", "12.345.6", "0.0000010", "0.0000001", "5e-6", "-1e-6", "-1e-7",
]  # fmt: skip
TEXTS = [
    "u", "", "u" * 128, "u" * 129, "é" * 128, "é" * 129, "𝄞" * 128, "a\tb", "a\x00b"[:1], "a\x01b", "a\x7fb", "a\x85b",
    "a\xa0b", " u ", '"', "a,b", "a\r\nb", "n" * 256, "n" * 257, "é" * 256, "é" * 257, "'", "\\", "\\t", "\u2028",
]  # fmt: skip


def mutated(text: str, rng) -> str:
    """The text with one character taken out, put in or doubled."""
    at = rng.randrange(len(text) + 1)
    return rng.choice(
        [
            text[:at] + text[at + 1 :],
            text[:at] + rng.choice("0123456789+-.eETZ: \t\\tn,;'NaN") + text[at:],
            text[:at] + text[at : at + 1] + text[at:],
        ]
    )


def odd_rows(rng, count: int) -> list[list[str]]:
    rows = make_rows(rng, count)
    for row in rows:
        column = rng.randrange(len(COLUMNS))
        usual = [TIMES, INTEGERS, TEXTS, INTEGERS, *[AMOUNTS] * 4, TEXTS, TEXTS][column]
        row[column] = rng.choice(usual)
        if rng.random() < 0.4:
            row[column] = mutated(row[column], rng)
    return rows


@pytest.mark.parametrize(
    "options", [{}, {"allow_negative": "true", "timezone": "-03:30"}, {"empty_amount": "reject"}]
)
def test_both_readings_of_odd_values_agree(server, rng, options):
    content = to_csv(odd_rows(rng, 6000), delimiter=rng.choice(",;\t|")).encode()
    upload = server.stored(content, **options)
    assert upload["rows"]["rejected"] > 1000 and upload["rows"]["accepted"] > 1000
    assert_both_agree(server, upload)


def test_both_readings_of_broken_records_agree(server, rng):
    """Quotes, line ends, bytes and lengths that are wrong, each in a column that counts or in one that does not."""
    good = [[*row, "note"] for row in make_rows(rng, 600)]
    lines = to_csv(good, header=[*COLUMNS, "note"], line_end="\n").encode().split(b"\n")
    breaks = [
        lambda line: line + b",more",
        lambda line: line.rsplit(b",", 1)[0],
        lambda line: line.replace(b"note", b'no"te'),
        lambda line: line.replace(b"note", b'"no"te'),
        lambda line: line.replace(b"note", b' "note"'),
        lambda line: line.replace(b"note", b"n\xffte"),
        lambda line: line.replace(b"note", b"\xed\xa0\x80"),
        lambda line: line.replace(b"note", b'"no\nte"'),
        lambda line: line.replace(b"note", b'"no\r\nte"x'),
        lambda line: line.replace(b"note", b"n" * 1_048_577),
        lambda line: line.replace(b"note", b'"' + b"n\n" * 524_289 + b'"'),
        lambda line: b"\xff" + line,
        lambda line: line + b"\r",
        lambda line: b" \t",
    ]
    for at in range(1, len(lines) - 1, 7):
        lines[at] = rng.choice(breaks)(lines[at])
    content = b"\n".join(lines) + b'"never closed,\n1,2\n' + lines[2] + b"\n"
    upload = server.stored(content)
    assert upload["rows"]["rejected"] > 30
    assert_both_agree(server, upload)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16-le", "utf-16-be"])
def test_a_row_that_was_refused_without_reason_is_named(start_server, rng, encoding):
    """The rules of the upload are changed behind its back, so that it looks as if it had refused a valid row."""
    server = start_server()
    rows = make_rows(rng, 500)
    rows[123][4], rows[124][5] = "-7.25", "12,5 EUR"
    upload = server.stored(to_csv(rows).encode(encoding))
    assert upload["rows"]["rejected"] == 2
    assert_both_agree(server, upload)
    assert server.stop() == 0
    allow_negative(server.data)
    server.start()
    found = reconcile(server, upload["id"])
    assert found["verdict"] == "mismatched"
    page = server.get(f"/v1/reconciliations/{found['id']}/discrepancies").json()["data"]
    player, game = rows[123][2], rows[123][3]
    hour = f"{rows[123][0][:10]}T{rows[123][0][11:13]}:00:00Z"
    assert [(row["player_id"], row["game_id"], row["hour"], row["class"]) for row in page] == [
        (player, game, hour, "missing_in_store")
    ]
    assert found["rows"]["rejected"] == 1
    assert ("rejected_rows_valid", 1) in [(warning["code"], warning["count"]) for warning in found["warnings"]]
    assert [row["row"] for row in found["rejected_examples"]] == [124]


def allow_negative(data: pathlib.Path) -> None:
    database = sqlite3.connect(data / "ledger.sqlite")
    changed = database.execute("UPDATE uploads SET allow_negative = 1").rowcount
    database.commit()
    database.close()
    assert changed == 1
