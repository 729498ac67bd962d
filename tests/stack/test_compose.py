"""docker-compose.yaml is valid, closed to the outside, and the same stack that tools/stack starts and tests.

Valid by the Compose specification's published schema (as check-jsonschema carries it); the same by the files in
deploy/ that both load and the variables that both give.
"""

import json
import pathlib
import re
import subprocess
import sys
import xml.etree.ElementTree

import pytest
import yaml
from native_stack import ROOT
from roundhouse import BINARY

sys.path.insert(0, str(ROOT / "tools"))
from stack_parts import artifacts, parts, stack

COMPOSE = ROOT / "docker-compose.yaml"
DEPLOY = ROOT / "deploy"
SPECIFIED = {  # by the specification that the product answers
    "rivertech-clickhouse-01",
    "rivertech-clickhouse-02",
    "rivertech-clickhouse-keeper-01",
    "rivertech-kafka-zookeeper",
    "rivertech-kafka-broker",
    "rivertech-schema-registry",
    "rivertech-kafka-hq",
}
# What a service mounts and its native part does not load, and why.
NOT_NATIVE = {
    "clickhouse/config.d/keeper.xml": "libchdb knows no Keeper",
    "kafka/schema-registry.properties": "the native registry is Apicurio",
    "kafka/log4j.properties": "natively Kafka logs to standard error",
}
SETUP = parts.Setup(
    folder=pathlib.Path("/nowhere"),
    brokers=1,
    ports={name: 10_000 + number for number, name in enumerate(parts.port_names(1))},
    owner_password="o",
    reader_password="r",
    cluster_secret="s",
)
NATIVE = parts.parts_of(SETUP).values()


@pytest.fixture(scope="module")
def compose() -> dict:
    return yaml.safe_load(COMPOSE.read_text())


@pytest.fixture(scope="module")
def services(compose) -> dict[str, dict]:
    return compose["services"]


def mounted(service: dict) -> dict[str, str]:
    """File of deploy/ → where it is in the container."""
    found = {}
    for volume in service.get("volumes", []):
        source, target, *mode = volume.split(":")
        if source.startswith("."):
            assert mode == ["ro"], volume
            found[pathlib.PurePosixPath(source).relative_to("deploy").as_posix()] = target
    return found


def follows_schema(path: pathlib.Path) -> bool:
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", str(path)]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


# -- valid


def test_it_follows_the_published_schema(tmp_path):
    assert follows_schema(COMPOSE)
    wrong = tmp_path / "docker-compose.yaml"
    for right, mistake in (("mem_limit: 2g", "mem_limits: 2g"), ("pids_limit: 4096", "pids_limit: [1]")):
        text = COMPOSE.read_text()
        assert right in text
        wrong.write_text(text.replace(right, mistake))
        assert not follows_schema(wrong), mistake


def test_the_services_are_those_of_the_specification(services):
    assert set(services) == SPECIFIED | {"roundhouse"}
    for name, service in services.items():
        assert service["hostname"] == name
        for needed, how in service.get("depends_on", {}).items():
            assert needed in services
            assert how == {"condition": "service_healthy"}


def test_every_service_is_pinned_watched_and_limited(services):
    for name, service in services.items():
        assert re.fullmatch(r"[a-z0-9./-]+:\d+\.\d+\.\d+(\.\d+)?", service["image"]), name
        assert service["healthcheck"]["test"][0] == "CMD", name
        assert {"interval", "timeout", "retries", "start_period"} <= service["healthcheck"].keys(), name
        assert service["cpus"] and service["mem_limit"] and service["pids_limit"], name
        assert service["restart"] == "unless-stopped", name
        assert service["logging"]["options"]["max-size"], name


def test_nothing_is_reachable_from_outside(services, compose):
    for name, service in services.items():
        assert service["networks"] == ["rivertech"], name
        assert "privileged" not in service and "network_mode" not in service, name
        assert "no-new-privileges:true" in service["security_opt"], name
        for port in service.get("ports", []):
            assert re.fullmatch(r"127\.0\.0\.1:\d+:\d+", port), (name, port)
    published = [port.split(":")[1] for service in services.values() for port in service.get("ports", [])]
    assert len(published) == len(set(published))
    assert set(compose["networks"]) == {"rivertech"}


def test_data_is_in_named_volumes(services, compose):
    used = []
    for service in services.values():
        used += [volume.split(":")[0] for volume in service.get("volumes", []) if not volume.startswith(".")]
    assert sorted(used) == sorted(compose["volumes"])


# -- the files of deploy/


def test_every_file_of_deploy_is_mounted_and_every_mounted_file_is_there(services):
    files = {path.relative_to(DEPLOY).as_posix() for path in DEPLOY.rglob("*") if path.is_file()}
    assert set().union(*(mounted(service) for service in services.values())) == files - {"README.md"}


def test_every_host_that_a_file_names_is_a_service(services):
    for path in DEPLOY.rglob("*"):
        if path.is_file():
            named = set(re.findall(r"rivertech(?:-[a-z0-9]+)+", path.read_text()))
            assert named <= set(services), path
    for service in services.values():
        for value in service.get("environment", {}).values():
            assert set(re.findall(r"rivertech(?:-[a-z0-9]+)+", value)) <= set(services)


def test_addresses_agree_with_the_ports(services):
    kafka = properties("kafka/server.properties")
    outside = re.search(r"EXTERNAL://(127\.0\.0\.1:(\d+))", kafka["advertised.listeners"])
    assert services["rivertech-kafka-broker"]["ports"] == [f"{outside[1]}:{outside[2]}"]
    inside = re.search(r"INTERNAL://([^,]+)", kafka["advertised.listeners"])[1]
    zookeeper = properties("kafka/zookeeper.properties")
    assert kafka["zookeeper.connect"] == f"rivertech-kafka-zookeeper:{zookeeper['clientPort']}"
    registry = properties("kafka/schema-registry.properties")
    assert registry["kafkastore.bootstrap.servers"] == f"PLAINTEXT://{inside}"
    connection = yaml.safe_load((DEPLOY / "akhq/application.yml").read_text())["akhq"]["connections"]["rivertech"]
    assert connection["properties"]["bootstrap.servers"] == inside
    port = registry["listeners"].rpartition(":")[2]
    assert connection["schema-registry"]["url"] == f"http://rivertech-schema-registry:{port}"
    keeper = xml.etree.ElementTree.parse(DEPLOY / "keeper/keeper_config.xml").getroot()
    client = xml.etree.ElementTree.parse(DEPLOY / "clickhouse/config.d/keeper.xml").getroot()
    assert client.findtext("zookeeper/node/port") == keeper.findtext("keeper_server/tcp_port")
    assert client.findtext("zookeeper/node/host") == "rivertech-clickhouse-keeper-01"


def test_data_paths_are_in_the_volumes(services):
    for service, file, key in (
        ("rivertech-kafka-broker", "kafka/server.properties", "log.dirs"),
        ("rivertech-kafka-zookeeper", "kafka/zookeeper.properties", "dataDir"),
    ):
        targets = [volume.split(":")[1] for volume in services[service]["volumes"]]
        assert properties(file)[key] in targets


# -- roundhouse itself


def test_roundhouse_is_given_what_the_stack_prints(services):
    given = services["roundhouse"]["environment"]
    printed = {name for name in stack.environment(SETUP) if name.startswith("ROUNDHOUSE_")}
    # tools/stack has a password of each stack's own in the URLs.
    assert set(given) == printed | {"ROUNDHOUSE_CLICKHOUSE_PASSWORD"}
    assert given["ROUNDHOUSE_LOG"] == "kafka"
    assert given["ROUNDHOUSE_CLICKHOUSE_CLUSTER"] == parts.CLUSTER
    shards = services["rivertech-clickhouse-01"]["environment"]
    assert given["ROUNDHOUSE_CLICKHOUSE_PASSWORD"] == shards["CLICKHOUSE_OWNER_PASSWORD"]


def test_every_variable_of_roundhouse_is_an_option_and_has_a_value_that_fits(services):
    given = services["roundhouse"]["environment"] | {"ROUNDHOUSE_CLICKHOUSE_PASSWORD": "secret"}
    shown = subprocess.run([BINARY, "config", "show", "--json"], env=given, capture_output=True, check=True).stdout
    assert b"secret" not in shown
    taken = {row["origin_name"]: row for row in json.loads(shown)["data"] if row["origin"] == "environment"}
    assert set(taken) == set(given)
    shards = [f"http://***@{services[f'rivertech-clickhouse-{n:02}']['hostname']}:8123" for n in (1, 2)]
    assert taken["ROUNDHOUSE_STORE"]["value"] == ",".join(shards)


def test_roundhouse_waits_for_what_it_uses_and_finds_it(services):
    service = services["roundhouse"]
    given = " ".join(service["environment"].values())
    assert set(re.findall(r"rivertech(?:-[a-z0-9]+)+", given)) == set(service["depends_on"])
    kafka = properties("kafka/server.properties")
    inside = re.search(r"INTERNAL://([^,]+)", kafka["advertised.listeners"])[1]
    assert service["environment"]["ROUNDHOUSE_KAFKA_BROKERS"] == inside
    registry = properties("kafka/schema-registry.properties")
    port = registry["listeners"].rpartition(":")[2]
    assert service["environment"]["ROUNDHOUSE_REGISTRY_URL"] == f"http://rivertech-schema-registry:{port}"
    users = xml.etree.ElementTree.parse(DEPLOY / "clickhouse/users.d/roundhouse.xml").getroot()
    for url in service["environment"]["ROUNDHOUSE_STORE"].split(","):
        user = re.fullmatch(r"http://(\w+)@rivertech-clickhouse-0[12]:8123", url)[1]
        assert users.find(f"users/{user}") is not None


def test_a_degraded_roundhouse_is_kept_in_service(services):
    """tests/system/test_recovery.py shows what this command says of one that has lost tables."""
    assert services["roundhouse"]["healthcheck"]["test"] == ["CMD", "roundhouse", "health", "--allow-degraded"]


def test_roundhouse_may_write_to_its_volume_and_nothing_else(services):
    service = services["roundhouse"]
    assert service["read_only"] is True and service["cap_drop"] == ["ALL"]
    assert [place.partition(":")[0] for place in service["tmpfs"]] == ["/tmp"]
    assert [volume.partition(":")[2] for volume in service["volumes"]] == ["/var/lib/roundhouse"]


def properties(file: str) -> dict[str, str]:
    lines = (DEPLOY / file).read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


# -- the same stack as tools/stack's


def test_each_native_part_is_a_service(services):
    assert {part.service for part in NATIVE} == SPECIFIED - {
        "rivertech-clickhouse-keeper-01",
        "rivertech-kafka-hq",
    }


@pytest.mark.parametrize("part", NATIVE, ids=lambda part: part.name)
def test_a_part_loads_what_its_service_mounts(part, services):
    assert set(part.deploy_files) == set(mounted(services[part.service])) - set(NOT_NATIVE)


@pytest.mark.parametrize("part", NATIVE, ids=lambda part: part.name)
def test_a_part_gets_the_variables_that_its_service_gets(part, services):
    given = services[part.service].get("environment", {})
    wanted = set()
    for file in part.deploy_files:
        if file.endswith(".xml"):
            tree = xml.etree.ElementTree.parse(DEPLOY / file)
            wanted |= {element.get("from_env") for element in tree.iter() if element.get("from_env")}
    assert wanted <= set(given)
    assert wanted <= set(part.environment())
    if "CLICKHOUSE_SHARD" in wanted:
        assert part.environment()["CLICKHOUSE_SHARD"] == given["CLICKHOUSE_SHARD"]


@pytest.mark.parametrize("brokers", [1, 3])
def test_kafka_differs_in_addresses_paths_and_copies_only(tmp_path, brokers):
    ports = {name: 10_000 + number for number, name in enumerate(parts.port_names(brokers))}
    setup = parts.Setup(tmp_path, brokers, ports, "o", "r", "s")
    may_differ = {"broker.id", "zookeeper.connect", "listeners", "advertised.listeners", "log.dirs"}
    may_differ |= {"dataDir", "clientPort", "clientPortAddress"}
    if brokers == 3:
        may_differ |= {key for key in properties("kafka/server.properties") if re.search(r"replica|\.isr", key)}
    for part in parts.parts_of(setup).values():
        for file in part.deploy_files:
            if file.endswith(".properties"):
                part.folder.mkdir()
                part.prepare()
                shipped, loaded = properties(file), properties(str(part.folder / pathlib.Path(file).name))
                differing = {key for key in shipped.keys() | loaded.keys() if shipped.get(key) != loaded.get(key)}
                assert differing <= may_differ


def test_versions_agree(services):
    versions = {artifact.name: artifact.version for artifact in artifacts.pinned()}
    # Confluent Platform 7.9 is Kafka 3.9, the last one with ZooKeeper.
    assert versions["kafka_2.13"].startswith("3.9.") and versions["kafka_2.13"] == versions["kafka-clients"]
    for name in ("rivertech-kafka-zookeeper", "rivertech-kafka-broker", "rivertech-schema-registry"):
        assert re.fullmatch(r"confluentinc/cp-[a-z-]+:7\.9\.\d+", services[name]["image"])
    chdb = re.search(r"chdb/\S+@(\d+\.\d+\.\d+)", (ROOT / "tools" / "npm-packages.txt").read_text())[1]
    for name in ("rivertech-clickhouse-01", "rivertech-clickhouse-02", "rivertech-clickhouse-keeper-01"):
        assert services[name]["image"].partition(":")[2].startswith(f"{chdb}.")
