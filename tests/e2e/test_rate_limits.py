"""Limits of an API key, as the official SDKs take them: they wait as long as they are told, and then are served."""
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

    def ask(words):
        return client.messages.with_raw_response.create(model="simulated-1", max_tokens=4000, messages=[{"role": "user", "content": words}])

    assert int(ask("Say exactly: in.").headers["anthropic-ratelimit-tokens-remaining"]) == 1000
    left = int(ask("Say exactly: in.").headers["anthropic-ratelimit-tokens-remaining"])
    assert 900 < left < 1000, "what it has used, not what it might have"
    ask("Count from 1 to 700.")
    with pytest.raises(anthropic.RateLimitError) as refused:
        ask("Say exactly: out.")
    assert refused.value.body["error"]["type"] == "rate_limit_error"
    assert int(refused.value.response.headers["retry-after"]) >= 1
    assert refused.value.response.headers["anthropic-ratelimit-tokens-remaining"] == "0"
    page = httpx.get(f"{limited.server.url}/metrics", headers={"x-api-key": limited.key("--scopes", "audit")}).text
    assert "perdure_rate_limited_total 1" in page
