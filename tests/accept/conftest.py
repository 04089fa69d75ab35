"""The built binary between the tests and `perdure simulate`, reached in five upstream dialects."""
import importlib.util
import pathlib

import pytest

HERE = pathlib.Path(__file__).resolve().parent
spec = importlib.util.spec_from_file_location("e2e_fixtures", HERE.parent / "e2e" / "conftest.py")
e2e = importlib.util.module_from_spec(spec)
spec.loader.exec_module(e2e)
processes, schema = e2e.processes, e2e.schema

import wire  # noqa: E402
from models import CONFIG, DIALECTS, UPSTREAM  # noqa: E402


@pytest.fixture(scope="session")
def supplier(tmp_path_factory):
    process = processes.simulate(tmp_path_factory.mktemp("supplier") / "simulate.log", "--model", "*", "--api-key", "k")
    yield process
    assert process.stop() == 0


@pytest.fixture(scope="session")
def server(supplier, tmp_path_factory):
    """One server for all tests: its models are named after the dialects that they are reached in."""
    folder = tmp_path_factory.mktemp("server")
    text = CONFIG.format(url=supplier.url)
    for dialect in DIALECTS:
        text += f"  - {{name: {dialect}, provider: {dialect}, upstream_model: {UPSTREAM.get(dialect, 'simulated-1')}}}\n"
    (folder / "perdure.yaml").write_text(text)
    process = processes.serve(folder / "data", folder / "serve.log", None, "--config", folder / "perdure.yaml",
                              env={"KEY": "k"})
    process.data = folder / "data"
    yield process
    assert process.stop() == 0


@pytest.fixture(scope="session")
def url(server):
    return server.url


@pytest.fixture(params=DIALECTS)
def model(request):
    return request.param


@pytest.fixture(scope="session")
def http(url):
    import httpx
    with httpx.Client(base_url=url, timeout=60) as client:
        yield client


@pytest.fixture
def socket(url):
    with wire.WebSocket(url) as one:
        yield one


def without_said_schema(value):
    """Open Responses wants null where OpenAI's clients want the schema of a format said back: that one is decided
    (docs/decisions/0021-open-responses-and-its-clients.md), and everything around it is still checked."""
    response = value.get("response", value)
    if response.get("object") != "response" or response["text"]["format"]["type"] != "json_schema":
        return value
    assert response["text"]["format"]["schema"]
    text = {**response["text"], "format": {**response["text"]["format"], "schema": None}}
    return {**value, "response": {**response, "text": text}} if "response" in value else {**response, "text": text}


@pytest.fixture(scope="session")
def valid():
    """Whether a value keeps to a schema of the Open Responses description; without the description everything does, and
    test_schemas.py says that it was not checked."""
    import json

    import jsonschema
    path = processes.ROOT.parent / "shared/data/openresponses/openapi.json"
    if not path.exists():
        return lambda value, name=None: None
    document = json.loads(path.read_text())
    events = {}
    for name, one in document["components"]["schemas"].items():
        kind = one.get("properties", {}).get("type", {}).get("enum")
        if name.endswith("StreamingEvent") and kind:
            events[kind[0]] = name
    validators = {}

    def check(value, name=None):
        """`name`: of a schema; None: the event's own, or that of an error on a WebSocket."""
        if name is None:
            name = "WebSocketErrorEvent" if "status" in value else events.get(value["type"])
            assert name, f"{value['type']} is no event of the description"
        if name not in validators:
            validators[name] = jsonschema.Draft202012Validator(
                {"$ref": f"#/components/schemas/{name}", "components": document["components"]})
        validators[name].validate(without_said_schema(value))

    return check


@pytest.fixture
def create(url, http, model, valid):
    """create(**body): a response, in the way that `way` says: as JSON, as events, or over a WebSocket. Everything that
    came is valid, and the response that it ended with is returned."""

    def make(way, **body):
        body = {"model": model, **body}
        if way == "json":
            reply = http.post("/v1/responses", json=body)
            assert reply.status_code == 200, reply.text
            assert reply.headers["content-type"] == "application/json"
            response = reply.json()
        elif way == "stream":
            came = wire.stream(url, {**body, "stream": True})
            assert came.status == 200, came.text
            assert came.events and came.done
            for event in came.events:
                valid(event)
            response = came.response
        else:
            with wire.WebSocket(url) as one:
                turn = one.turn(**body)
            for event in turn.events:
                valid(event)
            response = turn.response
        valid(response, "ResponseResource")
        return response

    return make
