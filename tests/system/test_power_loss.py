"""Power loss: the data directory on an ext4 image that is shut down as if the plug were pulled.

After the next mount everything that was acknowledged is there, once. The image is mounted in a mount
namespace of the test's own, so nothing of it is left behind.
"""

import os
import pathlib
import re
import signal
import subprocess
import time

import pytest
from roundhouse import Server
from rounds import expected_hourly, make_rows, served_hourly, to_csv


class MachineWithADisk:
    """A shell in its own mount namespace; its disk can lose power."""

    def __init__(self, folder: pathlib.Path):
        self.image = folder / "disk.img"
        self.mount_point = folder / "disk"
        self.mount_point.mkdir()
        self.servers: list[Server] = []
        with open(self.image, "wb") as image:
            image.truncate(3 << 30)
        subprocess.run(["mkfs.ext4", "-q", "-F", self.image], check=True)
        self.shell = subprocess.Popen(
            ["unshare", "--mount", "--propagation", "private", "sleep", "infinity"],
        )
        ours = os.readlink("/proc/self/ns/mnt")
        while os.readlink(f"/proc/{self.shell.pid}/ns/mnt") == ours:  # it is still on its way there
            assert self.shell.poll() is None, "a mount namespace needs root"
            time.sleep(0.02)

    def run(self, *command) -> None:
        subprocess.run(self.inside(*command), check=True)

    def inside(self, *command) -> list[str]:
        return ["nsenter", f"--mount=/proc/{self.shell.pid}/ns/mnt", *map(str, command)]

    def plug_in(self) -> None:
        self.run("mount", "-o", "loop", self.image, self.mount_point)

    def pull_the_plug(self) -> None:
        """Nothing that is not on the disk now will ever be."""
        self.run("xfs_io", "-x", "-c", "shutdown", self.mount_point)

    def unmount(self) -> None:
        """Waits for the engine, which ends a moment after the server that it belongs to."""
        deadline = time.monotonic() + 60
        while subprocess.run(self.inside("umount", self.mount_point), check=False).returncode != 0:
            assert time.monotonic() < deadline, "something still uses the disk"
            time.sleep(0.1)

    def scrap(self) -> None:
        for server in self.servers:  # of a test that failed
            if server.is_running():
                server.kill()
        subprocess.run(self.inside("umount", "-l", self.mount_point), check=False)
        self.shell.kill()
        self.shell.wait()


class ServerOnADisk(Server):
    """The server runs inside the machine's namespace; its process is found through nsenter's exec."""

    def __init__(self, machine: MachineWithADisk):
        super().__init__(machine.mount_point / "data")
        self.machine = machine
        machine.servers.append(self)
        self.log_path = machine.image.with_suffix(".log")

    def command(self, *arguments):
        return self.machine.inside(*super().command(*arguments))

    def start(self, environment=None, timeout=60):
        command = self.command("serve", "--data", str(self.data), "--listen", "127.0.0.1:0")
        with open(self.log_path, "ab") as log:
            env = {**os.environ, **(environment or {})}
            self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True, env=env)
        line = self._first_line(timeout)
        found = re.search(r"http://\S+", line)
        assert found, self.log_tail()
        self.url = found.group(0)
        self.wait_ready(timeout)
        return self


@pytest.fixture
def machine(tmp_path):
    machine = MachineWithADisk(tmp_path)
    yield machine
    machine.scrap()


@pytest.mark.timeout(900)
def test_everything_acknowledged_survives_power_loss(machine, rng):
    server = ServerOnADisk(machine)
    expected, acknowledged = [], {}
    for attempt in range(4):
        machine.plug_in()
        server.start()
        for upload_id in acknowledged:
            upload = server.wait_final(upload_id)
            assert upload["state"] == "stored", upload
        rows = make_rows(rng, 80_000, players=30, games=4)
        content = to_csv(rows).encode()
        if attempt % 2:  # the plug is pulled somewhere between receive and stored, or after it
            answer = server.upload(content, wait=None)
            time.sleep(rng.random() * 1.5)
        else:
            answer = server.upload(content)
        assert answer.status_code in (200, 202), answer.text
        acknowledged[answer.json()["id"]] = rows
        expected += expected_hourly(rows)
        machine.pull_the_plug()
        server.process.send_signal(signal.SIGKILL)
        server.process.wait()
        machine.unmount()
    machine.plug_in()
    server.start()
    for upload_id in acknowledged:
        assert server.wait_final(upload_id)["state"] == "stored"
    assert sorted(served_hourly(server.aggregates())) == sorted(expected)
    assert server.stop() == 0
    machine.unmount()


@pytest.mark.timeout(300)
def test_full_disk_refuses_with_507_and_recovers(machine, rng):
    machine.plug_in()
    server = ServerOnADisk(machine).start()
    rows = make_rows(rng, 30_000)
    content = to_csv(rows).encode()
    ballast = machine.mount_point / "ballast"
    machine.run("sh", "-c", f"dd if=/dev/zero of={ballast} bs=1M status=none; true")
    answer = server.upload(content)
    assert answer.status_code == 507, answer.text
    problem = answer.json()
    assert problem["code"] == "storage_full" and "space" in problem["detail"]
    assert server.get("/v1/uploads").json()["data"] == []
    machine.run("rm", ballast)
    server.stored(content)
    assert sorted(served_hourly(server.aggregates())) == sorted(expected_hourly(rows))
    assert server.stop() == 0
    machine.unmount()


@pytest.mark.timeout(300)
def test_a_disk_that_runs_full_while_reconciling_is_named_and_gives_no_verdict(machine, rng):
    """The engine says nothing when it cannot write the end of its answer."""
    machine.plug_in()
    server = ServerOnADisk(machine)
    kept = server.data / "reconciliations"
    machine.run("mkdir", "-p", kept)
    machine.run("mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", kept)
    server.start({"ROUNDHOUSE_UPLOAD_FREE_DISK_BYTES_MIN": "0"})
    rows = make_rows(rng, 60_000, players=3000)
    upload = server.stored(to_csv(rows).encode())
    server.clickhouse(  # or the digests would agree, which need no space
        "ALTER TABLE hourly UPDATE real_amount_bet = real_amount_bet + 1 WHERE player_id = {player:String} "
        "SETTINGS mutations_sync = 2",
        player=rows[0][2],
    )
    ask = {"json": {"upload_id": upload["id"]}, "headers": {"Prefer": "wait=60"}}
    answer = server.post("/v1/reconciliations", **ask).json()
    assert (answer["state"], answer["verdict"]) == ("failed", None), answer
    assert answer["error"]["code"] == "storage_full" and "Free some space" in answer["error"]["detail"]
    machine.run("mount", "-o", "remount,size=500m", kept)
    assert server.post("/v1/reconciliations", **ask).json()["verdict"] == "mismatched"
    listing = machine.inside("find", kept, "-type", "f", "-printf", "%f\\n")
    files = set(subprocess.run(listing, check=True, capture_output=True, text=True).stdout.split())
    assert files == {"record.json", "discrepancies.ndjson"}
    assert server.stop() == 0
    machine.run("umount", kept)
    machine.unmount()


def test_the_harness_loses_what_is_not_synced(machine):
    """A check of the check: without a sync a file does not survive the plug."""
    machine.plug_in()
    machine.run("sh", "-c", f"echo kept > {machine.mount_point}/kept; sync")
    machine.run("sh", "-c", f"echo lost > {machine.mount_point}/lost")
    machine.pull_the_plug()
    machine.unmount()
    machine.plug_in()
    listing = subprocess.run(
        machine.inside("ls", machine.mount_point), check=True, capture_output=True, text=True
    ).stdout.split()
    machine.unmount()
    assert "kept" in listing and "lost" not in listing
