"""A process that outlives the command that started it, known by a file.

The file holds pid, start time and boot: a number that another process has got since is never taken for ours.
Signals go through a pidfd that was compared with the file first, so there is no moment in between.
"""

import contextlib
import json
import os
import pathlib
import select
import signal
import subprocess
import time


def start(
    command: list[str], environment: dict[str, str], folder: pathlib.Path, log: pathlib.Path
) -> subprocess.Popen:
    """Starts it in a session of its own, in `folder`, all it says appended to `log`."""
    pid_file = folder / "pid"

    def leave_word() -> None:  # in the child, so that no kill of this command can leave an unknown process
        with open(pid_file, "w") as file:
            json.dump({"pid": os.getpid(), "started": start_time(os.getpid()), "boot": boot()}, file)

    with open(log, "ab") as said:
        return subprocess.Popen(
            command,
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=said,
            start_new_session=True,
            preexec_fn=leave_word,
        )


def pid_of(folder: pathlib.Path) -> int | None:
    """The process that was started in `folder`, if it still runs."""
    with opened(folder) as process:
        return process[0] if process else None


def end(folder: pathlib.Path, number: signal.Signals, patience_s: float) -> bool:
    """Sends the signal and waits; SIGKILL when patience is over. False if nothing ran."""
    with opened(folder) as process:
        if process is None:
            return False
        _, handle = process
        for signum in (number, signal.SIGKILL):
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(handle, signum)
            if gone(handle, patience_s):
                return True
        raise TimeoutError(f"the process of {folder} does not end, not even by SIGKILL")


def gone(handle: int, patience_s: float) -> bool:
    poll = select.poll()
    poll.register(handle, select.POLLIN)
    return bool(poll.poll(patience_s * 1000))


@contextlib.contextmanager
def opened(folder: pathlib.Path):
    """(pid, pidfd) of the process, or None."""
    try:
        noted = json.loads((folder / "pid").read_text())
        handle = os.pidfd_open(noted["pid"])
    except (FileNotFoundError, ProcessLookupError, ValueError):  # a half-written file: it never ran
        yield None
        return
    try:
        same = noted["boot"] == boot() and noted["started"] == start_time(noted["pid"])
        yield (noted["pid"], handle) if same and not gone(handle, 0) else None
    finally:
        os.close(handle)


def start_time(pid: int) -> int | None:
    """In clock ticks since boot; the 22nd field, counted after the name, which may hold anything."""
    with contextlib.suppress(OSError):
        return int(pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19])
    return None


def boot() -> str:
    return pathlib.Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def wait_until(condition, patience_s: float, pause_s: float = 0.1) -> bool:
    deadline = time.monotonic() + patience_s
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(pause_s)
    return True
