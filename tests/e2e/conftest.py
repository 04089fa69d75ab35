"""The built binary behind the official SDKs: `perdure simulate` as the upstream, `perdure serve` in front of it."""
import json
import pathlib
import queue
import struct
import subprocess
import sys
import tempfile
import threading
import zlib

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


class Script:
    """One of the Node scripts beside this file (calls.mjs), started once and asked many times."""

    def __init__(self, path):
        if not NODE.exists():
            pytest.fail("Node is not set up: tools/bootstrap --e2e does that")
        self.log = tempfile.TemporaryFile()
        self.popen = subprocess.Popen([NODE, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.log,
                                      text=True, cwd=ROOT / "build/e2e",
                                      env=processes.environment({"NODE_NO_WARNINGS": "1"}))
        self.lines = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        for line in self.popen.stdout:
            self.lines.put(line)
        self.lines.put(None)

    def call(self, name, timeout_s=120, **arguments):
        self.popen.stdin.write(json.dumps({"call": name, "arguments": arguments}) + "\n")
        self.popen.stdin.flush()
        try:
            line = self.lines.get(timeout=timeout_s)
        except queue.Empty:
            line = None
        if line is None:  # it ended, or the answer to this call would be taken for that of the next one
            self.stop()
            pytest.fail(f"{self.popen.args[1].name} does not answer {name}:\n{self.said()}")
        answer = json.loads(line)
        if "crashed" in answer:
            pytest.fail(f"{self.popen.args[1].name}, {name}:\n{answer['crashed']}")
        return answer["result"]

    def said(self):
        self.log.seek(0)
        return self.log.read().decode(errors="replace")[-4000:]

    def stop(self):
        self.popen.kill()
        self.popen.wait()


SCRIPTS = {}


def script(path):
    if path not in SCRIPTS or SCRIPTS[path].popen.poll() is not None:
        SCRIPTS[path] = Script(path)
    return SCRIPTS[path]


@pytest.fixture(scope="session", autouse=True)
def scripts_end():
    yield
    for one in SCRIPTS.values():
        one.stop()


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

    def node(self, call, script_path=CLIENT_JS, **arguments):
        """One call of client.mjs, or of another script, with the official Node SDK."""
        return script(script_path).call(call, baseURL=self.url, **arguments)


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


# --- one server over every dialect and credential of suppliers, without which tests would be of one of them

KEY, AWS_ID, AWS_SECRET, REGION = "the-suppliers-key", "AKIAEXAMPLE", "a/secret+key=", "eu-central-1"
# By its name a dialect knows what a model takes; where nothing is said, the newest is taken for granted.
UPSTREAM = {"messages": "claude-sonnet-4-5", "gemini": "gemini-3-pro-preview"}
# What clients know models of each API as.
NAMED = {"responses": "gpt-5.4", "chat": "gpt-4o", "messages": "claude-sonnet-4-5"}
PROVIDERS = ["chat", "responses", "messages", "converse", "converse-bearer", "gemini", "azure", "azure-v1"]
CONFIG = """
providers:
  - {{name: chat, base_url: '{url}/v1', api_key: env:KEY}}
  - {{name: responses, base_url: '{url}/v1', dialect: responses, api_key: env:KEY}}
  - {{name: messages, supplier: anthropic, base_url: '{url}/v1', api_key: env:KEY}}
  - {{name: converse, supplier: bedrock, base_url: '{url}', aws: {{region: {region}, access_key: env:ID, secret_key: env:SECRET}}}}
  - {{name: converse-bearer, base_url: '{url}', dialect: converse, aws: {{bearer: env:KEY}}}}
  - {{name: gemini, supplier: google, base_url: '{url}/v1beta', api_key: env:KEY}}
  - name: azure
    base_url: '{url}'
    api_key: env:KEY
    azure: {{style: deployments, api_version: '2024-10-21'}}
  - {{name: azure-v1, base_url: '{url}/openai/v1', dialect: responses, auth: azure, api_key: env:KEY}}
models:
"""


def pixel(red, green, blue):
    """A picture of one pixel."""
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 2, 0, 0, 0))
            + chunk(b"IDAT", zlib.compress(bytes([0, red, green, blue]))) + chunk(b"IEND", b""))


@pytest.fixture(scope="session")
def all_dialects(tmp_path_factory):
    process = processes.simulate(tmp_path_factory.mktemp("dialects") / "simulate.log", "--model", "*", "--api-key", KEY,
                                 "--aws-key", f"{AWS_ID}:{AWS_SECRET}", "--aws-region", REGION)
    yield process
    assert process.stop() == 0


@pytest.fixture(scope="session")
def everywhere(all_dialects, tmp_path_factory):
    folder = tmp_path_factory.mktemp("dialects-server")
    text = CONFIG.format(url=all_dialects.url, region=REGION)
    for provider in PROVIDERS:
        text += f"  - {{name: {provider}, provider: {provider}, upstream_model: {UPSTREAM.get(provider, 'simulated-1')}}}\n"
    for provider, name in NAMED.items():
        text += f"  - {{name: {name}, provider: {provider}, upstream_model: {name}}}\n"
    (folder / "perdure.yaml").write_text(text)
    process = processes.serve(folder / "data", folder / "serve.log", None, "--config", folder / "perdure.yaml",
                              env={"KEY": KEY, "ID": AWS_ID, "SECRET": AWS_SECRET})
    yield process
    assert process.stop() == 0
    log = process.output()
    for secret in (KEY, AWS_SECRET):
        assert secret.encode() not in log


@pytest.fixture(scope="session")
def everywhere_http(everywhere):
    with httpx.Client(base_url=everywhere.url, timeout=60) as http:
        yield http
