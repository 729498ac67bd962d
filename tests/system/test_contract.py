"""The contract against the live server: schemathesis makes requests out of it, right and wrong ones, and judges every
answer by it: status, content type, headers, JSON schema, no server error, wrong data refused."""

import copy

import pytest
import schemathesis
import yaml
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import seed as hypothesis_seed
from roundhouse import ROOT
from rounds import to_csv
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.core.failures import FailureGroup
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from topologies import ALONE, CLUSTER

pytestmark = pytest.mark.topologies(ALONE, CLUSTER)

CONTRACT = yaml.safe_load((ROOT / "schemas" / "openapi.yaml").read_text())
OPERATIONS = [(method, path) for path, item in CONTRACT["paths"].items() for method in item]
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
# What else refuses a request: generated targets and headers are often too long before they are anything else.
REFUSALS = ["400", "404", "405", "406", "409", "413", "414", "415", "422", "431"]
EXAMPLES = 30
BODIES = 8  # of each media type: every one is a file to store, or to compare
UNKNOWN = "00000000-0000-8000-8000-000000000000"

ROW = ["2019-10-22 08:20:41", "20000", "a" * 32, "10001", "0.05", "", "NaN", "1e-05", "Game", "Play'n GO"]
FILE = to_csv([ROW])
# Values that a generator cannot know; without them nearly every request would be refused. None: left out.
QUERY = {"cursor": None, "encoding": None, "delimiter": None, "replaces": None, "as_of": None}
QUERY |= {"from": "2019-10-01", "to": "2019-11-01T00:00:00Z"}
HEADERS = ("Content-Digest", "Repr-Digest", "Content-Encoding", "Idempotency-Key")
# Nothing runs that could be cancelled, so this one is refused with 409 as the contract says.
NEVER_SUCCEEDS = {("post", "/v1/uploads/{id}/cancel")}


def parameters_of(method: str, path: str) -> list:
    return CONTRACT["paths"][path][method].get("parameters", [])


def takes_input(operation: tuple[str, str]) -> bool:
    return bool(parameters_of(*operation)) or "requestBody" in CONTRACT["paths"][operation[1]][operation[0]]


@pytest.fixture(scope="module")
def document(server) -> dict:
    return server.get("/openapi.json").json()


def load(document: dict):
    config = schemathesis.Config.from_dict(
        {"checks": {"negative_data_rejection": {"expected-statuses": REFUSALS}}}
    )
    return schemathesis.openapi.from_dict(document, config=config)


@pytest.fixture(scope="module")
def schema(document):
    return load(document)


@pytest.fixture(scope="module")
def resources(server) -> dict[str, list[str]]:
    """Ids of uploads in several states, and of a reconciliation with discrepancies."""
    stored = server.stored(FILE, filename="contract.csv")
    bad_row = ["never", *ROW[1:]]
    mixed = server.stored(to_csv([ROW, bad_row]), filename="mixed.csv")
    refused = server.upload(to_csv([bad_row, ROW]), on_error="abort").json()
    checked = server.upload(FILE, dry_run="true", allow_duplicate="checked").json()
    assert (refused["state"], checked["state"]) == ("refused", "checked"), (refused, checked)
    statement = to_csv([[*ROW[:4], "7", *ROW[5:]]])
    compared = server.post(
        "/v1/reconciliations", content=statement, headers={"Content-Type": "text/csv", "Prefer": "wait=60"}
    ).json()
    assert compared["verdict"] == "mismatched", compared
    uploads = [stored["id"], mixed["id"], refused["id"], checked["id"]]
    return {"/v1/uploads": uploads, "/v1/reconciliations": [compared["id"]]}


def exercise(
    server, operation, mode, seed, prepare=lambda case, number: None, examples=EXAMPLES, **fixed
) -> list[int]:
    """Sends generated requests, judges their answers, and returns the statuses."""
    statuses = []
    checks = CHECKS + ([negative_data_rejection] if mode == GenerationMode.NEGATIVE else [])

    @hypothesis_seed(seed)
    @settings(
        max_examples=examples,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(generation_mode=mode, **fixed))
    def run(case):
        prepare(case, len(statuses))
        answer = case.call(base_url=server.url, timeout=60)
        statuses.append(answer.status_code)
        case.validate_response(answer, checks=checks)

    run()
    print(operation.label, mode, {status: statuses.count(status) for status in sorted(set(statuses))})
    return statuses


def plausible(ids: list[str]):
    """Makes a generated request one that can succeed: known ids in turn, dates, no invented cursor or digest."""

    def prepare(case, number):
        for name, value in QUERY.items():
            if name in case.query and value is None:
                del case.query[name]
            elif name in case.query:
                case.query[name] = value
        for name in HEADERS:
            case.headers.pop(name, None)
        if ids:
            case.path_parameters["id"] = ids[number % len(ids)]

    return prepare


def ids_for(path: str, resources: dict) -> list[str]:
    return [*resources["/".join(path.split("/")[:3])], UNKNOWN] if "{id}" in path else []


def test_the_contract_is_whole(document, schema):
    assert document == CONTRACT
    found = [operation.ok() for operation in schema.get_all_operations()]
    assert sorted((operation.method, operation.path) for operation in found) == sorted(OPERATIONS)
    assert len(OPERATIONS) == 18 and sum(map(takes_input, OPERATIONS)) == 15


@pytest.mark.parametrize(
    ("method", "path"), [o for o in OPERATIONS if "requestBody" not in CONTRACT["paths"][o[1]][o[0]]]
)
def test_right_requests(server, schema, resources, seed, method, path):
    ids = ids_for(path, resources)
    if method == "delete":  # of what is not stored, and of what other tests do not need
        extra = server.upload(FILE, dry_run="true", allow_duplicate="to delete").json()
        ids = [extra["id"], resources["/v1/uploads"][0], UNKNOWN]
    statuses = exercise(server, schema[path][method.upper()], GenerationMode.POSITIVE, seed, plausible(ids))
    assert statuses and ((method, path) in NEVER_SUCCEEDS or any(status < 300 for status in statuses))
    assert (404 in statuses) == bool(ids and len(statuses) >= len(ids))


@pytest.mark.parametrize(
    ("path", "media_type"),
    [(p, t) for m, p in OPERATIONS for t in CONTRACT["paths"][p][m].get("requestBody", {}).get("content", {})],
)
def test_right_bodies(server, schema, resources, seed, path, media_type):
    bodies = {
        "application/json": {"upload_id": resources["/v1/uploads"][0]},
        "multipart/form-data": {"file": FILE.encode()},
    }
    make_plausible = plausible([])

    def prepare(case, number):
        make_plausible(case, number)
        if path == "/v1/uploads":  # each one an upload of its own, whatever the options before it were
            case.query["allow_duplicate"] = f"{media_type} {number}"
            case.query.pop("max_errors", None)  # excludes on_error=abort
        elif media_type == "application/json":
            case.query.clear()  # all of it belongs to a statement

    statuses = exercise(
        server,
        schema[path]["POST"],
        GenerationMode.POSITIVE,
        seed,
        prepare,
        examples=BODIES,
        body=bodies.get(media_type, FILE),
        media_type=media_type,
        headers={"Prefer": "wait=20"},
    )
    assert sum(status < 300 for status in statuses) > BODIES // 2


@pytest.mark.parametrize(("method", "path"), [o for o in OPERATIONS if takes_input(o)])
def test_generated_requests(server, schema, resources, seed, method, path):
    """Bodies and parameters as they fall: allowed by the contract, whatever they mean."""
    assert exercise(server, schema[path][method.upper()], GenerationMode.POSITIVE, seed)


@pytest.mark.parametrize(("method", "path"), [o for o in OPERATIONS if takes_input(o)])
def test_wrong_requests(server, schema, resources, seed, method, path):
    statuses = exercise(server, schema[path][method.upper()], GenerationMode.NEGATIVE, seed)
    # A wrong value may come out right on the wire (a list of one number); the check knows those.
    assert statuses and max(statuses) >= 400


def test_an_answer_that_breaks_the_contract_is_found(server, document, resources, seed):
    broken = copy.deepcopy(document)
    broken["components"]["schemas"]["Upload"]["required"].append("colour")
    operation = load(broken)["/v1/uploads/{id}"]["GET"]
    with pytest.raises(FailureGroup, match="colour"):
        exercise(server, operation, GenerationMode.POSITIVE, seed, plausible(resources["/v1/uploads"]))
