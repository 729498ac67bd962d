"""Servers for the system tests; whatever happens, nothing of them is left."""

import contextlib
import os
import random
import subprocess

import pytest
from roundhouse import Server
from topologies import ALONE, Brokers, Servers


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


def pytest_generate_tests(metafunc):
    """A test that is marked with `topologies` runs on each of them."""
    if "servers" in metafunc.fixturenames:
        marker = metafunc.definition.get_closest_marker("topologies")
        names = marker.args if marker else (ALONE,)
        metafunc.parametrize("servers", names, indirect=True, scope="module", ids=list(names))


@pytest.fixture(scope="session")
def brokers(tmp_path_factory):
    brokers = Brokers(tmp_path_factory.mktemp("brokers") / "stack")
    yield brokers
    brokers.down()


@pytest.fixture(scope="module")
def servers(request, brokers):
    """Where this module's servers keep their rows."""
    servers = Servers(request.param, brokers)
    yield servers
    servers.down()


@pytest.fixture
def start_server(tmp_path, servers):
    """Starts servers of this test's own; all of them are ended with it."""
    started = []

    def start(name: str = "data", *arguments: str, environment=None, **options) -> Server:
        server = servers.make(tmp_path / name, *arguments, environment=environment)
        started.append(server)
        return server.start(**options)

    yield start
    for server in started:
        if server.is_running():
            with contextlib.suppress(subprocess.TimeoutExpired):
                server.stop()
            if server.is_running():
                server.kill()
    for server in started:
        server.check_no_sanitizer_report()


@pytest.fixture(scope="module")
def server(tmp_path_factory, servers):
    """One server for all tests of a module; tests tell their uploads apart by player or game."""
    instance = servers.make(tmp_path_factory.mktemp("server") / "data").start()
    yield instance
    code = instance.stop()
    instance.check_no_sanitizer_report()
    assert code == 0, instance.log_tail()
