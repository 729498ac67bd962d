"""What the Dockerfile promises, as far as it can be seen without building it; `make image` builds and runs it."""

import json
import re
import shutil
import subprocess

import pytest
import yaml
from native_stack import ROOT
from roundhouse import BINARY

DOCKERFILE = (ROOT / "Dockerfile").read_text()
VERSION = re.search(r"project\(roundhouse VERSION (\S+)", (ROOT / "CMakeLists.txt").read_text())[1]


@pytest.fixture(scope="module")
def stages() -> list[list[tuple[str, str]]]:
    """Each stage's instructions, (name, the rest)."""
    joined = re.sub(r"\\\n\s*", "", re.sub(r"(?m)^#.*\n", "", DOCKERFILE))
    found = []
    for line in filter(None, joined.splitlines()):
        name, _, rest = line.partition(" ")
        if name == "FROM":
            found.append([])
        found[-1].append((name, rest))
    return found


def only(stage: list[tuple[str, str]], name: str) -> str:
    (rest,) = [rest for found, rest in stage if found == name]
    return rest


def environment(stage) -> dict[str, str]:
    return dict(word.split("=", 1) for word in only(stage, "ENV").split())


def test_both_stages_are_the_debian_that_the_libraries_are_built_for(stages):
    assert [only(stage, "FROM") for stage in stages] == [
        "docker.io/library/debian:bookworm-slim AS build",
        "docker.io/library/debian:bookworm-slim",
    ]


def test_the_run_stage_has_only_what_the_build_stage_laid_out(stages):
    run = stages[-1]
    assert only(run, "COPY") == "--from=build /image/ /"
    assert not {name for name, _ in run} & {"RUN", "ADD"}
    laid_out = re.findall(r"/image/\S+ ([^&]+?) &&", stages[0][-1][1])
    assert sorted(" ".join(laid_out).split()) == sorted(
        ["build/bin/roundhouse", "build/lib/libchdb.so", "build/lib/librdkafka.so.1"]
        + ["/etc/ssl/certs/ca-certificates.crt"]
    )


def test_it_runs_as_nobody_special_and_is_watched_by_the_program(stages):
    run = stages[-1]
    uid, gid = only(run, "USER").split(":")
    assert int(uid) >= 10_000 and int(gid) >= 10_000
    check = only(run, "HEALTHCHECK")
    command = json.loads(check[check.index("CMD ") + 4 :])
    assert command[0] == json.loads(only(run, "ENTRYPOINT"))[0] == "roundhouse"
    subprocess.run([BINARY, *command[1:], "--help"], check=True, capture_output=True)


def test_its_variables_are_options_and_agree_with_its_volume_and_its_port(stages):
    run, given = stages[-1], environment(stages[-1])
    shown = subprocess.run([BINARY, "config", "show", "--json"], env=given, capture_output=True, check=True).stdout
    taken = {row["origin_name"] for row in json.loads(shown)["data"] if row["origin"] == "environment"}
    assert taken == set(given)
    assert given["ROUNDHOUSE_DATA"] == only(run, "VOLUME")
    assert given["ROUNDHOUSE_LISTEN"] == f"0.0.0.0:{only(run, 'EXPOSE')}"
    # Not in the image but in the volume: whoever pulls the image gets no key.
    assert given["ROUNDHOUSE_KEYS_FIRST_FILE"].startswith(only(run, "VOLUME") + "/")


def test_labels_and_compose_name_the_version(stages):
    labels = dict(re.findall(r'(org\.opencontainers\.image\.[a-z.]+)="([^"]*)"', only(stages[-1], "LABEL")))
    assert {"title", "description", "version", "revision"} <= {name.rpartition(".")[2] for name in labels}
    assert labels["org.opencontainers.image.version"] == "$VERSION"
    assert ("ARG", f"VERSION={VERSION}") in stages[-1]
    service = yaml.safe_load((ROOT / "docker-compose.yaml").read_text())["services"]["roundhouse"]
    assert service["image"] == f"roundhouse:{VERSION}" and service["build"]["args"] == {"VERSION": VERSION}
    assert [volume.partition(":")[2] for volume in service["volumes"]] == [only(stages[-1], "VOLUME")]
    assert [port.rpartition(":")[2] for port in service["ports"]] == [only(stages[-1], "EXPOSE")]


def test_only_what_the_program_is_made_of_goes_into_the_build():
    lines = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line and line[0] != "#"]
    assert lines[0] == "*" and all(line.startswith("!") for line in lines[1:])
    kept = {line[1:] for line in lines[1:]}
    assert all((ROOT / path).exists() for path in kept)
    assert not kept & {"build", "data", ".git", "tests", "deploy"}


def test_what_goes_into_the_build_is_enough(tmp_path):
    """As far as cmake and ninja can say before anything is compiled."""
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    for path in (line[1:] for line in lines if line.startswith("!")):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        if (ROOT / path).is_dir():
            shutil.copytree(ROOT / path, tmp_path / path)
        else:
            shutil.copy(ROOT / path, tmp_path / path)
    for command in (["cmake", "--preset", "release"], ["ninja", "-C", "build/release", "-n", "roundhouse"]):
        ran = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
        assert ran.returncode == 0, ran.stdout[-2000:] + ran.stderr[-2000:]


def test_nothing_of_the_machine_that_builds_is_in_it():
    hosts = set(re.findall(r"[a-z0-9-]+(?:\.[a-z0-9-]+)*\.(?:io|com|org|net|local|internal)\b", DOCKERFILE))
    assert hosts <= {"docker.io"}
    assert not re.search(r"(?i)password|token|BEGIN ", DOCKERFILE)
