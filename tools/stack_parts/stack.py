"""One stack in one folder: starts it, stops it, and says how it is.

The folder has stack.json (ports and passwords), `lock`, and a folder for each part with its data, logs and `pid`.
Commands that change something hold the lock, so two at once wait for each other.
"""

import contextlib
import dataclasses
import fcntl
import json
import os
import pathlib
import random
import secrets
import shutil
import signal
import socket
import sys
import time

from . import artifacts, processes
from .parts import CLUSTER, Part, Setup, part_names, parts_of, port_names

STOP_PATIENCE_S = 30
KILL_PATIENCE_S = 30
PORT_LOWEST = 10_000


class StackError(Exception):
    """Says in one sentence what went wrong."""


class UsageError(StackError):
    """What was asked for does not exist."""


def load(folder: pathlib.Path) -> Setup | None:
    try:
        kept = json.loads((folder / "stack.json").read_text())
    except FileNotFoundError:
        return None
    except NotADirectoryError:
        raise UsageError(f"{folder} is no folder; name another one with --dir.") from None
    return Setup(folder=folder, **kept)


def refuse_others_folder(folder: pathlib.Path) -> None:
    if folder.exists() and set(os.listdir(folder)) - {"lock"}:
        raise UsageError(f"{folder} holds something that is no stack; name another folder with --dir.")


def create(folder: pathlib.Path, brokers: int) -> Setup:
    refuse_others_folder(folder)
    folder.chmod(0o700)  # stack.json has passwords
    ports = dict(zip(port_names(brokers), free_ports(len(port_names(brokers))), strict=True))
    passwords = [secrets.token_hex(16) for _ in range(3)]
    setup = Setup(folder, brokers, ports, *passwords)
    kept = dataclasses.asdict(setup)
    del kept["folder"]
    (folder / "stack.json.new").write_text(json.dumps(kept, indent=2) + "\n")
    os.rename(folder / "stack.json.new", folder / "stack.json")
    return setup


def free_ports(count: int) -> list[int]:
    """Ports that no outgoing connection can take while their part is down."""
    limits = pathlib.Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()
    ephemeral = range(int(limits[0]), int(limits[1]) + 1)
    candidates = [port for port in range(PORT_LOWEST, 65_536) if port not in ephemeral]
    random.SystemRandom().shuffle(candidates)
    found = []
    for port in candidates:
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            found.append(port)
        if len(found) == count:
            return found
    raise StackError("No free ports on 127.0.0.1.")


@contextlib.contextmanager
def locked(folder: pathlib.Path):
    """Holds the folder. `down` removes the lock with it, so whoever waited looks whether it is still there."""
    while True:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        with contextlib.suppress(FileNotFoundError), open(folder / "lock", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if os.fstat(lock.fileno()).st_ino == os.stat(folder / "lock").st_ino:
                yield
                return


def start(parts: list[Part], patience_s: float) -> None:
    """Starts those that do not run and waits until each answers. On a failure, ends those it started."""
    started: dict[str, int] = {}
    try:
        deadline = time.monotonic() + patience_s
        while waiting := [part for part in parts if not advance(part, parts, started)]:
            if time.monotonic() > deadline:
                names = ", ".join(part.name for part in waiting)
                raise StackError(f"Within {patience_s:.0f} s no answer from {names}.\n{tail(waiting[0], 30)}")
            time.sleep(0.2)
    except BaseException:
        for part in parts:
            if part.name in started:
                processes.end(part.folder, signal.SIGKILL, KILL_PATIENCE_S)
        raise


def advance(part: Part, parts: list[Part], started: dict[str, int]) -> bool:
    """One step on the way to an answer; True when it answers."""
    if part.runs():
        return part.answers()
    if any(other.name in part.needs and not other.answers() for other in parts):
        return False
    if started.get(part.name, 0) >= part.starts_max:
        raise StackError(f"{part.name} ended while it started.\n{tail(part, 30)}")
    if part.name in started:
        time.sleep(1)
    started[part.name] = started.get(part.name, 0) + 1
    part.folder.mkdir(exist_ok=True)
    part.prepare()
    # A Java option or a setting of the caller's environment is not for these.
    kept = {
        name: os.environ[name] for name in ("PATH", "HOME", "LANG", "ROUNDHOUSE_LIBCHDB") if name in os.environ
    }
    processes.start(part.command(), kept | part.environment(), part.folder, part.logs()[0])
    return False


def up(folder: pathlib.Path, brokers: int | None, names: list[str], patience_s: float) -> Setup:
    """Without `names` all of it; else those parts and what they need."""
    there = load(folder)
    if there is None:
        refuse_others_folder(folder)  # before the lock is put into it
    insist_on_known(names, part_names(there.brokers if there else brokers or 1))
    if not names or any(not name.startswith("clickhouse") for name in names):
        artifacts.fetched()  # before anything is there that would have to be removed
    with locked(folder):
        setup = load(folder) or create(folder, brokers or 1)
        if brokers not in (None, setup.brokers):
            raise UsageError(f"The stack in {folder} has --brokers {setup.brokers}; `down` it first.")
        complain(f"Starting the stack in {folder}")
        start(with_needed(setup, names), patience_s)
        return setup


def with_needed(setup: Setup, names: list[str]) -> list[Part]:
    parts = some(setup, names)
    while missing := {name for part in parts for name in part.needs} - {part.name for part in parts}:
        parts += some(setup, sorted(missing))
    return parts


def stop(setup: Setup) -> None:
    """Ends every part cleanly, those that need another one before it."""
    remaining = list(parts_of(setup).values())
    while remaining:
        needed = {name for part in remaining for name in part.needs}
        for part in [part for part in remaining if part.name not in needed]:
            processes.end(part.folder, signal.SIGTERM, STOP_PATIENCE_S)
            remaining.remove(part)


def down(folder: pathlib.Path, keep: bool) -> bool:
    """Ends every process; without `keep` removes the folder too. False if there was no stack."""
    if not (folder / "stack.json").exists():
        return False
    with locked(folder):
        setup = load(folder)
        if setup is None:
            return False
        if keep:
            stop(setup)
            return True
        for part in parts_of(setup).values():  # their data goes, so nothing is worth a clean end
            processes.end(part.folder, signal.SIGKILL, KILL_PATIENCE_S)
        # stack.json goes when all it speaks of is gone, so `down` can be repeated; the lock goes last.
        for name in sorted(os.listdir(folder), key=lambda name: (name == "lock", name == "stack.json")):
            path = folder / name
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        with contextlib.suppress(OSError):  # someone may have come for the lock just now
            folder.rmdir()
        return True


def insist_on_known(names: list[str], known: list[str]) -> None:
    for name in names:
        if name not in known:
            raise UsageError(f"There is no part {name!r}. The parts are {', '.join(known)}.")


def some(setup: Setup, names: list[str]) -> list[Part]:
    parts = parts_of(setup)
    insist_on_known(names, list(parts))
    return [parts[name] for name in names] if names else list(parts.values())


def kill(setup: Setup, name: str) -> bool:
    """At once, whoever holds the folder. False if it did not run."""
    (part,) = some(setup, [name])
    return processes.end(part.folder, signal.SIGKILL, KILL_PATIENCE_S)


def start_one(setup: Setup, name: str, patience_s: float) -> None:
    (part,) = some(setup, [name])
    for needed in some(setup, sorted(part.needs)) if part.needs else []:
        if not needed.runs():
            complain(f"{name} waits for {needed.name}, which is stopped: tools/stack start {needed.name}")
    with locked(setup.folder):
        start([part], patience_s)


def state(part: Part) -> str:
    if not part.runs():
        return "stopped"
    return "answers" if part.answers() else "silent"


def tail(part: Part, lines: int) -> str:
    """The last lines of each of its logs."""
    texts = []
    for path in part.logs():
        if path.exists():
            last = path.read_text(errors="replace").splitlines()[-lines:] if lines else []
            texts.append("\n".join([f"==> {path} <==", *last]))
    return "\n".join(texts)


def environment(setup: Setup) -> dict[str, str]:
    """What people and tests need to reach the stack, and what makes `roundhouse serve` use it."""
    brokers = ",".join(setup.address(name) for name in setup.ports if name.startswith("broker"))
    shards = [setup.clickhouse_url(1), setup.clickhouse_url(2)]
    registry = parts_of(setup)["registry"]
    # `up clickhouse-1 clickhouse-2` starts the cluster alone.
    log = "kafka" if registry.folder.exists() else "embedded"
    return {
        "STACK_KAFKA": brokers,
        "STACK_REGISTRY": setup.registry_url(),
        "STACK_CLICKHOUSE_1": shards[0],
        "STACK_CLICKHOUSE_2": shards[1],
        "ROUNDHOUSE_LOG": log,
        "ROUNDHOUSE_KAFKA_BROKERS": brokers,
        "ROUNDHOUSE_REGISTRY_URL": setup.registry_url(),
        "ROUNDHOUSE_STORE": ",".join(shards),
        "ROUNDHOUSE_CLICKHOUSE_CLUSTER": CLUSTER,
    }


def complain(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
