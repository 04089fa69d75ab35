"""One conversation, cut by SIGKILL, on a real model (examples/local-model)."""
import subprocess

import pytest

import processes

EXAMPLE = processes.ROOT / "examples/local-model"


@pytest.fixture(scope="module")
def model(logs):
    done = subprocess.run([EXAMPLE / "setup"], capture_output=True, text=True, timeout=300)
    if done.returncode != 0:
        pytest.skip(f"the local model's packages cannot be fetched: {done.stderr.strip().splitlines()[-1:]}")
    process = processes.Process([EXAMPLE / "run"], logs / "local-model.log")
    yield process
    process.stop()


def test_real_model(deploy, model):
    deployment = deploy(model)
    client = deployment.client()
    first = client.responses.create(model="gemma-3-270m", input="What is the capital of France?", temperature=0)
    assert first.status == "completed" and "Paris" in first.output_text

    seen = []
    stream = client.responses.create(model="gemma-3-270m", previous_response_id=first.id, stream=True, max_output_tokens=200,
                                     input="Tell me a long story about a lighthouse keeper and the sea.")
    for event in stream:
        seen.append(event.to_dict())
        if len(seen) == 25:
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
