"""What each part is made of: its files, its command, how it answers, and its service in docker-compose.yaml."""

import os
import pathlib
import re
import shutil
from dataclasses import dataclass

from . import artifacts, probes, processes

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
DEPLOY = ROOT / "deploy"
REGISTRY_API = "/apis/ccompat/v7"
CLUSTER = "rivertech"
OWNER = "roundhouse"
CLICKHOUSE_MEMORY_BYTES_MAX = 2_000_000_000


@dataclass(frozen=True)
class Setup:
    """What is fixed for a stack's life; kept in its folder as stack.json."""

    folder: pathlib.Path
    brokers: int
    ports: dict[str, int]
    owner_password: str
    reader_password: str
    cluster_secret: str

    def address(self, port: str) -> str:
        return f"127.0.0.1:{self.ports[port]}"

    def clickhouse_url(self, shard: int) -> str:
        return f"http://{OWNER}:{self.owner_password}@{self.address(f'clickhouse-{shard}.http')}"

    def registry_url(self) -> str:
        return f"http://{self.address('registry')}{REGISTRY_API}"


class Part:
    name: str
    service: str  # in docker-compose.yaml
    needs: tuple[str, ...] = ()  # parts that must answer before this one can start
    deploy_files: tuple[str, ...] = ()  # of deploy/; the same ones that the service mounts
    starts_max = 1  # a part that ends while it starts is started again this often

    def __init__(self, setup: Setup):
        self.setup = setup

    @property
    def folder(self) -> pathlib.Path:
        return self.setup.folder / self.name

    def port_names(self) -> list[str]:
        return [self.name]

    def address(self) -> str:
        return " ".join(self.setup.address(port) for port in self.port_names())

    def logs(self) -> list[pathlib.Path]:
        return [self.folder / "output.log"]

    def prepare(self) -> None:
        """Writes the part's files, each time it starts: they follow those of deploy/."""
        raise NotImplementedError

    def command(self) -> list[str]:
        raise NotImplementedError

    def environment(self) -> dict[str, str]:
        return {}

    def answers(self) -> bool:
        raise NotImplementedError

    def runs(self) -> bool:
        return processes.pid_of(self.folder) is not None


class JavaPart(Part):
    heap_mib = 256
    # Both take a second off the start; the broker, which works hard, has neither.
    java_options: tuple[str, ...] = ("-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")

    def java(self, *arguments: str) -> list[str]:
        temporary = self.folder / "tmp"
        # Nothing of a killed process may stay in /tmp: libraries it unpacked, or its performance counters.
        shutil.rmtree(temporary, ignore_errors=True)
        temporary.mkdir(parents=True)
        options = [f"-Xmx{self.heap_mib}m", f"-Djava.io.tmpdir={temporary}", "-XX:-UsePerfData"]
        return [artifacts.java(), *options, *self.java_options, *arguments]

    def kafka_class(self, *arguments: str) -> list[str]:
        logging = "-Dorg.slf4j.simpleLogger"
        return self.java(
            f"{logging}.showDateTime=true",
            f"{logging}.dateTimeFormat=yyyy-MM-dd'T'HH:mm:ss.SSS",
            "-cp",
            f"{artifacts.fetched()}/kafka/*",
            *arguments,
        )

    def write_properties(self, source: str, replaced: dict[str, object]) -> None:
        text = (DEPLOY / source).read_text()
        (self.folder / pathlib.Path(source).name).write_text(with_properties(text, replaced))


def with_properties(text: str, replaced: dict[str, object]) -> str:
    """The properties file with other values. A key that it lacks is a mistake of ours: nothing is added."""
    for key, value in replaced.items():
        text, found = re.subn(rf"(?m)^{re.escape(key)}=.*$", lambda _, k=key, v=value: f"{k}={v}", text)
        if found != 1:
            raise KeyError(key)
    return text


class Zookeeper(JavaPart):
    name = "zookeeper"
    service = "rivertech-kafka-zookeeper"
    deploy_files = ("kafka/zookeeper.properties",)
    heap_mib = 128

    def prepare(self) -> None:
        port = self.setup.ports[self.name]
        replaced = {"dataDir": self.folder / "data", "clientPort": port, "clientPortAddress": "127.0.0.1"}
        self.write_properties(self.deploy_files[0], replaced)

    def command(self) -> list[str]:
        return self.kafka_class("org.apache.zookeeper.server.quorum.QuorumPeerMain", "zookeeper.properties")

    def answers(self) -> bool:
        return probes.zookeeper(self.setup.ports[self.name])


class Broker(JavaPart):
    service = "rivertech-kafka-broker"
    needs = ("zookeeper",)
    deploy_files = ("kafka/server.properties",)
    heap_mib = 512
    java_options = ("-Xms128m",)
    # After kill -9 ZooKeeper holds its name for some seconds more, and the broker ends when it meets it.
    starts_max = 10

    def __init__(self, setup: Setup, number: int):
        super().__init__(setup)
        self.number = number
        self.name = broker_names(setup.brokers)[number - 1]

    def prepare(self) -> None:
        address, copies = self.setup.address(self.name), self.setup.brokers
        replaced = {
            "broker.id": self.number,
            "zookeeper.connect": self.setup.address("zookeeper"),
            "listeners": f"INTERNAL://{address}",
            "advertised.listeners": f"INTERNAL://{address}",
            "log.dirs": self.folder / "data",
            "default.replication.factor": copies,
            "min.insync.replicas": (copies + 1) // 2,
            "offsets.topic.replication.factor": copies,
            "transaction.state.log.replication.factor": copies,
            "transaction.state.log.min.isr": (copies + 1) // 2,
        }
        self.write_properties(self.deploy_files[0], replaced)

    def command(self) -> list[str]:
        return self.kafka_class("kafka.Kafka", "server.properties")

    def answers(self) -> bool:
        """It knows itself and every other broker that runs."""
        known = probes.brokers(self.setup.ports[self.name])
        others = (Broker(self.setup, number) for number in range(1, self.setup.brokers + 1))
        return self.number in known and all(other.number in known for other in others if other.runs())


class Registry(JavaPart):
    name = "registry"
    service = "rivertech-schema-registry"
    heap_mib = 256

    def address(self) -> str:
        return self.setup.registry_url()

    def prepare(self) -> None:
        (self.folder / "data").mkdir(exist_ok=True)

    def command(self) -> list[str]:
        (jar,) = (artifacts.fetched() / "registry").glob("*-runner.jar")
        # Few connections to its database, which is a file of its own process.
        pool = [f"-Dquarkus.datasource.jdbc.{size}=2" for size in ("initial-size", "min-size")]
        return self.java("-Dquarkus.http.host=127.0.0.1", *pool, "-jar", str(jar))

    def environment(self) -> dict[str, str]:
        return {
            "HTTP_PORT": str(self.setup.ports[self.name]),
            # A file, synced with each commit, so that kill -9 loses no schema.
            "REGISTRY_DATASOURCE_URL": f"jdbc:h2:file:{self.folder}/data/registry;WRITE_DELAY=0",
        }

    def answers(self) -> bool:
        """Confluent's registry checks for backward compatibility unless told; this one has to be told, once."""
        config, told = f"{self.setup.registry_url()}/config", self.folder / "told"
        if told.exists():
            return probes.http_text(config) is not None
        if probes.http_text(config, b'{"compatibility": "BACKWARD"}', "PUT") is None:
            return False
        told.touch()
        return True


class ClickHouse(Part):
    deploy_files = ("clickhouse/config.d/roundhouse.xml", "clickhouse/users.d/roundhouse.xml")

    def __init__(self, setup: Setup, shard: int):
        super().__init__(setup)
        self.shard = shard
        self.name = f"clickhouse-{shard}"
        self.service = f"rivertech-clickhouse-{shard:02}"

    def port_names(self) -> list[str]:
        return [f"{self.name}.http", f"{self.name}.tcp"]

    def address(self) -> str:
        http, tcp = self.port_names()
        return f"http://{self.setup.address(http)} tcp://{self.setup.address(tcp)}"

    def logs(self) -> list[pathlib.Path]:
        return [
            *super().logs(),
            self.folder / "log" / "clickhouse.err.log",
            self.folder / "log" / "clickhouse.log",
        ]

    def prepare(self) -> None:
        config, log = self.folder / "config", self.folder / "log"
        for folder in (config / "config.d", config / "users.d", self.folder / "data", log):
            folder.mkdir(parents=True, exist_ok=True)
        for source in self.deploy_files:
            shutil.copyfile(DEPLOY / source, config / pathlib.Path(source).relative_to("clickhouse"))
        (config / "users.xml").write_text("<clickhouse/>\n")
        (config / "config.xml").write_text(
            f"<clickhouse><logger><level>information</level><log>{log}/clickhouse.log</log>"
            f"<errorlog>{log}/clickhouse.err.log</errorlog><size>100M</size><count>3</count></logger>"
            "<users_config>users.xml</users_config><listen_host>127.0.0.1</listen_host></clickhouse>\n"
        )

    def command(self) -> list[str]:
        http, tcp = (str(self.setup.ports[name]) for name in self.port_names())
        program = pathlib.Path(os.environ.get("RH_BINARY") or ROOT / "build" / "bin" / "roundhouse").absolute()
        if not program.exists():
            raise artifacts.FetchError(
                f"{program} is not there, and ClickHouse runs out of it; `make build` makes it."
            )
        server = ["clickhouse", "server", "--directory", str(self.folder), "--http-port", http, "--tcp-port", tcp]
        return [str(program), *server]

    def environment(self) -> dict[str, str]:
        shards = {}
        for shard in (1, 2):
            host, _, port = self.setup.address(f"clickhouse-{shard}.tcp").partition(":")
            shards |= {f"CLICKHOUSE_SHARD_{shard}_HOST": host, f"CLICKHOUSE_SHARD_{shard}_PORT": port}
        return {
            "CLICKHOUSE_SHARD": str(self.shard),
            "CLICKHOUSE_MEMORY_BYTES_MAX": str(CLICKHOUSE_MEMORY_BYTES_MAX),
            "CLICKHOUSE_OWNER_PASSWORD": self.setup.owner_password,
            "CLICKHOUSE_READER_PASSWORD": self.setup.reader_password,
            "CLICKHOUSE_CLUSTER_SECRET": self.setup.cluster_secret,
            **shards,
        }

    def answers(self) -> bool:
        """As its owner, not by /ping: that answers before the users are read."""
        return probes.http_text(self.setup.clickhouse_url(self.shard), b"SELECT 'here'") == "here\n"


def broker_names(brokers: int) -> list[str]:
    return ["broker"] if brokers == 1 else [f"broker-{number}" for number in range(1, brokers + 1)]


def part_names(brokers: int) -> list[str]:
    return ["zookeeper", *broker_names(brokers), "registry", "clickhouse-1", "clickhouse-2"]


def port_names(brokers: int) -> list[str]:
    """A part's name, or the part's name, a dot and the port's own."""
    names = [f"clickhouse-{shard}.{kind}" for shard in (1, 2) for kind in ("http", "tcp")]
    return ["zookeeper", *broker_names(brokers), "registry", *names]


def parts_of(setup: Setup) -> dict[str, Part]:
    """By name, in the order in which they are shown."""
    brokers = [Broker(setup, number) for number in range(1, setup.brokers + 1)]
    parts = [Zookeeper(setup), *brokers, Registry(setup), ClickHouse(setup, 1), ClickHouse(setup, 2)]
    return {part.name: part for part in parts}
