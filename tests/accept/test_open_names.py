"""With `reasoning_events: open_responses` every event, those of reasoning too, is one of the description's."""
import pytest

import processes
import wire
from models import CONFIG, UPSTREAM
from test_stream_rules import REASONING, walk


@pytest.fixture(scope="module")
def open_url(supplier, tmp_path_factory):
    folder = tmp_path_factory.mktemp("open-names")
    text = "reasoning_events: open_responses\n" + CONFIG.format(url=supplier.url)
    for model in ("chat", "responses", "messages"):
        text += f"  - {{name: {model}, provider: {model}, upstream_model: {UPSTREAM.get(model, 'simulated-1')}}}\n"
    (folder / "perdure.yaml").write_text(text)
    process = processes.serve(folder / "data", folder / "serve.log", None, "--config", folder / "perdure.yaml",
                              env={"KEY": "k"})
    yield process.url
    assert process.stop() == 0


@pytest.mark.parametrize("model", ["chat", "messages"])
def test_events_of_reasoning(open_url, model, valid):
    body = {"model": model, **(REASONING if model == "messages" else {"input": "Think first. Say exactly: done"})}
    came = wire.stream(open_url, {"stream": True, **body})
    walk(came.events)
    for event in came.events:
        valid(event)
    assert not any("reasoning_text" in name for name in came.names)
    if model == "messages":
        assert "response.reasoning.delta" in came.names or "response.reasoning_summary_text.delta" in came.names
    again = wire.stream(open_url, None, f"/v1/responses/{came.response['id']}?stream=true", "GET")
    assert again.bytes == came.bytes
    with wire.WebSocket(open_url) as socket:
        turn = socket.turn(**body)
    walk(turn.events)
    for event in turn.events:
        valid(event)
    assert [event["type"] for event in turn.events] == came.names
