"""A real model (examples/local-model): it answers in every API that clients speak, and a conversation with it is cut by SIGKILL."""
import subprocess

import anthropic
import pytest

import processes
from conftest import Deployment

EXAMPLE = processes.ROOT / "examples/local-model"


@pytest.fixture(scope="module")
def model(logs):
    done = subprocess.run([EXAMPLE / "setup"], capture_output=True, text=True, timeout=300)
    if done.returncode != 0:
        pytest.skip(f"the local model's packages cannot be fetched: {done.stderr.strip().splitlines()[-1:]}")
    process = processes.Process([EXAMPLE / "run"], logs / "local-model.log")
    yield process
    process.stop()


@pytest.fixture(scope="module")
def served(model, tmp_path_factory):
    deployment = Deployment(tmp_path_factory.mktemp("real"), model)
    yield deployment
    assert deployment.server.stop() == 0


NAME, ASKED = "gemma-3-270m", "What is the capital of France? Answer in one short sentence."


def test_responses(served):
    client = served.client()
    answer = client.responses.create(model=NAME, input=ASKED, temperature=0)
    assert answer.status == "completed" and "Paris" in answer.output_text and answer.usage.output_tokens > 0
    with client.responses.stream(model=NAME, input=ASKED, temperature=0) as stream:
        pieces = [event.delta for event in stream if event.type == "response.output_text.delta"]
        final = stream.get_final_response()
    assert len(pieces) > 1 and "".join(pieces) == final.output_text == answer.output_text
    with client.responses.connect() as connection:
        connection.send({"type": "response.create", "model": NAME, "input": ASKED, "temperature": 0, "store": False})
        for event in connection:
            if event.type in ("response.completed", "response.failed", "error"):
                break
    assert event.response.output[0].content[0].text == answer.output_text


@pytest.mark.parametrize("store", [False, True], ids=["relayed", "stored"])
def test_chat_completions(served, store):
    asked = {"model": NAME, "messages": [{"role": "user", "content": ASKED}], "temperature": 0, "store": store}
    client = served.client().chat.completions
    answer = client.create(**asked).choices[0]
    assert "Paris" in answer.message.content and answer.finish_reason == "stop"
    pieces = [chunk.choices[0].delta.content or "" for chunk in client.create(**asked, stream=True) if chunk.choices]
    assert len(pieces) > 1 and "".join(pieces) == answer.message.content


def test_messages(served):
    client = anthropic.Anthropic(base_url=served.server.url, api_key="unused", max_retries=0).messages
    asked = {"model": NAME, "max_tokens": 64, "messages": [{"role": "user", "content": ASKED}], "extra_body": {"temperature": 0}}
    answer = client.create(**asked)
    assert "Paris" in answer.content[0].text and answer.stop_reason == "end_turn" and answer.usage.output_tokens > 0
    with client.stream(**asked) as stream:
        pieces = list(stream.text_stream)
    assert len(pieces) > 1 and "".join(pieces) == answer.content[0].text


def test_killed_and_continued(deploy, model):
    deployment = deploy(model)
    client = deployment.client()
    first = client.responses.create(model="gemma-3-270m", input="What is the capital of France?", temperature=0)
    assert first.status == "completed" and "Paris" in first.output_text

    seen = []
    stream = client.responses.create(model="gemma-3-270m", previous_response_id=first.id, stream=True, max_output_tokens=200,
                                     input="Tell me a long story about a lighthouse keeper and the sea.")
    for event in stream:  # three pieces, however the model words its story: it must not have ended by then
        seen.append(event.to_dict())
        if sum(e["type"] == "response.output_text.delta" for e in seen) == 3:
            break
    deployment.server.kill()
    stream.close()
    deployment.start()
    id = seen[0]["response"]["id"]
    rest = [e.to_dict() for e in deployment.client().responses.retrieve(id, stream=True, starting_after=seen[-1]["sequence_number"])]
    events = seen + rest
    assert [e["sequence_number"] for e in events] == list(range(len(events)))
    end = deployment.client().responses.retrieve(id)
    assert end.status in ("completed", "incomplete")  # incomplete: it reached max_output_tokens
    assert end.output_text == "".join(e["delta"] for e in events if e["type"] == "response.output_text.delta")
    assert len(end.output_text) > len("".join(e["delta"] for e in seen if e["type"] == "response.output_text.delta"))
