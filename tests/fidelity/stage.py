"""One simulated supplier that speaks all upstream dialects, and the real server in front of it with a provider for each."""
import collections
import contextlib
import itertools
import json
import pathlib
import sys

import httpx

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "tests"))
import processes  # noqa: E402

KEY, AWS_ID, AWS_SECRET, REGION = "the-suppliers-key", "AKIAEXAMPLE", "a/secret+key=", "eu-central-1"
# By its name a dialect knows what a model takes.
MODELS = {"messages": "claude-sonnet-4-5", "converse": "eu.anthropic.claude-sonnet-4-5-20250929-v1:0", "gemini": "gemini-3-pro-preview"}
PROVIDERS = {
    "chat": "base_url: '{url}/v1', api_key: env:KEY",
    "responses": "base_url: '{url}/v1', dialect: responses, api_key: env:KEY",
    "messages": "supplier: anthropic, base_url: '{url}/v1', api_key: env:KEY",
    "converse": "supplier: bedrock, base_url: '{url}', aws: {region: {region}, access_key: env:ID, secret_key: env:SECRET}",
    "gemini": "supplier: google, base_url: '{url}/v1beta', api_key: env:KEY",
}
ONCE = 40  # deployments of each dialect that are used once


class Control:
    """Of the simulated supplier: its faults, and what it was sent."""

    def __init__(self, url):
        self.http = httpx.Client(base_url=url, timeout=30, trust_env=False)
        self.numbers = collections.defaultdict(itertools.count)  # of deployments that are used once, since faults are remembered

    def set(self, faults):
        assert self.http.post("/__faults", json={"faults": faults, "bodies_kept": 4}).status_code == 200

    @contextlib.contextmanager
    def faults(self, text):
        self.set(text)
        try:
            yield
        finally:
            self.set("")

    def bodies(self):
        return self.http.get("/__stats", params={"bodies": 1}).json()["bodies"]

    def last_body(self):
        body = self.bodies()[-1]
        return body if isinstance(body, str) else json.dumps(body, separators=(",", ":"))


class Stage:
    def __init__(self, folder, *arguments, models=MODELS, once=False):
        self.supplier = processes.simulate(folder / "simulate.log", "--model", "*", "--api-key", KEY, "--aws-key", f"{AWS_ID}:{AWS_SECRET}",
                                           "--aws-region", REGION, "--cache-minimum", 100, "--automatic-cache", *arguments)
        providers, deployments = "", ""
        for dialect, how in PROVIDERS.items():
            how = how.replace("{url}", self.supplier.url).replace("{region}", REGION)
            for name in [dialect] + [f"{dialect}-{n}" for n in range(ONCE if once else 0)]:
                providers += f"  - {{name: {name}, {how}}}\n"
                deployments += f"  - {{name: {name}, provider: {name}, upstream_model: '{models.get(dialect, 'simulated-1')}'}}\n"
        (folder / "perdure.yaml").write_text(f"providers:\n{providers}limits: {{fruitless_attempts: 2}}\nrouting: {{patience: 1s}}\n"
                                             f"models:\n{deployments}")
        self.server = processes.serve(folder / "data", folder / "serve.log", None, "--config", folder / "perdure.yaml",
                                      env={"KEY": KEY, "ID": AWS_ID, "SECRET": AWS_SECRET})
        self.http = httpx.Client(base_url=self.server.url, timeout=60, trust_env=False)
        self.control = Control(self.supplier.url)
        self.control.set("")

    def stop(self):
        self.http.close()
        ended = [self.server.stop(), self.supplier.stop()]
        log = self.server.output()
        for secret in (KEY, AWS_SECRET):
            assert secret.encode() not in log, "a secret in the log"
        assert ended == [0, 0], ended
