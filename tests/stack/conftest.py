"""Stacks of the tests' own; whatever happens, nothing of them is left."""

import os
import random

import pytest
from kafka_site import TOPIC, high, running_site
from native_stack import Stack, clear


@pytest.fixture(scope="module")
def rng(request) -> random.Random:
    """RH_TEST_SEED replays a run; it is printed with every failure."""
    seed = int(os.environ.get("RH_TEST_SEED", random.SystemRandom().randrange(2**32)))
    print(f"RH_TEST_SEED={seed}")
    return random.Random(f"{seed}:{request.node.nodeid}")


@pytest.fixture
def new_stack(tmp_path):
    """A stack that is not up yet."""
    stack = Stack(tmp_path / "stack")
    yield stack
    clear(stack)


@pytest.fixture(scope="module")
def stack(tmp_path_factory):
    """A stack of one broker that the tests of a module share; each leaves it up."""
    stack = Stack(tmp_path_factory.mktemp("shared") / "stack")
    try:
        yield stack.up()
    finally:
        clear(stack)


@pytest.fixture(scope="module")
def three_brokers(tmp_path_factory):
    stack = Stack(tmp_path_factory.mktemp("three") / "stack")
    try:
        yield stack.up("--brokers", "3")
    finally:
        clear(stack)


@pytest.fixture(scope="module")
def the_site(tmp_path_factory):
    with running_site(tmp_path_factory.mktemp("kafka")) as site:
        yield site


@pytest.fixture
def site(the_site):
    """Every part answers, and no process of another test runs."""
    the_site.end_servers()
    the_site.stack.run("up")
    if TOPIC in the_site.admin().list_topics(timeout=30).topics:
        the_site.begin = {partition: high(the_site, partition) for partition in range(12)}
    yield the_site
    the_site.end_servers()
