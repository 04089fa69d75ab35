"""Frameworks over networks that fail, and people who leave: a reply that is lost is asked for again and is the same one; what is
stored goes on without its reader."""
import time
import uuid

import httpx
import pytest

from conftest import Deployment
from frameworks import CLIENTS
from gate import Gate

RESPONSES = ["openai-py responses", "openai-js responses", "ai-sdk openai", "ai-sdk open-responses", "agents-py", "agents-js",
             "langchain-py responses", "langchain-js responses", "pydantic-ai responses"]


@pytest.fixture(scope="module")
def own(tmp_path_factory, upstream):
    deployment = Deployment(tmp_path_factory.mktemp("networks"), upstream)
    yield deployment
    assert deployment.server.stop() == 0


@pytest.fixture(scope="module")
def slowly(tmp_path_factory, slow_upstream):
    deployment = Deployment(tmp_path_factory.mktemp("leaving"), slow_upstream)
    yield deployment
    assert deployment.server.stop() == 0


def stored(deployment):
    with deployment.http() as http:
        return {one["id"] for one in http.get("/v1/x/responses", params={"limit": 1000}).json()["data"]}


@pytest.mark.parametrize("name", RESPONSES)
def test_a_lost_reply_is_asked_for_again(own, name):
    """The client's own retry, with an idempotency key: the model is asked once."""
    before, gate = stored(own), Gate(own.server.url)
    try:
        client = CLIENTS[name].make(gate.url + "/v1", "simulated-1", retries=2, headers={"Idempotency-Key": str(uuid.uuid4())})
        answer = client.text("Say exactly: once and no more")
    finally:
        gate.close()
    assert answer["text"] == "once and no more", answer
    assert gate.lost == 1
    assert len(stored(own) - before) == 1


@pytest.mark.parametrize("name", ["openai-py chat", "openai-js chat", "anthropic-py", "anthropic-js", "ai-sdk openai-compatible",
                                  "ai-sdk anthropic", "langchain-py chat", "langchain-js chat", "agents-py chat",
                                  "pydantic-ai chat"])
def test_a_lost_reply_that_is_not_stored_is_made_again(own, name):
    gate = Gate(own.server.url)
    try:
        answer = CLIENTS[name].make(gate.url + "/v1", "simulated-1", retries=2).text("Say exactly: twice then")
    finally:
        gate.close()
    assert answer["text"] == "twice then" and gate.lost == 1, answer


@pytest.mark.parametrize("name", ["ai-sdk openai", "agents-py", "agents-js", "langchain-py responses", "langchain-js responses"])
def test_who_leaves_does_not_stop_a_stored_answer(slowly, name):
    before = stored(slowly)
    left = CLIENTS[name].make(slowly.url, "simulated-1").leave("Count from 1 to 40.", after=4)
    assert 4 <= len(left["pieces"]) < 79, left
    (id,) = stored(slowly) - before
    with slowly.http() as http:
        deadline = time.monotonic() + 30
        while (now := http.get(f"/v1/responses/{id}").json())["status"] == "in_progress":
            assert time.monotonic() < deadline
            time.sleep(0.05)
    assert now["status"] == "completed"
    text = now["output"][0]["content"][0]["text"]
    assert text == ", ".join(str(n) for n in range(1, 41)) and text.startswith("".join(left["pieces"]))


@pytest.mark.parametrize("name", ["ai-sdk openai-compatible", "agents-js chat", "langchain-py chat", "langchain-js chat"])
def test_who_leaves_ends_what_is_not_stored(slowly, name):
    left = CLIENTS[name].make(slowly.url, "simulated-1").leave("Count from 1 to 2000.", after=4)
    assert 4 <= len(left["pieces"]) < 200, left
    deadline = time.monotonic() + 10
    while streams(slowly) > 0:
        assert time.monotonic() < deadline, "the stream goes on without its reader"
        time.sleep(0.05)


def streams(deployment):
    for line in httpx.get(deployment.server.url + "/metrics").text.split("\n"):
        if line.startswith("perdure_streams_open "):
            return float(line.split()[-1])
    raise AssertionError("no count of streams in /metrics")
