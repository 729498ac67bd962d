"""Client commands over https: a certificate is checked, and said to be wrong, before anything is sent."""

import csv
import io
import json
import os
import ssl
import subprocess

import pytest
from roundhouse import BINARY
from rounds import make_rows, to_csv
from tls_proxy import Authority, TlsProxy


@pytest.fixture(scope="module")
def authority(tmp_path_factory) -> Authority:
    return Authority(tmp_path_factory.mktemp("ca"))


@pytest.fixture
def proxied(server, authority):
    """(port, …) → a proxy in front of the server."""
    made = []

    def make(certificate, **options) -> TlsProxy:
        made.append(TlsProxy(int(server.url.rpartition(":")[2]), certificate, **options))
        return made[-1]

    yield make
    for proxy in made:
        proxy.close()


def run(url: str, ca_file, *arguments) -> subprocess.CompletedProcess:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("ROUNDHOUSE_")}
    env = {**kept, "ROUNDHOUSE_SERVER": url, "ROUNDHOUSE_TLS_CA_FILE": str(ca_file)}
    return subprocess.run([BINARY, *arguments], capture_output=True, env=env, timeout=120, check=False)


def test_a_file_goes_both_ways(server, authority, proxied, tmp_path, rng):
    proxy = proxied(authority.issue())
    rows = make_rows(rng, 30_000)
    file = tmp_path / "rounds.csv"
    file.write_bytes(to_csv(rows).encode())
    url = f"https://127.0.0.1:{proxy.port}"
    uploaded = run(url, authority.file, "upload", file, "--json")
    assert uploaded.returncode == 0, uploaded.stderr
    upload = json.loads(uploaded.stdout)
    assert upload["rows"]["accepted"] == len(rows)
    proxy.connections = 0
    listed = run(url, authority.file, "aggregates", "--all", "--format", "csv")
    assert listed.returncode == 0, listed.stderr
    assert sum(int(row["rounds"]) for row in csv.DictReader(io.StringIO(listed.stdout.decode()))) >= len(rows)
    # Page after page over one connection, whatever TLS says in between.
    assert proxy.connections == 1
    assert run(url, authority.file, "reconcile", upload["id"]).returncode == 0


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_both_versions_and_names_are_spoken(authority, proxied, version):
    proxy = proxied(authority.issue("DNS:localhost"), version=version)
    done = run(f"https://localhost:{proxy.port}", authority.file, "health")
    assert (done.returncode, done.stdout) == (0, b"ready\n"), done.stderr


def test_a_certificate_that_is_not_right_is_named(authority, proxied, tmp_path):
    stranger = Authority(tmp_path / "stranger")
    for certificate, ca_file, reason in (
        (stranger.issue(), authority.file, "unable to get local issuer certificate"),
        (authority.issue(), stranger.file, "unable to get local issuer certificate"),
        (authority.issue("DNS:elsewhere.example,IP:127.0.0.2"), authority.file, "IP address mismatch"),
        (authority.issue(days=-1), authority.file, "certificate has expired"),
    ):
        proxy = proxied(certificate)
        done = run(f"https://127.0.0.1:{proxy.port}", ca_file, "uploads")
        said = done.stderr.decode()
        assert done.returncode == 5 and done.stdout == b"", said
        assert reason in said and f"127.0.0.1:{proxy.port}" in said, said
    proxy = proxied(authority.issue("DNS:elsewhere.example"))
    done = run(f"https://localhost:{proxy.port}", authority.file, "uploads")
    assert done.returncode == 5 and b"hostname mismatch (it is not for localhost)" in done.stderr, done.stderr


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1_1")
def test_https_and_http_do_not_meet(server, authority, proxied):
    plain = run(server.url.replace("http:", "https:"), authority.file, "uploads")
    assert plain.returncode == 5 and b"TLS with 127.0.0.1:" in plain.stderr, plain.stderr
    proxy = proxied(authority.issue())
    secure = run(f"http://127.0.0.1:{proxy.port}", authority.file, "uploads")
    assert secure.returncode == 5 and secure.stdout == b"", secure.stderr
    old = proxied(authority.issue(), version=ssl.TLSVersion.TLSv1_1)
    refused = run(f"https://127.0.0.1:{old.port}", authority.file, "uploads")
    assert refused.returncode == 5 and b"TLS with 127.0.0.1:" in refused.stderr, refused.stderr


def test_ca_certificates_that_cannot_be_read_are_named(tmp_path):
    for text in (None, "no certificate\n"):
        path = tmp_path / "ca.pem"
        if text:
            path.write_text(text)
        done = run("https://127.0.0.1:9", path, "uploads")
        assert done.returncode == 2, done.stderr
        assert str(path).encode() in done.stderr and b"tls.ca_file" in done.stderr, done.stderr
