"""The log's Avro files, read by public readers to the exact rows.

The rows follow a rule that is written down twice: here, and in src/log/avro_sample.cc, which writes
them with the program's own log. The readers are fastavro and Apache's own Python implementation.
"""

import datetime
import decimal
import json
import os
import pathlib
import re
import subprocess
import uuid

import avro.datafile
import avro.io
import fastavro
import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
SAMPLE = pathlib.Path(os.environ.get("RH_BUILD", ROOT / "build" / "release")) / "tests" / "avro_sample"
UPLOAD_ID = "01234567-89ab-8def-8123-456789abcdef"
AMOUNTS = [
    "0",
    "0.000001",
    "-0.000001",
    "0.000127",
    "-0.000128",
    "0.05",
    "999999999999.999999",
    "-999999999999.999999",
]
AMOUNT_NAMES = ["real_amount_bet", "bonus_amount_bet", "real_amount_win", "bonus_amount_win"]


def expected_row(n):
    created_ms = 1571732441007 + n * 61001
    row = {
        "created_timestamp": datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
        + datetime.timedelta(milliseconds=created_ms),
        "game_instance_id": 2**63 - 1 if n % 5 == 0 else 20000 + n,
        "user_id": f"player-{n % 1000}",
        "game_id": n * n,
        "game_name": 'Gonzo\'s "Quest", Märchen 🎰' if n % 2 == 0 else "",
        "provider": "p" * (n % 257),
        "upload_id": uuid.UUID(UPLOAD_ID),
        "row_number": n,
    }
    for a, name in enumerate(AMOUNT_NAMES):
        row[name] = decimal.Decimal(AMOUNTS[(n + a) % 8])
    return row


def accepted_numbers(rows):
    numbers = (n for n in range(1, 2 * rows + 2) if n % 3 != 0)
    return [n for n, _ in zip(numbers, range(rows), strict=False)]


def write_sample(directory, rows, codec):
    subprocess.run([SAMPLE, directory, str(rows), codec], check=True)
    return sorted(directory.glob("**/*.avro"))


@pytest.mark.parametrize("codec", ["null", "deflate"])
@pytest.mark.parametrize("rows", [0, 1, 100_000])  # the last: more than one cell
def test_fastavro_reads_the_exact_rows(tmp_path, codec, rows):
    files = write_sample(tmp_path / "log", rows, codec)
    assert [file.relative_to(tmp_path / "log").as_posix() for file in files] == [f"{UPLOAD_ID}/rows-000000.avro"]
    with files[0].open("rb") as file:
        reader = fastavro.reader(file)
        assert reader.codec == codec
        read = list(reader)
    assert read == [expected_row(n) for n in accepted_numbers(rows)]


@pytest.mark.parametrize("codec", ["null", "deflate"])
def test_apache_avro_reads_the_exact_rows(tmp_path, codec):
    (path,) = write_sample(tmp_path / "log", 5000, codec)
    with path.open("rb") as file, avro.datafile.DataFileReader(file, avro.io.DatumReader()) as reader:
        read = list(reader)
    expected = [expected_row(n) for n in accepted_numbers(5000)]
    assert [{**row, "upload_id": uuid.UUID(str(row["upload_id"]))} for row in read] == expected


def test_blocks_are_small_enough_for_any_reader(tmp_path):
    (path,) = write_sample(tmp_path / "log", 100_000, "null")
    with path.open("rb") as file:
        blocks = list(fastavro.block_reader(file))
    assert sum(block.num_records for block in blocks) == 100_000
    assert max(len(block.bytes_.getvalue()) for block in blocks) <= 1_048_576


def test_the_manifest_states_rows_and_sums(tmp_path):
    (path,) = write_sample(tmp_path / "log", 70_000, "null")
    manifest, own_hash = (json.loads(line) for line in (path.parent / "manifest.jsonl").read_text().splitlines())
    rows = [expected_row(n) for n in accepted_numbers(70_000)]
    assert manifest["upload_id"] == UPLOAD_ID
    assert manifest["totals"]["rows"] == len(rows)
    for name in AMOUNT_NAMES:
        assert decimal.Decimal(manifest["totals"][name]) == sum(row[name] for row in rows)
    assert manifest["partitions"][0]["last_offset"] == len(rows) - 1
    (file,) = manifest["files"]
    assert file["bytes"] == path.stat().st_size
    content = path.read_bytes()
    end = 0
    for first_row, block_rows, offset, size, _ in [file["header"], *file["blocks"]]:
        assert offset == end and (block_rows == 0) == (first_row == 0)
        end += size
    assert end == len(content)
    assert re.fullmatch("[0-9a-f]{32}", own_hash["xxh3_128"])


def test_the_schema_is_documented_and_its_layout_is_what_files_name(tmp_path):
    schema = json.loads((ROOT / "schemas" / "game_round.avsc").read_text())
    fastavro.parse_schema(json.loads(json.dumps(schema)))
    assert all(len(field["doc"]) > 20 for field in [schema, *schema["fields"]])
    amount = {"type": "bytes", "logicalType": "decimal", "precision": 18, "scale": 6}
    # Whoever changes this list changes what old files mean: kLayout (src/avro/container_format.h) must change too.
    assert [(field["name"], field["type"]) for field in schema["fields"]] == [
        ("created_timestamp", {"type": "long", "logicalType": "timestamp-millis"}),
        ("game_instance_id", "long"),
        ("user_id", "string"),
        ("game_id", "long"),
        *((name, amount) for name in AMOUNT_NAMES),
        ("game_name", "string"),
        ("provider", "string"),
        ("upload_id", {"type": "string", "logicalType": "uuid"}),
        ("row_number", "long"),
    ]
    (path,) = write_sample(tmp_path / "log", 1, "null")
    with path.open("rb") as file:
        metadata = fastavro.reader(file).metadata
    assert metadata["roundhouse.layout"] == "game_round/1"
    assert json.loads(metadata["avro.schema"]) == schema
