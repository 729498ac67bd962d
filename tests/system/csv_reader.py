"""The program's CSV reader by itself (src/csv/read_many.cc), with each target that the CPU has."""

import functools
import os
import pathlib
import struct
import subprocess
import typing

import pytest
from roundhouse import ROOT

READ_MANY = pathlib.Path(os.environ.get("RH_READ_MANY", ROOT / "build" / "release" / "tests" / "read_many"))
REQUEST = struct.Struct("<4IHhcBxx")
SIZE = struct.Struct("<I")
HEAD = struct.Struct("<8I")
ROW = struct.Struct("<Q7q3I")
REJECT = struct.Struct("<QQQI")


class Way(typing.NamedTuple):
    """How a file is read; the result must be the same."""

    pieces: tuple[int, int]  # sizes of what it is fed in, by turns
    chunk_bytes: int = 0  # 0: the reader's choice
    threads: int = 1


class Found(typing.NamedTuple):
    """What stands in a file, bit for bit."""

    error: str
    blank: int
    empty_amounts: tuple[int, ...]
    # Row number, milliseconds since 1970, instance, user, game, four amounts in micros, game's name, provider.
    rows: list[tuple]
    rejects: list[tuple]  # row number, first line, last line, [(code, column or -1)]


@functools.cache
def names() -> tuple[list[str], list[str]]:
    """(targets, codes of faults)."""
    targets, codes = subprocess.run([READ_MANY], capture_output=True, check=True, text=True).stdout.splitlines()
    return targets.split(), codes.split()


def read(files: list, target: str, ways: list[Way]) -> list[bytes]:
    """The answer for each file."""
    stream = bytearray()
    for file, way in zip(files, ways, strict=True):
        rules = file.rules
        flags = rules.empty_amount_is_reject | rules.allow_negative << 1
        stream += REQUEST.pack(
            len(file.content),
            *way.pieces,
            way.chunk_bytes,
            way.threads,
            rules.timezone_minutes,
            file.delimiter.encode(),
            flags,
        )
        stream += file.content
    done = subprocess.run([READ_MANY, target], input=stream, capture_output=True)
    answers = []
    at = 0
    while at < len(done.stdout):
        size = SIZE.unpack_from(done.stdout, at)[0]
        answers.append(done.stdout[at + SIZE.size : at + SIZE.size + size])
        at += SIZE.size + size
    if done.returncode != 0:
        n = len(answers)
        pytest.fail(
            f"{target}, {ways[n]}: {done.returncode} {done.stderr.decode()}\n{files[n].content}\n{files[n]}"
        )
    assert len(answers) == len(files)
    return answers


def parse(answer: bytes) -> Found:
    codes = names()[1]
    error_size, row_count, reject_count, blank, *empty_amounts = HEAD.unpack_from(answer)
    at = HEAD.size + error_size
    found = Found(answer[HEAD.size : at].decode(), blank, tuple(empty_amounts), [], [])
    for _ in range(row_count):
        number, ms, instance, game, *amounts, user_size, game_size, provider_size = ROW.unpack_from(answer, at)
        user_at = at + ROW.size
        game_at = user_at + user_size
        provider_at = game_at + game_size
        at = provider_at + provider_size
        user = answer[user_at:game_at].decode()
        texts = (answer[game_at:provider_at].decode(), answer[provider_at:at].decode())
        found.rows.append((number, ms, instance, user, game, *amounts, *texts))
    for _ in range(reject_count):
        *where, fault_count = REJECT.unpack_from(answer, at)
        at += REJECT.size
        faults = [
            (codes[code], column) for code, column in struct.iter_unpack("<Bb", answer[at : at + 2 * fault_count])
        ]
        at += 2 * fault_count
        found.rejects.append((*where, faults))
    assert at == len(answer)
    return found
