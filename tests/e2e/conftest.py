"""The built binary behind the official SDKs: `perdure simulate` as the upstream, `perdure serve` in front of it."""
import json
import pathlib
import subprocess
import sys

import httpx
import openai
import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
import processes  # noqa: E402

ROOT = processes.ROOT
NODE = ROOT / "build/e2e/node_modules/.bin/node"
CLIENT_JS = pathlib.Path(__file__).parent / "client.mjs"


@pytest.fixture(scope="session")
def logs(tmp_path_factory):
    return tmp_path_factory.mktemp("logs")


@pytest.fixture(scope="session")
def upstream(logs):
    """Answers as fast as it can."""
    process = processes.simulate(logs / "simulate.log", "--seed", 1)
    yield process
    process.stop()


@pytest.fixture(scope="session")
def slow_upstream(logs):
    """50 tokens a second: answers that last long enough to be cut."""
    process = processes.simulate(logs / "simulate-slow.log", "--seed", 1, "--tokens-per-second", 50)
    yield process
    process.stop()


class Deployment:
    """A server on its own data folder that can be killed and started again."""

    def __init__(self, folder, upstream, env=None):
        self.folder, self.upstream, self.env = folder, upstream, env
        self.data = folder / "data"
        self.server = None
        self.start()

    def start(self):
        self.server = processes.serve(self.data, self.folder / "serve.log", self.upstream.url, env=self.env)

    @property
    def url(self):
        return self.server.url + "/v1"

    def client(self, **more):
        return openai.OpenAI(base_url=self.url, api_key="unused", max_retries=0, **more)

    def http(self):
        return httpx.Client(base_url=self.server.url, timeout=60)

    def node(self, call, script=CLIENT_JS, **arguments):
        """Runs one call of client.mjs, or of another script, with the official Node SDK and returns what it prints."""
        if not NODE.exists():
            pytest.fail("Node is not set up: tools/bootstrap --e2e does that")
        done = subprocess.run([NODE, script, call, json.dumps({"baseURL": self.url} | arguments)], capture_output=True,
                              text=True, timeout=120, cwd=ROOT / "build/e2e",
                              env=processes.environment({"NODE_NO_WARNINGS": "1"}))
        assert done.returncode == 0, done.stdout + done.stderr
        return json.loads(done.stdout)


@pytest.fixture
def deploy(tmp_path):
    made = []

    def make(upstream, **more):
        folder = tmp_path / f"deployment-{len(made)}"
        folder.mkdir()
        made.append(Deployment(folder, upstream, **more))
        return made[-1]

    yield make
    for deployment in made:
        if deployment.server.alive():
            deployment.server.stop()


@pytest.fixture(scope="session")
def shared(logs, upstream):
    """One server for everything that does not need its own."""
    folder = logs / "shared"
    folder.mkdir()
    deployment = Deployment(folder, upstream)
    yield deployment
    assert deployment.server.stop() == 0


@pytest.fixture
def slow(deploy, slow_upstream):
    return deploy(slow_upstream)


@pytest.fixture(scope="session")
def schema():
    """Validates a value against a schema of the Open Responses description, by name."""
    import jsonschema
    path = ROOT.parent / "shared/data/openresponses/openapi.json"
    if not path.exists():
        pytest.skip("the Open Responses description (../shared/data) is not here")
    document = json.loads(path.read_text())

    def check(value, name=None, references=None):
        target = {"$ref": f"#/components/schemas/{name}"} if name else references
        jsonschema.Draft202012Validator({**target, "components": document["components"]}).validate(value)

    check.events = {}
    for name, one in document["components"]["schemas"].items():
        kind = one.get("properties", {}).get("type", {}).get("enum")
        if name.endswith("StreamingEvent") and kind:
            check.events[kind[0]] = name
    return check
