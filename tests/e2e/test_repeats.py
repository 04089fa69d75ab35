"""What an official SDK does by itself after a lost reply: it repeats the create, without an idempotency key."""
import anthropic
import openai
import pytest

import processes


@pytest.fixture
def late_upstream(tmp_path):
    """Says nothing for three seconds."""
    process = processes.simulate(tmp_path / "simulate-late.log", "--first-token", "3s")
    yield process
    process.stop()


def made_and_asked(deployment, upstream):
    with deployment.http() as http:
        made = http.get("/v1/x/responses").json()["data"]
        asked = http.get(f"{upstream.url.removesuffix('/v1')}/__stats").json()["requests"]
    return len(made), asked


def test_openai(deploy, late_upstream):
    deployment = deploy(late_upstream)
    client = openai.OpenAI(base_url=deployment.url, api_key="unused", timeout=1.0, max_retries=8)
    response = client.responses.create(model="simulated-1", input="Say exactly: only once.")
    assert response.output_text == "only once."
    assert made_and_asked(deployment, late_upstream) == (1, 1)


def test_openai_chat(deploy, late_upstream):
    deployment = deploy(late_upstream)
    client = openai.OpenAI(base_url=deployment.url, api_key="unused", timeout=1.0, max_retries=8)
    completion = client.chat.completions.create(model="simulated-1", store=True,
                                                messages=[{"role": "user", "content": "Say exactly: only once."}])
    assert completion.choices[0].message.content == "only once."
    assert made_and_asked(deployment, late_upstream) == (1, 1)


def test_anthropic(deploy, late_upstream):
    deployment = deploy(late_upstream)
    client = anthropic.Anthropic(base_url=deployment.url.removesuffix("/v1"), api_key="unused", timeout=1.0, max_retries=8,
                                 default_headers={"x-perdure-store": "1"})
    message = client.messages.create(model="simulated-1", max_tokens=100,
                                     messages=[{"role": "user", "content": "Say exactly: only once."}])
    assert message.content[0].text == "only once."
    assert made_and_asked(deployment, late_upstream) == (1, 1)
