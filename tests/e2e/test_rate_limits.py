"""Limits of an API key, as the official SDKs take them: they wait as long as they are told, and then are served."""
import concurrent.futures
import json
import subprocess
import time

import anthropic
import httpx
import openai
import pytest

import processes


@pytest.fixture
def limited(deploy, upstream):
    deployment = deploy(upstream)

    def key(*limits):
        made = subprocess.run([processes.BINARY, "keys", "create", "--data", deployment.data, "--json", *limits], capture_output=True, text=True, check=True)
        time.sleep(1.5)  # the server looks once a second
        return json.loads(made.stdout)["key"]

    deployment.key = key
    return deployment


def test_openai_waits_and_is_served(limited):
    client = openai.OpenAI(base_url=limited.url, api_key=limited.key("--requests-per-minute", "30"), max_retries=0)

    def ask(client):
        return client.chat.completions.with_raw_response.create(model="simulated-1", messages=[{"role": "user", "content": "Say exactly: in."}])

    left = [int(ask(client).headers["x-ratelimit-remaining-requests"]) for _ in range(29)]
    assert left[0] == 29 and 0 < left[-1] <= 3 and left == sorted(left, reverse=True)
    with pytest.raises(openai.RateLimitError) as refused:
        for _ in range(9):
            ask(client)
    assert refused.value.code == "rate_limit_exceeded"
    assert refused.value.response.headers["retry-after"] in ("1", "2")
    began = time.monotonic()
    assert ask(client.with_options(max_retries=1)).parse().choices[0].message.content == "in."
    assert 0.2 < time.monotonic() - began < 5


def test_anthropic_owes_tokens(limited):
    client = anthropic.Anthropic(base_url=limited.server.url, api_key=limited.key("--tokens-per-minute", "1000"), max_retries=0)

    def ask(words, most=200):
        return client.messages.with_raw_response.create(model="simulated-1", max_tokens=most, messages=[{"role": "user", "content": words}])

    assert int(ask("Say exactly: in.").headers["anthropic-ratelimit-tokens-remaining"]) == 1000
    left = int(ask("Say exactly: in.").headers["anthropic-ratelimit-tokens-remaining"])
    assert 900 < left < 1000, "what it has used, not what it might have"
    time.sleep(2)  # 1000 a minute are 16 a second
    ask("Count from 1 to 700.", most=4000)  # more than all there is: let in when all of it is there
    with pytest.raises(anthropic.RateLimitError) as refused:
        ask("Say exactly: out.")
    assert refused.value.body["error"]["type"] == "rate_limit_error"
    assert int(refused.value.response.headers["retry-after"]) >= 1
    assert refused.value.response.headers["anthropic-ratelimit-tokens-remaining"] == "0"
    page = httpx.get(f"{limited.server.url}/metrics", headers={"x-api-key": limited.key("--scopes", "audit")}).text
    assert "perdure_rate_limited_total 1" in page


def test_tokens_are_reserved_when_a_request_begins(deploy, slow_upstream):
    """Twenty requests at once, each of which may use a quarter of the limit: four are let in, before any of them has used anything."""
    deployment = deploy(slow_upstream)
    for stored in (False, True):
        made = subprocess.run([processes.BINARY, "keys", "create", "--data", deployment.data, "--tokens-per-minute", "1000"], capture_output=True, text=True, check=True)
        time.sleep(1.5)

        def ask(_, key=made.stdout.strip(), stored=stored):
            return httpx.post(f"{deployment.url}/responses", timeout=60, headers={"Authorization": f"Bearer {key}"},
                              json={"model": "simulated-1", "input": "Count from 1 to 200.", "max_output_tokens": 240, "store": stored})

        with concurrent.futures.ThreadPoolExecutor(20) as pool:
            answers = list(pool.map(ask, range(20)))
        statuses = sorted(answer.status_code for answer in answers)
        assert 3 <= statuses.count(200) <= 4 and set(statuses) == {200, 429}, statuses
        refused = next(answer for answer in answers if answer.status_code == 429)
        assert refused.json()["error"]["code"] == "rate_limit_exceeded" and "tokens" in refused.json()["error"]["message"]
        assert 1 <= int(refused.headers["retry-after"]) <= 61


def test_a_restart_forgets_no_limit(limited):
    key = limited.key("--requests-per-minute", "20", "--tokens-per-minute", "3000")

    def ask():
        return httpx.post(f"{limited.url}/chat/completions", timeout=60, headers={"Authorization": f"Bearer {key}"},
                          json={"model": "simulated-1", "messages": [{"role": "user", "content": "Count from 1 to 100."}], "max_tokens": 400})

    before = [ask() for _ in range(8)]
    assert [answer.status_code for answer in before] == [200] * 8
    time.sleep(0.3)  # the ledger's lines of what is passed on are written together
    assert limited.server.stop() == 0
    limited.start()
    after = ask()
    used = 8 * before[0].json()["usage"]["total_tokens"]
    assert after.status_code == 200
    assert used > 800
    left = int(after.headers["x-ratelimit-remaining-tokens"])
    assert 3000 - used - 50 <= left <= 3000 - used / 2, (used, left)
    assert 11 <= int(after.headers["x-ratelimit-remaining-requests"]) <= 15


def test_a_key_that_is_changed_is_held_to_it(limited):
    """While the server runs: a limit that is lowered, a permit that is taken, and both given back."""
    client = openai.OpenAI(base_url=limited.url, api_key=limited.key("--name", "web", "--requests-per-minute", "600"), max_retries=0)

    def ask():
        return client.chat.completions.with_raw_response.create(model="simulated-1", messages=[{"role": "user", "content": "Say exactly: in."}])

    def update(*change):
        done = subprocess.run([processes.BINARY, "keys", "update", "web", "--data", limited.data, "--json", *change], capture_output=True, text=True, check=True)
        time.sleep(1.2)  # the server looks once a second
        return json.loads(done.stdout)

    assert [int(ask().headers["x-ratelimit-limit-requests"]) for _ in range(5)] == [600] * 5
    changed = update("--requests-per-minute", "2")
    assert changed["requests_per_minute"] == 2 and "key" not in changed
    with pytest.raises(openai.RateLimitError) as refused:
        for _ in range(3):
            ask()
    assert refused.value.response.headers["x-ratelimit-limit-requests"] == "2"
    update("--no-requests-per-minute", "--models", "another")
    with pytest.raises((openai.PermissionDeniedError, openai.NotFoundError, openai.BadRequestError)):
        ask()
    update("--models", "")
    answer = ask()
    assert answer.parse().choices[0].message.content == "in."
    assert "x-ratelimit-limit-requests" not in answer.headers
