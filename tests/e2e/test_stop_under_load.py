"""SIGTERM while many answers of every kind are on their way, on several loops: the server ends in order and in time, and
with its next start every stored answer is whole, and begins with what its client has seen."""
import json
import pathlib
import sys
import time

import processes
import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "withdraw"))
from crowd import Crowd, Stream, body_of  # noqa: E402

STREAMS = 40
PROMPT = "Count from 1 to 120."


@pytest.fixture
def start(slow_upstream, tmp_path):
    (tmp_path / "perdure.yaml").write_text("cores: 4\ndrain: 300ms\n")
    servers = []

    def one():
        servers.append(processes.serve(tmp_path / "data", tmp_path / "serve.log", slow_upstream.url, "--config", tmp_path / "perdure.yaml"))
        return servers[-1]

    yield one
    for server in servers:
        if server.alive():
            server.stop()


def seen(stream):
    """The id of an answer over the Responses API, and the text that came of it."""
    got, text = None, ""
    for line in b"".join(data for _, data in stream.reads).split(b"\n"):
        if not line.startswith(b"data: {") or not line.endswith(b"}"):
            continue  # the chunks of the transfer, or a line that was cut
        event = json.loads(line[6:])
        if event["type"] == "response.created":
            got = event["response"]["id"]
        elif event["type"] == "response.output_text.delta":
            text += event["delta"]
    return got, text


def test_stop_under_load(start):
    import httpx
    server = start()
    streams = []
    for number in range(STREAMS):
        dialect = ("responses", "responses", "chat", "messages")[number % 4]
        body = body_of(dialect, "simulated-1", PROMPT)
        if dialect == "responses":
            body["store"] = number % 8 != 0
        streams.append(Stream(server.port, dialect, body))
    with Crowd() as crowd:
        crowd.add(streams)
        assert crowd.until(lambda: all(stream.marks > 1 for stream in streams), 60)
        # Some clients leave at the same moment.
        for stream in streams[::7]:
            crowd.drop(stream)
        server.signal(15)
        assert crowd.finish(60)
    assert server.popen.wait(60) == 0, server.output()[-4000:].decode(errors="replace")
    stored = [seen(stream) for stream in streams if stream.body.get("store")]
    assert len(stored) >= STREAMS // 4
    assert any(not text.endswith("120") for _, text in stored), "nothing was cut: this shows nothing"

    server = start()
    with httpx.Client(base_url=server.url, timeout=60) as http:
        for got, text in stored:
            assert got and text
            end = time.monotonic() + 60
            while (answer := http.get(f"/v1/responses/{got}").json())["status"] == "in_progress" and time.monotonic() < end:
                time.sleep(0.1)
            assert answer["status"] == "completed", answer
            whole = "".join(part["text"] for item in answer["output"] for part in item.get("content", []))
            assert whole.startswith(text), (whole, text)
    assert server.stop() == 0
