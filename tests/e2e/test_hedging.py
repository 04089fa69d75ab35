"""A supplier that stays silent is outrun by another: on streams that are passed on byte for byte, and on those that are not."""
import json
import time

import httpx
import pytest

import processes

CONFIG = """providers:
  - {{name: slow, base_url: "{slow}/v1"}}
  - {{name: quick, base_url: "{quick}/v1"}}
models:
  - {{name: m, provider: slow, upstream_model: simulated-1}}
  - {{name: m, provider: quick, upstream_model: simulated-1}}
workloads:
  - {{name: default, hedge_after: 300ms}}
"""


@pytest.fixture
def hedged(tmp_path):
    slow = processes.simulate(tmp_path / "slow.log", "--first-token", "20s")
    quick = processes.simulate(tmp_path / "quick.log")
    config = tmp_path / "perdure.yaml"
    config.write_text(CONFIG.format(slow=slow.url.removesuffix("/v1"), quick=quick.url.removesuffix("/v1")))
    server = processes.Process([processes.BINARY, "serve", "--config", config, "--listen", "127.0.0.1:0", "--data", tmp_path / "data", "--cores", "1"],
                               tmp_path / "serve.log")
    yield server
    for process in (server, slow, quick):
        process.stop()


def metric(server, name):
    page = httpx.get(f"{server.url}/metrics").text
    return next(float(line.split()[-1]) for line in page.splitlines() if line.startswith(name + " "))


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/messages"])
def test_a_silent_supplier_is_outrun(hedged, path):
    body = {"model": "m", "stream": True, "max_tokens": 100, "messages": [{"role": "user", "content": "Say exactly: here."}]}
    relayed = metric(hedged, "perdure_relayed_total")
    began = time.monotonic()
    text, ended = "", False
    with httpx.stream("POST", hedged.url + path, json=body, timeout=60, headers={"anthropic-version": "2023-06-01"}) as reply:
        assert reply.status_code == 200
        for line in reply.iter_lines():
            ended = ended or line in ("data: [DONE]", "event: message_stop")
            if line.startswith("data: {"):
                event = json.loads(line[6:])
                text += (event.get("delta") or {}).get("text") or ""
                for choice in event.get("choices", []):
                    text += choice["delta"].get("content") or ""
    took = time.monotonic() - began
    assert text == "here." and ended
    assert 0.3 <= took < 10, took
    assert metric(hedged, "perdure_hedges_total") == 1 and metric(hedged, "perdure_hedges_won_total") == 1
    passed_on = metric(hedged, "perdure_relayed_total") - relayed
    assert passed_on == (1 if path.endswith("completions") else 0)
    deployments = httpx.get(f"{hedged.url}/v1/x/deployments").json()
    assert all(each["in_flight"] == 0 for each in deployments["data"]), deployments
