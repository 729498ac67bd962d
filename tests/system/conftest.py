"""Servers for the system tests; whatever happens, nothing of them is left."""

import contextlib
import os
import random
import subprocess

import pytest
from roundhouse import BINARY, FINAL_STATES, ROOT, Server, free_port

__all__ = ["BINARY", "FINAL_STATES", "ROOT", "Server", "free_port"]


@pytest.fixture(scope="session")
def seed() -> int:
    """RH_TEST_SEED replays a run; it is printed with every failure."""
    value = int(os.environ.get("RH_TEST_SEED", random.SystemRandom().randrange(2**32)))
    print(f"RH_TEST_SEED={value}")
    return value


@pytest.fixture
def rng(seed, request) -> random.Random:
    """Random numbers of one test: the same seed gives the same numbers whichever tests run."""
    print(f"RH_TEST_SEED={seed}")
    return random.Random(f"{seed}:{request.node.nodeid}")


@pytest.fixture
def start_server(tmp_path):
    """Starts servers of this test's own; all of them are ended with it."""
    servers = []

    def start(name: str = "data", *arguments: str, environment=None, **options) -> Server:
        server = Server(tmp_path / name, *arguments, environment=environment)
        servers.append(server)
        return server.start(**options)

    yield start
    for server in servers:
        if server.is_running():
            with contextlib.suppress(subprocess.TimeoutExpired):
                server.stop()
            if server.is_running():
                server.kill()
    for server in servers:
        server.check_no_sanitizer_report()


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """One server for all tests of a module; tests tell their uploads apart by player or game."""
    instance = Server(tmp_path_factory.mktemp("server") / "data").start()
    yield instance
    code = instance.stop()
    instance.check_no_sanitizer_report()
    assert code == 0, instance.log_tail()
