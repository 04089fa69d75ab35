"""What answers cost, budgets that hold over a crash and a restart, and `perdure spending`, with the real binary."""
import json
import signal
import subprocess
import time
from decimal import Decimal

import httpx
import pytest

import processes

CONFIG = """
providers:
  - {{name: chat, base_url: '{url}/v1'}}
  - {{name: messages, supplier: anthropic, base_url: '{url}/v1', api_key: env:KEY}}
models:
  - {{name: small, provider: chat, upstream_model: simulated-1, price: {{input: 1, output: 1000}}}}
  - {{name: claude, provider: messages, upstream_model: claude-sonnet-4-5, price: {{input: 1, cached_input: 0.1, output: 1000, currency: USD}}}}
  - {{name: free, provider: chat, upstream_model: simulated-1}}
budgets:
  - {{name: house, amount: 1 USD, window: month}}
"""


class House:
    def __init__(self, folder, upstream):
        self.folder, self.data = folder, folder / "data"
        self.config = folder / "perdure.yaml"
        self.config.write_text(CONFIG.format(url=upstream.url))
        self.start()

    def start(self):
        self.server = processes.serve(self.data, self.folder / "serve.log", None, "--config", self.config,
                                      "--cores", 2, env={"KEY": "k"})
        self.http = httpx.Client(base_url=self.server.url, timeout=60)

    def perdure(self, *words, key=""):
        done = subprocess.run([processes.BINARY, *map(str, words)], capture_output=True, text=True, timeout=60,
                              env=processes.environment({"PERDURE_URL": self.server.url, "PERDURE_API_KEY": key,
                                                         "KEY": "k"}))
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def ask(self, text, model="small", **more):
        return self.http.post("/v1/responses", json={"model": model, "input": text} | more)

    def spent(self):
        return Decimal(self.http.get("/v1/x/spending").json()["budgets"][0]["spent"])


@pytest.fixture
def house(tmp_path, upstream):
    made = House(tmp_path, upstream)
    yield made
    if made.server.alive():
        assert made.server.stop() == 0


def cost_of(house, response):
    account = house.http.get("/v1/x/responses/" + response["id"]).json()
    usage = response["usage"]
    exact = (Decimal(usage["input_tokens"]) * 1 + Decimal(usage["output_tokens"]) * 1000) / 1_000_000
    assert account["cost"]["exact"] is True
    assert Decimal(account["cost"]["totals"][0]["amount"]) == exact
    assert Decimal(account["placements"][0]["cost"]["amount"]) == exact
    return exact


def test_cost_is_exact_and_shown(house):
    answer = house.ask("Count from 1 to 20.", max_output_tokens=200).json()
    exact = cost_of(house, answer)
    assert exact > 0
    assert f"cost      {format(exact.normalize(), 'f')} USD" in house.perdure("responses", "show", answer["id"])
    table = house.perdure("responses", "show", answer["id"], "--placements")
    assert "COST" in table and f"cost {format(exact.normalize(), 'f')} USD" in table
    assert house.spent() == exact


def test_relayed_bytes_know_nothing_of_it_and_the_sum_does(house):
    body = {"model": "small", "max_completion_tokens": 200, "messages": [{"role": "user", "content": "Count from 1 to 9."}]}
    answer = house.http.post("/v1/chat/completions", json=body)
    assert answer.status_code == 200 and "cost" not in answer.text
    usage = answer.json()["usage"]
    assert house.spent() == (Decimal(usage["prompt_tokens"]) + 1000 * Decimal(usage["completion_tokens"])) / 1_000_000


def test_a_budget_holds_over_a_crash_and_a_restart(house):
    # An answer is expected to cost up to 1.024 USD unless its request says that it is short.
    refused = house.ask("Say exactly: x")
    assert refused.status_code == 429 and refused.json()["error"]["code"] == "budget_exceeded"
    paid = Decimal(0)
    while True:
        answer = house.ask("Count from 1 to 100.", max_output_tokens=250)
        if answer.status_code != 200:
            break
        paid += cost_of(house, answer.json())
    assert answer.status_code == 429
    error = answer.json()["error"]
    assert 'the budget "house" of 1 USD/month' in error["message"] and "T00:00:00Z" in error["message"]
    assert int(answer.headers["retry-after"]) > 60
    assert Decimal("0.75") < paid <= 1
    assert house.spent() == paid
    # At once: nobody has told the store's sums about the last of it.
    house.server.signal(signal.SIGKILL)
    house.server.popen.wait()
    house.start()
    assert house.spent() == paid
    assert house.ask("Count from 1 to 100.", max_output_tokens=250).status_code == 429
    assert house.server.stop() == 0
    house.start()
    assert house.spent() == paid


def test_every_dialect_is_told_in_its_own_words(house):
    chat = house.http.post("/v1/chat/completions", json={"model": "small", "messages": [{"role": "user", "content": "x"}]})
    assert chat.status_code == 429 and chat.json()["error"]["code"] == "budget_exceeded"
    messages = house.http.post("/v1/messages", headers={"anthropic-version": "2023-06-01"},
                               json={"model": "claude", "max_tokens": 2000, "messages": [{"role": "user", "content": "x"}]})
    assert messages.status_code == 429 and messages.json()["error"]["type"] == "rate_limit_error"
    assert 'the budget "house"' in messages.json()["error"]["message"]
    unpriced = house.ask("Say exactly: x", model="free")
    assert unpriced.status_code == 403 and unpriced.json()["error"]["code"] == "budget_price_unknown"


def test_a_key_has_a_budget_of_its_own(house):
    trial = house.perdure("keys", "create", "--data", house.data, "--name", "trial", "--budget", "0.06 USD/day",
                          "--scopes", "use,operate").strip()
    other = house.perdure("keys", "create", "--data", house.data, "--name", "other").strip()
    time.sleep(1.2)  # the server looks once a second

    def ask(key):
        return house.http.post("/v1/responses", headers={"Authorization": "Bearer " + key}, json={
            "model": "small", "input": "Count from 1 to 100.", "max_output_tokens": 50})
    assert ask(trial).status_code == 200
    refused = ask(trial)
    assert refused.status_code == 429 and 'the budget "trial" of 0.06 USD/day' in refused.json()["error"]["message"]
    assert ask(other).status_code == 200
    shown = house.perdure("spending", key=trial)
    assert "trial" in shown and "0.06 USD" in shown and "house" in shown
    listed = json.loads(house.perdure("spending", "--json", key=trial))
    assert {budget["name"] for budget in listed["budgets"]} == {"house", "trial"}
    assert "0.06 USD/day" in house.perdure("keys", "list", "--data", house.data)
