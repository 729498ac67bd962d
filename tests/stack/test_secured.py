"""Everything behind TLS and passwords: the registry and the shards by https, Kafka by SASL over TLS.

Certificates are of a CA made here; proxies speak TLS in front of the registry and the shards; the stack's broker is
started again with a second listener, SASL_SSL with SCRAM, and keeps its data.
"""

import base64
import os
import pathlib
import signal
import subprocess

import httpx
import pytest
from confluent_kafka.admin import (
    ScramCredentialInfo,
    ScramMechanism,
    UserScramCredentialDeletion,
    UserScramCredentialUpsertion,
)
from kafka_site import Site, check_exactly_once, check_matched, make_file, send, wait_stored
from native_stack import end, wait_for
from roundhouse import Server, free_port
from tls_proxy import Authority, TlsProxy

MECHANISM = ScramMechanism.SCRAM_SHA_256
SECURED = """
listeners=INTERNAL://{plain},SECURED://{secured}
advertised.listeners=INTERNAL://{plain},SECURED://{secured}
listener.security.protocol.map=INTERNAL:PLAINTEXT,SECURED:SASL_SSL
sasl.enabled.mechanisms=SCRAM-SHA-256
listener.name.secured.scram-sha-256.sasl.jaas.config=\
org.apache.kafka.common.security.scram.ScramLoginModule required;
ssl.keystore.type=PEM
ssl.keystore.location={certificate}
"""


class Secured:
    def __init__(self, folder: pathlib.Path):
        self.folder = folder
        self.site = Site(folder)
        self.authority = Authority(folder / "ca")
        env = self.site.env
        ports = [
            httpx.URL(env[name]).port for name in ("STACK_REGISTRY", "STACK_CLICKHOUSE_1", "STACK_CLICKHOUSE_2")
        ]
        self.proxies = [TlsProxy(port, self.authority.issue()) for port in ports]
        self.kafka = f"127.0.0.1:{free_port()}"
        self.properties = folder / "kafka.properties"
        self.broker: subprocess.Popen | None = None

    def begin(self) -> None:
        self.set_user("first", "kafka secret 1")
        self.broker = self.restart_broker()
        self.use_kafka_user("first", "kafka secret 1")

    def restart_broker(self) -> subprocess.Popen:
        """The stack's own command, with one listener more."""
        pid = self.site.stack.pids()["broker"]
        command = pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().decode().split("\0")[:-1]
        home = self.site.stack.folder / "broker"
        os.kill(pid, signal.SIGTERM)  # cleanly: after kill -9 ZooKeeper would hold its name for a while
        wait_for(lambda: self.site.stack.pids()["broker"] is None, "the broker has ended")
        kept = (home / "server.properties").read_text().splitlines()
        kept = [line for line in kept if "listeners=" not in line and not line.startswith("listener.security")]
        added = SECURED.format(
            plain=self.site.env["STACK_KAFKA"], secured=self.kafka, certificate=self.authority.issue()
        )
        (home / "secured.properties").write_text("\n".join(kept) + added)
        command[-1] = "secured.properties"
        with open(home / "secured.log", "wb") as log:
            return subprocess.Popen(command, cwd=home, stdout=log, stderr=subprocess.STDOUT)

    def set_user(self, name: str, password: str) -> None:
        change = UserScramCredentialUpsertion(name, ScramCredentialInfo(MECHANISM, 4096), password.encode())
        self.site.admin().alter_user_scram_credentials([change])[name].result(60)

    def delete_user(self, name: str) -> None:
        change = UserScramCredentialDeletion(name, MECHANISM)
        self.site.admin().alter_user_scram_credentials([change])[name].result(60)

    def use_kafka_user(self, name: str, password: str, ca_file: pathlib.Path | None = None) -> None:
        self.properties.write_text(
            "# who we are\nsecurity.protocol=SASL_SSL\nsasl.mechanism=SCRAM-SHA-256\n"
            f"sasl.username={name}\nsasl.password={password}\nssl.ca.location={ca_file or self.authority.file}\n"
        )

    def settings(self, clickhouse_user: str | None = None, **other: str) -> dict[str, str]:
        registry, *shards = self.proxies
        user = clickhouse_user or httpx.URL(self.site.env["STACK_CLICKHOUSE_1"]).userinfo.decode()
        return {
            "kafka_brokers": self.kafka,
            "kafka_properties_file": str(self.properties),
            "registry_url": f"https://schemas:p%40ss@127.0.0.1:{registry.port}/apis/ccompat/v7",
            "store": ",".join(f"https://{user}@127.0.0.1:{shard.port}" for shard in shards),
            "tls_ca_file": str(self.authority.file),
        } | other

    def add_clickhouse_user(self, name: str, password: str) -> None:
        """Beside the one there is, with its rights. A real ClickHouse reads the file by itself, libchdb when it starts."""
        users = (self.site.stack.folder / "clickhouse-1/config/users.d/roundhouse.xml").read_text()
        owner = users.partition("<roundhouse>")[2].partition("</roundhouse>")[0]
        owner = owner.replace(
            '<password from_env="CLICKHOUSE_OWNER_PASSWORD"/>', f"<password>{password}</password>"
        )
        for shard in (1, 2):
            folder = self.site.stack.folder / f"clickhouse-{shard}" / "config" / "users.d"
            (folder / f"{name}.xml").write_text(
                f"<clickhouse><users><{name}>{owner}</{name}></users></clickhouse>\n"
            )
            url = httpx.URL(self.site.env[f"STACK_CLICKHOUSE_{shard}"]).copy_with(username=name, password=password)
            self.site.stack.kill(f"clickhouse-{shard}")
            self.site.stack.start(f"clickhouse-{shard}")
            assert httpx.post(url, content="SELECT 1").text == "1\n"

    def close(self) -> None:
        self.site.end_servers()
        for proxy in self.proxies:
            proxy.close()
        if self.broker:
            end(self.broker)
        self.site.stack.run("down")
        assert self.site.stack.processes() == []


@pytest.fixture(scope="module")
def secured(tmp_path_factory):
    made = Secured(tmp_path_factory.mktemp("secured"))
    try:
        made.begin()
        yield made
    finally:
        made.close()


@pytest.fixture(autouse=True)
def no_server_is_left(secured):
    yield
    secured.site.end_servers()


def test_a_file_goes_through_with_every_password_and_certificate(secured, rng):
    content, rows = make_file(rng)
    server = secured.site.start(**secured.settings())
    upload_id = wait_stored(server, send(server, content, filename="secured.csv"))["id"]
    check_exactly_once(server, rows)
    check_matched(server, upload_id)
    registry, *shards = secured.proxies
    assert registry.authorizations == {b"Basic " + base64.b64encode(b"schemas:p@ss")}
    assert all(shard.connections > 0 for shard in shards)
    log = server.log_path.read_text()
    for secret in ("kafka secret", "p@ss", "p%40ss", httpx.URL(secured.site.env["STACK_CLICKHOUSE_1"]).password):
        assert secret not in log


def test_credentials_are_changed_while_a_file_is_on_its_way(secured, rng):
    """As docs/operations.md tells: the new ones first, then restart, then the old ones go."""
    content, rows = make_file(rng, 200_000)
    server = secured.site.start(**secured.settings())
    upload_id = send(server, content, filename="rotated.csv")
    server.kill()
    secured.set_user("second", "kafka secret 2")
    secured.add_clickhouse_user("second", "ch-secret-2")
    for proxy in secured.proxies:
        proxy.present(secured.authority.issue())
    secured.use_kafka_user("second", "kafka secret 2")
    new = secured.settings("second:ch-secret-2")
    server.environment |= {f"ROUNDHOUSE_{name.upper()}": value for name, value in new.items()}
    secured.delete_user("first")
    server.start()
    wait_stored(server, upload_id)
    check_exactly_once(server, rows)
    check_matched(server, upload_id)
    secured.set_user("first", "kafka secret 1")
    secured.use_kafka_user("first", "kafka secret 1")


def why_not_ready(server: Server) -> str:
    return server.get("/readyz").text


def test_what_is_wrong_is_said(secured, tmp_path):
    stranger = Authority(tmp_path / "stranger")
    server = secured.site.start(ready=False, **secured.settings(tls_ca_file=str(stranger.file)))
    wait_for(lambda: "certificate" in why_not_ready(server), "the certificate is named")
    assert "unable to get local issuer certificate" in why_not_ready(server)
    server.kill()

    refused = []  # all at once, since each waits for half a minute before it says so
    for user, password, ca_file, reason in (
        ("first", "kafka secret 0", None, "SASL authentication error"),
        ("nobody", "kafka secret 1", None, "SASL authentication error"),
        ("first", "kafka secret 1", stranger.file, "certificate verify failed"),
    ):
        secured.properties = tmp_path / f"{len(refused)}.properties"
        secured.use_kafka_user(user, password, ca_file)
        refused.append((secured.site.start(ready=False, **secured.settings()), password, reason))
    for server, password, reason in refused:
        wait_for(lambda s=server, r=reason: r in why_not_ready(s), f"{reason} is named")
        assert password not in server.log_path.read_text()
