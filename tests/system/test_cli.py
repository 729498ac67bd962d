"""The command line, as a process: what it prints, where, and its exit codes. No server needed."""

import csv
import gzip
import hashlib
import io
import json
import os
import pathlib
import select
import signal
import subprocess
import time
import zipfile
from decimal import Decimal

import csv_oracle
import duckdb
import fastavro
import pytest
import rounds
from roundhouse import BINARY, ROOT
from rounds import AMOUNTS, COLUMNS

ENCODINGS = {
    "utf-8": "utf-8",
    "utf-8-bom": "utf-8-sig",
    "utf-16le": "utf-16-le",
    "utf-16be": "utf-16-be",
    "utf-16le-bom": "utf-16",
    "utf-16be-bom": "utf-16",
    "windows-1252": "cp1252",
}


def run(*arguments, code: int | None = 0, stdin: bytes = b"", **environment) -> subprocess.CompletedProcess:
    env = {k: v for k, v in os.environ.items() if not k.startswith("ROUNDHOUSE_")} | environment
    done = subprocess.run(
        [str(BINARY), *map(str, arguments)], input=stdin, capture_output=True, env=env, check=False
    )
    if code is not None:
        assert done.returncode == code, (done.returncode, done.stdout[-2000:], done.stderr[-2000:])
    return done


def check(*arguments, code: int | None = 0, **options) -> list[dict]:
    done = run("check", "--json", *arguments, code=code, **options)
    return [json.loads(line) for line in done.stdout.splitlines()]


# -- usage


def test_help_begins_with_what_it_does_and_examples():
    for command in ["", "serve", "upload", "check", "convert", "generate", "reconcile", "keys create"]:
        text = run(*command.split(), "--help").stdout.decode()
        assert "Examples:" in text and text.index("Examples:") < text.index("Usage:"), command
    assert run("--version").stdout.decode().startswith("roundhouse ")


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["bogus"],
        ["check"],
        ["serve", "--no-such-flag"],
        ["serve", "--listen", "8080"],
        ["serve", "--http-workers", "0"],
        ["config", "show", "--http-workers", "x"],
        ["generate", "--encoding", "ebcdic"],
        ["generate", "--bad-share", "1.5", "--out", "/dev/null"],
        ["generate", "--bad-kinds", "unclosed_quote", "--out", "/dev/null"],
        ["check", "--delimiter", ":", "x.csv"],
        ["uploads", "not-an-id"],
        ["upload", "--server", "ftp://example.org", "x.csv"],
    ],
)
def test_usage_errors_are_2(arguments):
    done = run(*arguments, code=2)
    assert done.stderr.startswith(b"roundhouse: ") and done.stdout == b""


@pytest.mark.parametrize(
    "arguments",
    [
        ["upload", "--replaces", "", "x.csv"],
        ["upload", "--allow-duplicate", "", "x.csv"],
        ["upload", "--max-errors", "", "x.csv"],
        ["upload", "x.csv", ""],
        ["aggregates", "--player-id", ""],
        ["aggregates", "--player-id=", "--json"],
        ["upload", "x.csv", "--allow-duplicate=", "--strict"],
        ["aggregates", "--player-id", "a", "--player-id", ""],
        ["aggregates", "--json", "--as-of", ""],
        ["reconcile", "x.csv", "--from", ""],
        ["reconcile", "x.csv", "--provider", ""],
        ["uploads", ""],
        ["uploads", "--state", ""],
        ["rejects", ""],
        ["keys", "create", "--data", "x", "--name", "", "--scope", "read"],
        ["config", "show", "--config", ""],
    ],
)
def test_an_empty_value_is_refused_since_a_variable_may_be_unset(arguments):
    """With it a script would ask for more than it meant, or replace nothing. Nothing listens there: exit code 5."""
    done = run(*arguments, code=2, ROUNDHOUSE_SERVER="http://127.0.0.1:9")
    assert b"has an empty value" in done.stderr + done.stdout


@pytest.mark.parametrize("number", ["-1", "", "x"])
@pytest.mark.parametrize(
    "arguments",
    [
        ["generate", "--out", "/dev/null", "--seed"],
        ["check", "x.csv", "--show"],
        ["check", "x.csv", "--max-errors"],
        ["upload", "x.csv", "--max-errors"],
    ],
)
def test_what_is_no_count_is_refused(arguments, number):
    assert arguments[-1].encode() in run(*arguments, number, code=2).stderr


def test_help_that_cannot_be_written_is_a_failure():
    with open("/dev/full", "wb") as full:
        for words in (["--help"], ["upload", "--help"], ["--version"]):
            assert subprocess.run([BINARY, *words], stdout=full, stderr=subprocess.DEVNULL).returncode == 1, words


@pytest.mark.parametrize(
    ("words", "meant"),
    [("uplaod x.csv", "upload"), ("keys creat --data x", "create"), ("--json reconsile x", "reconcile")],
)
def test_a_mistyped_command_names_the_nearest(words, meant):
    text = run(*words.split(), code=2).stderr.decode()
    assert f"Did you mean `{meant}`?" in text and "There is no command" in text


def test_a_word_that_is_no_slip_of_a_command_names_none():
    text = run("bogus", code=2).stderr.decode()
    assert 'no command "bogus"' in text and "Did you mean" not in text


@pytest.mark.parametrize("flag", ["--replaces=56e14c68-d694-8330-9e4e-9c07553ebd3e", "--filename=rounds.csv"])
def test_what_goes_with_one_file_is_refused_before_anything_is_sent(tmp_path, flag):
    """With several the first would replace the upload, and the next ones be refused. Nothing listens there, which
    would be exit code 5."""
    files = [tmp_path / "a.csv", tmp_path / "b.csv"]
    for file in files:
        file.write_text("x")
    done = run("upload", flag, *files, code=2, ROUNDHOUSE_SERVER="http://127.0.0.1:9")
    assert b"one file only" in done.stderr and done.stdout == b""


def test_usage_errors_as_json():
    problem = json.loads(run("serve", "--json", "--listen", "8080", code=2).stdout)
    assert problem["code"] == "bad_setting" and problem["status"] == 400 and "--listen" in problem["detail"]
    assert json.loads(run("bogus", "--json", code=2).stdout)["code"] == "usage"


def test_files_that_are_none_are_1_in_every_command(tmp_path):
    for path in [tmp_path, tmp_path / "nothing.csv"]:
        for command in [["check"], ["upload"], ["reconcile"], ["convert", "-o", tmp_path / "out.avro"]]:
            done = run(*command, path, code=1, ROUNDHOUSE_SERVER="http://127.0.0.1:9")
            assert done.stderr.startswith(b"roundhouse: ") and path.name.encode() in done.stderr, (command, path)
    for neither in ("56e14c68", "nope", "56e14c68-d694-8330-9e4e-9c07553ebd3", "statement.cvs"):
        said = run("reconcile", neither, code=1).stderr.decode()
        assert f"There is no file {neither}, and it is no whole id of an upload" in said
        assert "roundhouse uploads" in said
    an_id = "56e14c68-d694-8330-9e4e-9c07553ebd3e"
    for words in (["--from", "2019-10-01"], ["--provider", "x"], ["--allow-negative"]):
        assert b"reconciled whole" in run("reconcile", an_id, *words, code=2).stderr


def test_generate_to_standard_output_cannot_be_json():
    said = run("generate", "--rows", "5", "--out", "-", "--json", code=2).stdout
    assert "--json needs --out FILE" in json.loads(said)["detail"]


def test_a_key_file_without_a_key_is_an_error(tmp_path):
    empty = tmp_path / "key"
    empty.write_text("\n")
    assert b"has no key" in run("uploads", "--key-file", empty, code=2).stderr


def test_no_server_is_5(tmp_path):
    file = tmp_path / "rounds.csv"
    file.write_text("x")
    for arguments in [["upload", file], ["aggregates"], ["uploads"], ["reconcile", file]]:
        done = run(*arguments, "--server", "http://127.0.0.1:9", code=5)
        assert b"Is the server running?" in done.stderr
    assert b"roundhouse serve" in run("clickhouse", "info", "--data", tmp_path, code=5).stderr


# -- configuration


def test_config_show_names_each_origin(tmp_path):
    toml = tmp_path / "roundhouse.toml"
    toml.write_text('listen = "127.0.0.1:1"\n[http]\nworkers = 3\n[logging]\nlevel = "debug"\n')
    arguments = ["config", "show", "--json", "--config", toml, "--logging-level", "error"]
    shown = json.loads(run(*arguments, ROUNDHOUSE_HTTP_WORKERS="4", ROUNDHOUSE_API_KEY="secret").stdout)
    values = {value["key"]: value for value in shown["data"]}
    assert (values["listen"]["value"], values["listen"]["origin"]) == ("127.0.0.1:1", "file")
    assert (values["http.workers"]["value"], values["http.workers"]["origin"]) == ("4", "environment")
    assert (values["logging.level"]["value"], values["logging.level"]["origin"]) == ("error", "flag")
    assert (values["data"]["value"], values["data"]["origin"]) == ("roundhouse-data", "default")
    assert values["api_key"]["value"] == "(set)"
    text = run("config", "show", "--config", toml).stdout.decode()
    assert len(text.splitlines()) == len(values)


def test_an_empty_data_directory_is_not_the_root(tmp_path):
    """As in `serve --data "$DIR"` with DIR not set."""
    toml = tmp_path / "roundhouse.toml"
    toml.write_text('data = ""\n')
    assert b"must name a directory" in run("config", "show", "--data", "", code=2).stderr
    assert b"must name a directory" in run("config", "show", "--config", toml, code=2).stderr
    assert b"roundhouse-data" in run("config", "show", ROUNDHOUSE_DATA="").stdout


def test_an_unknown_setting_names_the_nearest(tmp_path):
    toml = tmp_path / "roundhouse.toml"
    toml.write_text("[http]\nworkres = 3\n")
    assert b"http.workers" in run("config", "show", "--config", toml, code=2).stderr


def test_the_reference_page_is_that_of_the_program():
    page = (ROOT / "docs" / "reference" / "configuration.md").read_text()
    assert page == run("config", "reference").stdout.decode(), "run `roundhouse config reference`"


def test_completion_knows_every_command_and_flag():
    script = run("completion", "bash").stdout.decode()
    call = 'COMP_WORDS=({words} ""); COMP_CWORD={count}; _roundhouse; echo "${{COMPREPLY[@]}}"'

    def complete(*words: str) -> list[str]:
        shell = script + call.format(words=" ".join(words), count=len(words))
        done = subprocess.run(["bash", "-c", shell], capture_output=True, text=True, check=True)
        return done.stdout.split()

    commands = complete("roundhouse")
    assert {"serve", "upload", "check", "convert", "generate", "reconcile", "keys"} <= set(commands)
    assert set(complete("roundhouse", "keys")) >= {"create", "list", "revoke"}
    assert "--bad-share" in complete("roundhouse", "generate")
    assert "--read-only" in complete("roundhouse", "clickhouse", "info")
    assert "autoload" in run("completion", "zsh").stdout.decode()
    fish = run("completion", "fish").stdout.decode()
    assert "-a generate" in fish and "-l bad-share" in fish


# -- generate


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_generate_writes_each_encoding(encoding):
    arguments = ["generate", "--rows", 3000, "--seed", 7]
    plain = run(*arguments, "--encoding", "utf-8").stdout.decode()
    assert run(*arguments, "--encoding", encoding).stdout.decode(ENCODINGS[encoding]) == plain
    rows = list(csv.reader(io.StringIO(plain), strict=True))
    assert rows[0] == COLUMNS and len(rows) == 3001
    assert {"Play'n GO", "Blue Lantern, Ltd.", 'Quarry "Q" Works'} <= {row[9] for row in rows[1:]}
    assert {"", "NaN"} <= {row[5] for row in rows[1:]}


def test_generate_is_what_duckdb_reads(tmp_path):
    file = tmp_path / "rounds.csv"
    made = json.loads(run("generate", "--rows", 50000, "--encoding", "utf-8", "-o", file, "--json").stdout)
    assert made == {"rows": 50000, "bad_rows": 0, "bytes": file.stat().st_size, "seed": 1}
    count, first, last, start, end, players = duckdb.sql(
        f"""SELECT count(*), min(game_instance_id::BIGINT), max(game_instance_id::BIGINT),
            min(created_timestamp::TIMESTAMP)::VARCHAR, max(created_timestamp::TIMESTAMP)::VARCHAR,
            count(DISTINCT user_id) FROM read_csv('{file}', all_varchar = true)"""
    ).fetchall()[0]
    assert (count, first, last) == (50000, 20000, 69999)
    assert start.startswith("2019-10-01 00:") and end.startswith("2019-10-31 23:") and players > 1000


def test_generate_replaces_no_file_unasked(tmp_path):
    file = tmp_path / "rounds.csv"
    file.write_text("mine")
    assert b"--force" in run("generate", "--rows", 10, "--out", file, code=1).stderr
    assert file.read_text() == "mine"
    run("generate", "--rows", 10, "--out", file, "--force")
    assert file.stat().st_size > 1000


def test_generate_repeats_itself_and_differs_by_seed(tmp_path):
    def digest(*arguments) -> str:
        out = run("generate", "--rows", 20000, "--bad-share", "0.05", *arguments).stdout
        return hashlib.sha256(out).hexdigest()

    assert digest() == digest()
    assert digest() != digest("--seed", 2)


def test_bad_rows_are_as_many_as_announced_and_of_the_kinds_asked_for(tmp_path):
    for kind in [
        "field_count",
        "bad_quote",
        "invalid_encoding",
        "bad_timestamp",
        "timestamp_out_of_range",
        "bad_integer",
        "integer_out_of_range",
        "missing_value",
        "text_too_long",
        "control_character",
        "bad_decimal",
        "decimal_out_of_range",
        "decimal_too_precise",
        "negative_amount",
    ]:
        for encoding in ["utf-8", "utf-16be", "windows-1252"]:
            file = tmp_path / f"{kind}.{encoding}.csv"
            arguments = ["--rows", 3000, "--encoding", encoding, "--bad-share", "0.1", "--bad-kinds", kind]
            made = json.loads(run("generate", *arguments, "-o", file, "--json").stdout)
            (report,) = check(file, "--encoding", encoding.removesuffix("-bom"))
            assert report["rows"]["rejected"] == made["bad_rows"] > 200, (kind, encoding, report)
            assert set(report["faults"]) == {kind}, (encoding, report["faults"])


# -- check


def test_check_reports_like_an_upload(tmp_path, rng):
    rows = rounds.make_rows(rng, 1000)
    rows[10][2] = ""
    rows[20][4] = "1,5"
    file = tmp_path / "rounds.csv"
    file.write_bytes(rounds.to_csv(rows).encode())
    (report,) = check(file)
    assert report["state"] == "checked" and report["filename"] == "rounds.csv"
    assert report["rows"] == {"read": 1000, "accepted": 998, "rejected": 2, "blank": 0}
    assert report["sha256"] == hashlib.sha256(file.read_bytes()).hexdigest()
    assert (report["encoding"], report["delimiter"]) == ("utf-8", ",")
    judged = csv_oracle.read(file.read_bytes().decode()).rows
    assert {n: Decimal(report["totals"][n]) for n in AMOUNTS} == csv_oracle.totals(judged)
    first, second = report["rejects"]
    assert (first["line"], first["row"]) == (12, 11)
    assert first["faults"][0]["column"] == "user_id" and first["faults"][0]["code"] == "missing_value"
    assert second["faults"][0]["column"] == "real_amount_bet" and second["faults"][0]["value"] == "1,5"
    text = run("check", file).stdout.decode()
    assert "1,000 read = 998 accepted + 2 rejected" in text and "line 12: user_id: missing_value" in text


def test_check_warns_as_an_upload_does_and_fails_where_it_would_be_refused(tmp_path, rng):
    rows = rounds.make_rows(rng, 30)
    rows[20][1] = rows[10][1]
    file = tmp_path / "rounds.csv"
    file.write_text(rounds.to_csv(rows))
    (report,) = check(file)
    (warning,) = report["warnings"]
    assert (warning["code"], warning["count"]) == ("duplicate_game_instance_id", 1)
    assert (
        "1 game_instance_id more than once (1 row beyond" in warning["detail"] and rows[10][1] in warning["detail"]
    )
    assert "warning: The file has 1 game_instance_id more than once" in run("check", file).stdout.decode()
    for row in rows:
        row[4] = "-1"
    file.write_text(rounds.to_csv(rows))
    (report,) = check(file, code=1)
    (warning,) = report["warnings"]
    assert warning["code"] == "would_be_refused" and "no_accepted_rows" in warning["detail"]
    text = run("check", "--strict", file, code=1).stdout.decode()
    assert "no_accepted_rows" in text and "say --allow-negative" in text and "allow_negative" not in text
    said = run("convert", file, "-o", tmp_path / "none.avro", code=1).stderr.decode()
    assert "roundhouse check" in said and "published" not in said and "send the file" not in said
    assert not (tmp_path / "none.avro").exists()
    run("check", "--allow-negative", file)


def test_check_refuses_by_the_policy_of_an_upload(tmp_path, rng):
    rows = rounds.make_rows(rng, 30)
    for row in rows[:2]:
        row[4] = "-1"
    file = tmp_path / "rounds.csv"
    file.write_text(rounds.to_csv(rows))
    for flags, refused in [
        ([], None),
        (["--max-errors", "2"], None),
        (["--max-errors", "1"], "too_many_rejects"),
        (["--on-error", "quarantine"], None),
        (["--on-error", "abort"], "rejects_found"),
    ]:
        report = json.loads(run("check", "--json", *flags, file, code=1 if refused else 0).stdout)
        assert [w["detail"].split(":")[0] for w in report["warnings"]] == ([refused] if refused else []), flags
    assert (
        b"leave out --max-errors" in run("check", "--on-error", "abort", "--max-errors", "3", file, code=2).stderr
    )


@pytest.mark.parametrize("coding", ["utf-8", "utf-16-be"])
@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
def test_a_last_line_without_an_end_is_warned_of(tmp_path, rng, coding, line_end):
    """A file that was cut between two digits of its last row still reads as a whole one."""
    whole = "".join(line + line_end for line in rounds.to_csv(rounds.make_rows(rng, 30)).splitlines())
    file = tmp_path / "rounds.csv"
    file.write_bytes(whole.encode(coding))
    (report,) = check(file)
    assert report["warnings"] == []
    file.write_bytes(whole.removesuffix(line_end).encode(coding))
    (report,) = check(file)
    (warning,) = report["warnings"]
    assert warning["code"] == "no_final_line_end" and "compare the 30 rows" in warning["detail"]
    assert report["rows"]["accepted"] == 30


def test_messages_name_a_file_as_it_was_named(tmp_path, rng):
    """Of two files of one name in two folders, one has to be found."""
    folder = tmp_path / "october"
    folder.mkdir()
    (folder / "rounds.csv").write_bytes(b"")
    for words in (["check"], ["convert", "-o", tmp_path / "out.avro"]):
        assert f"{folder}/rounds.csv: " in run(*words, folder / "rounds.csv", code=1).stderr.decode()


def test_a_data_directory_that_is_a_file_is_said(tmp_path):
    (tmp_path / "data").write_text("x")
    for data in ("data", "data/deeper"):
        done = run("serve", "--data", tmp_path / data, "--listen", "127.0.0.1:0", code=1)
        assert f"{tmp_path}/data is a file, where a directory is needed".encode() in done.stderr


def test_packed_files_are_named_as_such(tmp_path):
    file = tmp_path / "rounds.csv"
    file.write_bytes(gzip.compress(b"x" * 100))
    text = run("check", file, code=1).stderr.decode()
    assert "name end in .gz" in text and "Content-Encoding" not in text
    named = tmp_path / "rounds.csv.gz"
    named.write_bytes(b"x" * 100)
    text = run("check", named, code=1).stderr.decode()
    assert "does not end in .gz" in text and "Content-Encoding" not in text and "body" not in text


def test_a_workbook_is_not_to_be_packed_but_to_be_saved_as_csv(tmp_path):
    file = tmp_path / "rounds.xlsx"
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("xl/workbook.xml", "<workbook/>")
    text = run("check", file, code=1).stderr.decode()
    assert "ZIP" in text and "save the workbook as CSV" in text and ".gz" not in text


def test_check_exit_codes(tmp_path, rng):
    rows = rounds.make_rows(rng, 20)
    good, bad = tmp_path / "good.csv", tmp_path / "bad.csv"
    good.write_text(rounds.to_csv(rows))
    rows[3][0] = "yesterday"
    bad.write_text(rounds.to_csv(rows))
    run("check", good, "--strict")
    run("check", bad)
    run("check", bad, "--strict", code=3)
    run("check", good, bad, "--strict", code=3)
    broken = tmp_path / "broken.csv"
    broken.write_text("a,b\n1,2\n")
    assert b"broken.csv" in run("check", broken, code=1).stderr
    reports = check(broken, good, code=1)
    assert reports[0]["state"] == "failed" and reports[0]["error"]["code"] == "missing_column"
    assert reports[1]["state"] == "checked"
    hopeless = tmp_path / "hopeless.csv"
    hopeless.write_text(rounds.to_csv([rows[3]]))
    for files in ([hopeless, bad], [bad, hopeless], [bad, broken, good], [bad, hopeless, bad]):
        run("check", *files, "--strict", code=1)  # what the server would refuse is worse than a refused row
    run("check", tmp_path / "nothing.csv", code=1)


def test_check_reads_standard_input_and_compressed_files(tmp_path, rng):
    content = rounds.to_csv(rounds.make_rows(rng, 100)).encode()
    file = tmp_path / "rounds.csv"
    file.write_bytes(content)
    packed = tmp_path / "rounds.csv.gz"
    packed.write_bytes(gzip.compress(content))
    (plain,), (unpacked,), (piped,) = check(file), check(packed), check("-", stdin=content)
    assert plain["id"] == unpacked["id"] == piped["id"]
    assert plain["sha256"] == unpacked["sha256"] == piped["sha256"]


def test_check_leaves_nothing_behind(tmp_path, rng):
    file = tmp_path / "rounds.csv"
    file.write_text(rounds.to_csv(rounds.make_rows(rng, 10)))
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    check(file, TMPDIR=str(scratch))
    assert list(scratch.iterdir()) == []


VALUES = {  # column → values that are accepted, values that are refused
    "created_timestamp": (
        [
            "2019-10-22 08:20:41",
            "2019-10-22T08:20:41Z",
            "2020-02-29 00:00:00.5",
            "1970-01-01 00:00:00",
            "2019-10-22 08:20:41.123456789+02:00",
            "2105-12-31 23:59:59",
            "1969-12-31 23:30:00-01:00",
        ],
        [
            "",
            "2019-02-29 10:00:00",
            "2019-10-22 24:00:00",
            "22.10.2019 08:20",
            "2019-10-22 8:20:41",
            "2106-01-01 00:00:00",
            "1969-12-31 23:59:59",
            "2019-10-22 08:20:60",
            "NaN",
            "1571732441",
        ],
    ),
    "game_instance_id": (["0", "20000", "9223372036854775807"], ["", "-1", "1.0", "9223372036854775808", "x"]),
    "user_id": (
        ["a" * 32, "é" * 128, "a,b", 'say "hi"', "a;b|c\td"[:5]],
        ["", "u" * 129, "a\x01b", "a\nb", "\x7fx"],
    ),
    "game_id": (["12345", "0"], ["", "12e3", "0x1", "99999999999999999999"]),
    "real_amount_bet": (
        ["0.05", "", "NaN", "null", "NULL", "\\N", "1e-05", "1E3", "999999999999.999999", "0.1000000", "12"],
        ["-1", "1,5", "1.2.3", "1000000000000", "0.0000001", "1e-07", "inf", "€5", "0x10", "1e12", "--1"],
    ),
    "game_name": (["Book of Test", "", "n" * 256, "Fire, Ice", 'The "Q"', "two\nlines", "日本"], ["n" * 257]),
    "provider": (["Play'n GO", "", "Ärger & Söhne"], ["p" * 300]),
}
for _amount in AMOUNTS[1:]:
    VALUES[_amount] = VALUES["real_amount_bet"]


def random_file(rng) -> tuple[str, str, str]:
    """(text, delimiter, line end): mostly good rows, some with a bad value, a field too many, blank lines."""
    delimiter = rng.choice([",", ";", "\t", "|"])
    line_end = rng.choice(["\n", "\r\n"])
    out = io.StringIO()
    quoting = rng.choice([csv.QUOTE_MINIMAL, csv.QUOTE_ALL])
    writer = csv.writer(out, delimiter=delimiter, lineterminator=line_end, quoting=quoting)
    writer.writerow(COLUMNS)
    for _ in range(rng.randrange(1, 25)):
        row = [rng.choice(VALUES[name][0]) for name in COLUMNS]
        while rng.random() < 0.2:
            column = rng.randrange(10)
            row[column] = rng.choice(VALUES[COLUMNS[column]][1])
        if rng.random() < 0.03:
            row = row[:-1] if rng.random() < 0.5 else [*row, "more"]
        writer.writerow(row)
        if rng.random() < 0.05:
            out.write(line_end)
    return out.getvalue(), delimiter, line_end


def test_thousands_of_random_files_are_judged_as_by_pythons_csv(tmp_path, rng):
    """2,400 files: which rows are refused, blank lines, sums of what is accepted."""
    encodings = ["utf-8", "utf-8", "utf-8-sig", "utf-16-le", "utf-16-be", "utf-16"]
    for batch in range(8):
        wanted = []
        for number in range(300):
            content, delimiter, _ = random_file(rng)
            file = tmp_path / f"{number}.csv"
            file.write_bytes(content.encode(rng.choice(encodings)))
            wanted.append((file, content, delimiter))
        reports = check("--show", 10**6, *(file for file, _, _ in wanted), code=None)
        assert len(reports) == len(wanted)
        for (file, content, delimiter), report in zip(wanted, reports, strict=True):
            reading = csv_oracle.read(content, delimiter)
            judged = reading.rows
            refused = [number for number, values in judged.items() if values is None]
            story = (batch, file.name, content, report)
            assert report["state"] == "checked", story
            assert [reject["row"] for reject in report["rejects"]] == refused, story
            assert report["rows"] == {
                "read": len(judged),
                "accepted": len(judged) - len(refused),
                "rejected": len(refused),
                "blank": reading.blank,
            }, story
            assert {n: Decimal(report["totals"][n]) for n in AMOUNTS} == csv_oracle.totals(judged), story


# -- convert


@pytest.mark.parametrize("codec", ["null", "deflate"])
def test_convert_writes_what_fastavro_reads(tmp_path, rng, codec):
    rows = rounds.make_rows(rng, 70_000)  # more than one cell
    for number in (5, 65_536, 69_999):
        rows[number][3] = "not a game"
    content = rounds.to_csv(rows)
    file, avro = tmp_path / "rounds.csv", tmp_path / "rounds.avro"
    file.write_bytes(content.encode("utf-16"))
    done = json.loads(run("convert", file, "-o", avro, "--codec", codec, "--json").stdout)
    assert done["rows"] == {"read": 70_000, "accepted": 69_997, "rejected": 3, "blank": 0}
    (report,) = check(file)
    assert done["upload_id"] == report["id"]
    judged = csv_oracle.read(content).rows
    with open(avro, "rb") as stream:
        reader = fastavro.reader(stream)
        assert reader.metadata.get("avro.codec", "null") == codec
        records = list(reader)
    wanted = [(number, values) for number, values in judged.items() if values]
    assert len(records) == len(wanted)
    for record, (number, values) in zip(records, wanted, strict=True):
        assert {name: record[name] for name in COLUMNS} == values
        assert record["row_number"] == number and str(record["upload_id"]) == done["upload_id"]


def test_convert_does_not_overwrite_and_leaves_no_halves(tmp_path, rng):
    file, avro = tmp_path / "rounds.csv", tmp_path / "rounds.avro"
    file.write_text(rounds.to_csv(rounds.make_rows(rng, 10)))
    run("convert", file, "-o", avro)
    before = avro.read_bytes()
    assert b"--force" in run("convert", file, "-o", avro, code=1).stderr
    assert avro.read_bytes() == before
    run("convert", file, "-o", avro, "--force")
    piped = run("convert", file, "-o", "-")
    assert list(fastavro.reader(io.BytesIO(piped.stdout))) == list(fastavro.reader(io.BytesIO(before)))
    assert b"10 rows written to standard output" in piped.stderr
    run("convert", file, "-o", "-", "--json", code=2)
    same = tmp_path / "same.csv"
    same.hardlink_to(file)
    assert b"destroy" in run("convert", file, "-o", same, "--force", code=2).stderr
    assert same.read_bytes() == file.read_bytes()
    same.unlink()
    nowhere = tmp_path / "none" / "rounds.avro"
    assert b"Cannot create" in run("convert", file, "-o", nowhere, code=1).stderr
    for content in (rounds.to_csv([["yesterday", *rounds.make_rows(rng, 1)[0][1:]]] * 3), "a,b\n1,2\n"):
        file.write_text(content)
        run("convert", file, "-o", tmp_path / "none.avro", code=1)
        assert run("convert", file, "-o", "-", code=1).stdout == b""
    file.write_text("")
    assert (
        b"rounds.csv: The file has no bytes" in run("convert", file, "-o", tmp_path / "none.avro", code=1).stderr
    )
    assert sorted(path.name for path in tmp_path.iterdir()) == ["rounds.avro", "rounds.csv"]


# -- Ctrl-C


def heed_signals() -> None:
    """In the child, as a terminal starts it: a job in the background inherits that Ctrl-C is ignored."""
    for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(each, signal.SIG_DFL)


def ends_by(signal_number: int, process: subprocess.Popen, *left: pathlib.Path) -> None:
    process.send_signal(signal_number)
    assert process.wait(60) == -signal_number, process.stderr.read()
    for directory in left:
        assert list(directory.iterdir()) == []


def wait_for(pattern: str, directory: pathlib.Path, process: subprocess.Popen) -> None:
    deadline = time.monotonic() + 60
    while not list(directory.glob(pattern)):
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.01)


@pytest.mark.parametrize("signal_number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP], ids=lambda s: s.name)
@pytest.mark.parametrize("command", [["check"], ["convert", "-o", "OUT"]], ids=lambda c: c[0])
def test_a_signal_leaves_no_scratch_files(tmp_path, command, signal_number):
    scratch, out = tmp_path / "scratch", tmp_path / "out"
    scratch.mkdir(), out.mkdir()
    words = [str(out / "x.avro") if word == "OUT" else word for word in command]
    process = subprocess.Popen(
        [BINARY, *words, "-"],
        env={**os.environ, "TMPDIR": str(scratch)},
        stdin=subprocess.PIPE,  # held open, so the file is being received
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        preexec_fn=heed_signals,
    )
    with process.stdin, process.stderr:
        wait_for("roundhouse.*/original.zst", scratch, process)
        ends_by(signal_number, process, scratch, out)


@pytest.mark.parametrize("command", ["convert", "generate"])
def test_a_signal_leaves_no_half_of_what_is_written(tmp_path, rng, command):
    scratch, out = tmp_path / "scratch", tmp_path / "out"
    scratch.mkdir(), out.mkdir()
    file = tmp_path / "rounds.csv"
    file.write_text(rounds.to_csv(rounds.make_rows(rng, 5000)))
    words = {
        "convert": ["convert", file, "-o", out / "x"],
        "generate": ["generate", "--rows", "100000", "-o", out / "x"],
    }
    pipe = out / "x.part"
    os.mkfifo(pipe)  # takes a little of it, and then the program waits
    process = subprocess.Popen(
        [BINARY, *map(str, words[command])],
        env={**os.environ, "TMPDIR": str(scratch)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        preexec_fn=heed_signals,
    )
    with process.stderr, open(os.open(pipe, os.O_RDONLY | os.O_NONBLOCK), "rb", buffering=0) as reader:
        assert select.select([reader], [], [], 60)[0]
        ends_by(signal.SIGINT, process, scratch, out)


def test_an_ignored_signal_stays_ignored(tmp_path):
    process = subprocess.Popen(
        [BINARY, "check", "--json", "-"],
        env={**os.environ, "TMPDIR": str(tmp_path)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN),  # as nohup does
    )
    wait_for("roundhouse.*/original.zst", tmp_path, process)
    process.send_signal(signal.SIGHUP)
    out, _ = process.communicate(rounds.to_csv([["yesterday"] * 10]).encode(), timeout=60)
    assert process.returncode == 1 and json.loads(out)["rows"]["read"] == 1
    assert list(tmp_path.iterdir()) == []


# -- keys


def test_keys_are_shown_once_and_kept_as_hashes(tmp_path):
    data = tmp_path / "data"
    made = json.loads(
        run("keys", "create", "--data", data, "--name", "loader", "--scope", "upload,read", "--json").stdout
    )
    assert made["key"].startswith("rh_") and made["scopes"] == ["upload", "read"]
    kept = b"".join(path.read_bytes() for path in data.rglob("*") if path.is_file())
    assert made["key"].encode() not in kept
    listed = json.loads(run("keys", "list", "--data", data, "--json").stdout)["data"]
    assert [key["name"] for key in listed] == ["loader"] and "key" not in listed[0]
    run("keys", "revoke", "--data", data, "loader")
    assert json.loads(run("keys", "list", "--data", data, "--json").stdout)["data"][0]["revoked_at"]
    run("keys", "create", "--data", data, "--scope", "everything", code=2)
    run("keys", "revoke", "--data", data, "nobody", code=1)


def test_keys_are_made_and_looked_for_where_a_server_is(tmp_path):
    for words in (["list"], ["revoke", "x"]):
        assert b"no data directory" in run("keys", *words, "--data", tmp_path, code=1).stderr
    done = subprocess.run(
        [BINARY, "keys", "create", "--scope", "read"], capture_output=True, cwd=tmp_path, check=False
    )
    assert done.returncode == 1 and b"--data DIR" in done.stderr and list(tmp_path.iterdir()) == []
    done = run("keys", "create", "--scope", "read", "--data", tmp_path / "new")
    assert str(tmp_path / "new" / "keys.json").encode() in done.stderr
