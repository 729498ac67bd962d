"""Fetches the Java parts that artifacts.txt pins, by Maven, once a user; checks each one's SHA-256."""

import contextlib
import fcntl
import functools
import hashlib
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
from dataclasses import dataclass

PINNED = pathlib.Path(__file__).with_name("artifacts.txt")
DEBIAN_PACKAGES = ["maven", "openjdk-17-jre-headless"]
JAVA_OLDEST = 17
COPY_GOAL = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies"


class FetchError(Exception):
    """Says in one sentence what could not be had."""


@dataclass(frozen=True)
class Artifact:
    group: str
    name: str
    version: str
    classifier: str
    kind: str
    sha256: str

    @property
    def file(self) -> str:
        return f"{self.name}-{self.version}{'-' + self.classifier if self.classifier else ''}.{self.kind}"


def pinned() -> list[Artifact]:
    artifacts = []
    for line in PINNED.read_text().splitlines():
        if line and not line.startswith("#"):
            coordinates, sha256 = line.split()
            group, name, version, *rest = coordinates.split(":")
            classifier, kind = rest or ("", "jar")
            artifacts.append(Artifact(group, name, version, classifier, kind, sha256))
    return artifacts


def fetched() -> pathlib.Path:
    """The folder with `kafka/` and `registry/`; fetched first if it is not there yet."""
    cache = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache") / "roundhouse"
    kept = cache / f"stack-{hashlib.sha256(PINNED.read_bytes()).hexdigest()[:16]}"
    if kept.is_dir():
        return kept
    cache.mkdir(parents=True, exist_ok=True)
    with open(cache / "stack.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not kept.is_dir():
            install_debian_packages()
            with tempfile.TemporaryDirectory(prefix="stack-fetch.", dir=cache) as scratch:
                os.rename(fetch(pathlib.Path(scratch)), kept)
    return kept


def fetch(scratch: pathlib.Path) -> pathlib.Path:
    print("Fetching Kafka and the schema registry (190 MB) by Maven", file=sys.stderr, flush=True)
    (scratch / "pom.xml").write_text(pom(pinned()))
    copied, kept = scratch / "copied", scratch / "kept"
    # A repository of its own: nothing stays in ~/.m2. Mirrors of ~/.m2/settings.xml are used all the same.
    maven = ["mvn", "-B", "-q", f"-Dmaven.repo.local={scratch / 'repository'}", f"-DoutputDirectory={copied}"]
    done = subprocess.run([*maven, COPY_GOAL], cwd=scratch, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise FetchError(f"Maven could not fetch the stack's parts:\n{(done.stdout + done.stderr)[-2000:]}")
    check(copied)
    for folder in ("kafka", "registry"):
        (kept / folder).mkdir(parents=True)
    for artifact in pinned():
        if artifact.kind == "tar.gz":
            with tarfile.open(copied / artifact.file) as archive:
                archive.extractall(kept / "registry")
        else:
            os.rename(copied / artifact.file, kept / "kafka" / artifact.file)
    return kept


def check(folder: pathlib.Path) -> None:
    """Every pinned file, byte by byte, and no other."""
    expected = {artifact.file: artifact.sha256 for artifact in pinned()}
    for name in sorted(expected.keys() | set(os.listdir(folder))):
        if name not in expected or not (folder / name).exists():
            raise FetchError(f"{name}: {'missing' if name in expected else 'not in artifacts.txt'}")
        with open(folder / name, "rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        if digest != expected[name]:
            raise FetchError(f"{name} has SHA-256 {digest}, but artifacts.txt says {expected[name]}")


def pom(artifacts: list[Artifact]) -> str:
    """A project that depends on the pinned artifacts and on nothing that these depend on."""
    dependencies = "".join(
        f"<dependency><groupId>{a.group}</groupId><artifactId>{a.name}</artifactId><version>{a.version}</version>"
        f"<type>{a.kind}</type>{f'<classifier>{a.classifier}</classifier>' if a.classifier else ''}"
        "<exclusions><exclusion><groupId>*</groupId><artifactId>*</artifactId></exclusion></exclusions></dependency>"
        for a in artifacts
    )
    return (
        '<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion>'
        "<groupId>roundhouse</groupId><artifactId>stack</artifactId><version>1</version><packaging>pom</packaging>"
        f"<dependencies>{dependencies}</dependencies></project>\n"
    )


@functools.cache
def java() -> str:
    """A Java that is new enough: JAVA_HOME's, or the one in PATH."""
    home = os.environ.get("JAVA_HOME")
    for candidate in [f"{home}/bin/java"] if home else [shutil.which("java")]:
        with contextlib.suppress(OSError, subprocess.CalledProcessError):
            if candidate:
                said = subprocess.run([candidate, "-version"], capture_output=True, text=True, check=True).stderr
                found = re.search(r'version "(\d+)', said)
                if found and int(found.group(1)) >= JAVA_OLDEST:
                    return candidate
    raise FetchError(f"No Java {JAVA_OLDEST} or newer in JAVA_HOME or PATH; Debian's {DEBIAN_PACKAGES[1]} is one.")


def install_debian_packages() -> None:
    """Maven and a Java, where they are missing."""
    with contextlib.suppress(FetchError):
        java()
        if shutil.which("mvn"):
            return
    print(f"Installing Debian packages: {' '.join(DEBIAN_PACKAGES)}", file=sys.stderr, flush=True)
    as_root = [] if os.getuid() == 0 else ["sudo"]
    install = [
        "env",
        "DEBIAN_FRONTEND=noninteractive",
        "apt-get",
        "install",
        "-y",
        "-qq",
        "--no-install-recommends",
    ]
    try:
        subprocess.run([*as_root, "apt-get", "update", "-qq"], check=True, stdout=subprocess.DEVNULL)
        subprocess.run([*as_root, *install, *DEBIAN_PACKAGES], check=True, stdout=subprocess.DEVNULL)
    except (OSError, subprocess.CalledProcessError) as error:
        raise FetchError(f"{' and '.join(DEBIAN_PACKAGES)} could not be installed: {error}") from error
