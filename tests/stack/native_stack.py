"""A stack of the test's own, driven only through tools/stack and the public interfaces of its parts."""

import contextlib
import ipaddress
import json
import os
import pathlib
import signal
import subprocess
import time

from confluent_kafka.admin import AdminClient

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
TOOL = ROOT / "tools" / "stack"
PATIENCE_S = 400  # Java starts slowly on a busy machine
LISTENING = "0A"  # in /proc/net/tcp


class Stack:
    """One folder with a stack in it. Nothing is started until `up`."""

    def __init__(self, folder: pathlib.Path):
        self.folder = folder

    def run(self, *arguments: str, code: int = 0) -> subprocess.CompletedProcess:
        """tools/stack with the arguments; insists on its exit code."""
        done = subprocess.run(
            [TOOL, "--dir", self.folder, *arguments],
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            check=False,
        )
        said = f"tools/stack {' '.join(arguments)}: exit code {done.returncode}\n{done.stdout}{done.stderr}"
        assert done.returncode == code, said
        return done

    def up(self, *arguments: str) -> "Stack":
        self.run("up", *arguments)
        return self

    def kill(self, part: str) -> None:
        self.run("kill", part)

    def start(self, part: str) -> None:
        self.run("start", part)

    def parts(self) -> dict[str, dict]:
        """What `status` says of each part."""
        done = subprocess.run(
            [TOOL, "--dir", self.folder, "status", "--json"], capture_output=True, text=True, check=False
        )
        return {row["part"]: row for row in json.loads(done.stdout)["parts"]}

    def pids(self) -> dict[str, int | None]:
        return {name: row["pid"] for name, row in self.parts().items()}

    def env(self) -> dict[str, str]:
        """The variables that a shell has after `eval "$(tools/stack env)"`."""
        script = 'eval "$("$0" --dir "$1" env)" && env -0'
        done = subprocess.run(
            ["bash", "-c", script, TOOL, self.folder], capture_output=True, text=True, check=True
        )
        return dict(line.partition("=")[::2] for line in done.stdout.split("\0") if line)

    def kafka(self) -> AdminClient:
        return AdminClient({"bootstrap.servers": self.env()["STACK_KAFKA"]})

    def processes(self) -> list[int]:
        """Every process of the machine that was started for this folder, whatever the pid files say."""
        found = []
        for entry in pathlib.Path("/proc").iterdir():
            if entry.name.isdigit() and int(entry.name) != os.getpid():
                with contextlib.suppress(OSError):
                    of_folder = os.readlink(entry / "cwd").startswith(f"{self.folder}/")
                    if of_folder and state_of(int(entry.name)) != "Z":
                        found.append(int(entry.name))
        return found


def clear(stack: Stack) -> None:
    """Says what its parts logged last, ends them, and insists on nothing being left."""
    if stack.folder.exists():
        print(stack.run("logs", "--lines", "20", code=0).stdout if (stack.folder / "stack.json").exists() else "")
        stack.run("down")
    assert stack.processes() == []


def state_of(pid: int) -> str:
    return pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


def listening_addresses(pid: int) -> list[tuple[str, int]]:
    """(address, port) of each TCP socket that the process listens on."""
    inodes = set()
    for handle in pathlib.Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(OSError):
            target = os.readlink(handle)
            if target.startswith("socket:["):
                inodes.add(target[len("socket:[") : -1])
    found = []
    for table in ("tcp", "tcp6"):
        for line in pathlib.Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == LISTENING and fields[9] in inodes:
                address, _, port = fields[1].partition(":")
                found.append((readable(address), int(port, 16)))
    return found


def readable(hexadecimal: str) -> str:
    """The kernel writes addresses as words of four bytes, each in the machine's order."""
    raw = b"".join(bytes.fromhex(hexadecimal[at : at + 8])[::-1] for at in range(0, len(hexadecimal), 8))
    address = ipaddress.ip_address(raw)
    mapped = getattr(address, "ipv4_mapped", None)
    return str(mapped or address)


def wait_for(condition, what: str, patience_s: float = 60) -> None:
    deadline = time.monotonic() + patience_s
    while not condition():
        assert time.monotonic() < deadline, f"never: {what}"
        time.sleep(0.1)


def end(process: subprocess.Popen) -> None:
    with contextlib.suppress(ProcessLookupError):
        process.send_signal(signal.SIGKILL)
    process.wait()
