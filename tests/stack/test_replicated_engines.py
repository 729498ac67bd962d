"""Replicated engines: what is asked of the servers, what is made on them, and what is refused.

The ClickHouse here makes such tables, and their entries in a Keeper (ZooKeeper), but does not listen for other
replicas, without which ClickHouse lets none of them take rows. So this goes up to the first row and no further. Nor
has it an id of its own, by which a Keeper knows servers apart: each shard has another Keeper here.
"""

import pathlib
import subprocess

import httpx
import pytest
from native_stack import Stack, clear, wait_for
from roundhouse import BINARY, Server

SHARDS = (1, 2)
TABLES = {  # and what their engines have besides path and replica
    "game_rounds": "",
    "hourly": ", rounds",
    "hourly_by_game": ", rounds",
    "game_hourly": ", rounds",
    "games": ", rounds",
    "uploads": ", revision",
    "dead_letters": "",
}


class Cluster:
    def __init__(self, folder: pathlib.Path):
        self.stack = Stack(folder / "stack").up("clickhouse-1", "clickhouse-2")
        self.keepers = [Stack(folder / f"keeper-{shard}").up("zookeeper") for shard in SHARDS]
        self.env = self.stack.env()
        self.servers: list[Server] = []

    def serve(self, folder: pathlib.Path, engines: str) -> Server:
        """One that has not become ready."""
        server = Server(folder, environment=self.environment(engines))
        self.servers.append(server)
        return server.start(ready=False)

    def ask(self, shard: int, sql: str) -> str:
        answer = httpx.post(httpx.URL(self.env[f"STACK_CLICKHOUSE_{shard}"]), content=sql, timeout=60)
        assert answer.status_code == 200, answer.text
        return answer.text.strip()

    def configure(self, name: str, *xml: str) -> None:
        """Each server has its text as a further file of configuration when the call returns."""
        for shard, text in zip(SHARDS, xml, strict=True):
            config = self.stack.folder / f"clickhouse-{shard}" / "config" / "config.d" / f"zz-{name}.xml"
            config.write_text(f"<clickhouse>{text}</clickhouse>\n")
            self.stack.kill(f"clickhouse-{shard}")
            self.stack.start(f"clickhouse-{shard}")

    def environment(self, engines: str, **more: str) -> dict[str, str]:
        names = ("ROUNDHOUSE_STORE", "ROUNDHOUSE_CLICKHOUSE_CLUSTER")
        return {name: self.env[name] for name in names} | {"ROUNDHOUSE_CLICKHOUSE_ENGINES": engines, **more}

    def migrate(self, engines: str, **more: str) -> subprocess.CompletedProcess:
        env = self.environment(engines, **more)
        return subprocess.run([BINARY, "migrate"], env=env, capture_output=True, text=True, check=False)

    def tables(self) -> list[str]:
        sql = "SELECT name FROM system.tables WHERE database = 'roundhouse'"
        return [name for shard in SHARDS for name in self.ask(shard, sql).split()]


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    folder = tmp_path_factory.mktemp("replicated")
    servers = []
    try:
        cluster = Cluster(folder)
        servers = cluster.servers
        yield cluster
    finally:
        for server in servers:
            if server.is_running():
                server.kill()
        for name in ("stack", *(f"keeper-{shard}" for shard in SHARDS)):
            clear(Stack(folder / name))


def test_it_is_refused_where_it_makes_no_sense(cluster, tmp_path):
    embedded = {"ROUNDHOUSE_STORE": "embedded"}
    consumed = {"ROUNDHOUSE_CONSUMER": "clickhouse"}
    for other, said in ((embedded, "needs the servers of a cluster"), (consumed, "--consumer=roundhouse only")):
        env = cluster.environment("replicated", **other)
        for command in (["serve", "--data", str(tmp_path / "data"), "--listen", "127.0.0.1:0"], ["migrate"]):
            done = subprocess.run([BINARY, *command], env=env, capture_output=True, text=True, check=False)
            assert done.returncode == 2 and said in done.stderr, done.stderr
    assert not (tmp_path / "data").exists()


def test_servers_without_macros_or_keeper_are_told_what_they_lack(cluster, tmp_path):
    without_macro = "<macros><replica remove='remove'/></macros>"
    for configuration, lacking in ((without_macro, "no macro replica"), ("", "no Keeper")):
        cluster.configure("lacks", configuration, configuration)
        done = cluster.migrate("replicated")
        assert done.returncode == 1 and lacking in done.stderr, done.stderr
        assert "--clickhouse-engines=plain" in done.stderr
        assert cluster.tables() == []
        server = cluster.serve(tmp_path / lacking, "replicated")
        assert server.wait_dead(60) == 1
        assert "no_replication" in server.log_tail()


def test_every_table_that_keeps_rows_is_replicated_and_stays_so(cluster, tmp_path):
    addresses = [keeper.parts()["zookeeper"]["address"].split(":") for keeper in cluster.keepers]
    keepers = [f"<node><host>{host}</host><port>{port}</port></node>" for host, port in addresses]
    cluster.configure("keeper", *(f"<zookeeper>{node}</zookeeper>" for node in keepers))
    for _ in range(2):  # and again what was made in part
        done = cluster.migrate("replicated")
        assert done.returncode != 0 and "take no rows now: dead_letters, " in done.stderr, done.stderr
        assert "interserver_http_port" in done.stderr
    for shard in SHARDS:
        sql = "SELECT name, engine_full FROM system.tables WHERE database = 'roundhouse' AND engine LIKE '%MergeTree'"
        engines = dict(line.split("\t") for line in cluster.ask(shard, f"{sql} FORMAT TSVRaw").splitlines())
        assert engines.keys() == TABLES.keys()
        for table, parameters in TABLES.items():
            path = f"'/clickhouse/tables/{{shard}}/roundhouse/{table}', '{{replica}}'"
            assert engines[table].startswith(f"ReplicatedReplacingMergeTree({path}{parameters}) ")
            for setting in ("replicated_deduplication_window = 0", "fsync_part_directory = 1"):
                assert setting in engines[table]
        paths = cluster.ask(shard, "SELECT DISTINCT replica_path FROM system.replicas WHERE table = 'hourly'")
        assert paths == f"/clickhouse/tables/{shard}/roundhouse/hourly/replicas/1"

    server = cluster.serve(tmp_path / "waits", "replicated")
    wait_for(lambda: "replica_read_only" in server.log_path.read_text(), "the log says it")
    wait_for(lambda: "take no rows now: dead_letters, " in server.get("/readyz").text, "/readyz says it")
    assert server.get("/readyz").status_code == 503
    server.kill()

    done = cluster.migrate("plain")
    assert done.returncode == 1 and "has tables with Replicated engines: dead_letters, " in done.stderr, (
        done.stderr
    )
    assert "--clickhouse-engines=replicated" in done.stderr
    server = cluster.serve(tmp_path / "other", "plain")
    assert server.wait_dead(60) == 1
    assert "other_engines" in server.log_tail()
