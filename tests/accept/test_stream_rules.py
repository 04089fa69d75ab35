"""What holds for every stream: its order, its numbers, its end; that what was streamed is what is stored and what is
fetched; that items are the sum of their deltas; that one event is one write."""
import json
import time

import pytest

import wire

TOOL = {"type": "function", "name": "get_weather", "description": "The weather at a place",
        "parameters": {"type": "object", "properties": {"location": {"type": "string"}}, "required": ["location"]}}
PERSON = {"type": "json_schema", "name": "person", "strict": True, "schema": {
    "type": "object", "properties": {"name": {"type": "string"}, "age": {"type": "integer"}},
    "required": ["name", "age"], "additionalProperties": False}}
KINDS = {
    "text": {"input": "Count from 1 to 40."},
    "words": {"input": "Write 300 words about the sea."},
    "empty-input-texts": {"input": [{"role": "user", "content": [{"type": "input_text", "text": "Count from 1 to"},
                                                                 {"type": "input_text", "text": " Count from 1 to 3."}]}]},
    "call": {"input": "What's the weather like in San Francisco?", "tools": [TOOL]},
    "calls": {"input": "What is the weather in Paris and Rome?", "tools": [TOOL]},
    "text-and-call": {"input": "First say: I shall look.\nWhat is the weather in Oslo?", "tools": [TOOL]},
    "structured": {"input": "Somebody called \"Ada\".", "text": {"format": PERSON}},
    "incomplete": {"input": "Count from 1 to 900.", "max_output_tokens": 16},
    "refusal": {"input": "Refuse: I would rather not."},
    "unicode": {"input": "Say exactly: \u2028 smörgås \U0001f41f \"quoted\" \\ back\tslash"},
}
REASONING = {"input": "Think first. Say exactly: done", "reasoning": {"effort": "low", "summary": "auto"}}
# Events of reasoning have the names of OpenAI's API (docs/decisions/0021-open-responses-and-its-clients.md): no schema of Open Responses is theirs.
OPENAI_ONLY = {"response.reasoning_text.delta", "response.reasoning_text.done"}


@pytest.fixture(params=KINDS)
def body(request):
    return KINDS[request.param]


class Machine:
    """Takes the events of a response one by one, refuses those that are out of order, and puts its items together."""

    def __init__(self):
        self.items, self.open, self.part, self.state, self.last = [], None, None, "new", None

    def take(self, event, number):
        assert event["sequence_number"] == number, "numbers have no gaps"
        assert self.state != "ended", "nothing follows the end"
        kind = event["type"].removeprefix("response.")
        if number == 0:
            assert kind == "created", "the first event"
        if kind in ("created", "queued", "in_progress"):
            before = {"created": ["new"], "queued": ["created"], "in_progress": ["created", "queued"]}[kind]
            assert self.state in before, f"{kind} after {self.state}"
            self.state = kind
            assert event["response"]["output"] == []
        elif kind in ("completed", "failed", "incomplete"):
            assert self.open is None, "an item is open"
            if kind == "failed":
                assert self.last["type"] == "error", "an error is followed by response.failed"
            assert event["response"]["status"] in (kind, "cancelled")
            assert event["response"]["output"] == self.items, "the response is the sum of its items"
            self.state = "ended"
        elif kind == "error":
            assert event["error"]["code"] and event["error"]["message"]
        else:
            assert self.state == "in_progress"
            getattr(self, kind.replace(".", "_"))(event)
        self.last = event

    def output_item_added(self, event):
        assert self.open is None, "one item at a time"
        item = event["item"]
        assert event["output_index"] == len(self.items) and item["id"] and item["status"] == "in_progress"
        assert item["type"] != "message" or (item["role"] == "assistant" and item["content"] == [])
        assert item["type"] != "function_call" or (item["name"] and item["call_id"] and item["arguments"] == "")
        self.open = json.loads(json.dumps(item))
        self.arguments = None

    def of_open(self, event):
        assert self.open is not None and event["item_id"] == self.open["id"]
        assert event["output_index"] == len(self.items)

    def output_item_done(self, event):
        item = event["item"]
        assert self.open is not None and self.part is None and event["output_index"] == len(self.items)
        assert item["status"] in ("completed", "incomplete")
        if item["type"] == "function_call":
            assert self.arguments == item["arguments"], "arguments are the sum of their deltas, and were done"
        shown = {**self.open, "status": item["status"]}
        if "encrypted_content" in item:
            shown["encrypted_content"] = item["encrypted_content"]
        assert shown == item, "an item is the sum of its deltas"
        self.items.append(item)
        self.open = None

    def begin_part(self, event, where):
        self.of_open(event)
        assert self.part is None, "one part at a time"
        parts = self.open.setdefault(where, [])
        assert event["summary_index" if where == "summary" else "content_index"] == len(parts)
        self.part = (where, json.loads(json.dumps(event["part"])))
        parts.append(self.part[1])

    def end_part(self, event):
        self.of_open(event)
        assert self.part is not None and self.part[1] == event["part"], "a part is the sum of its deltas"
        self.part = None

    def content_part_added(self, event):
        assert (event["part"].get("text") or event["part"].get("refusal") or "") == ""
        self.begin_part(event, "content")

    content_part_done = end_part
    reasoning_summary_part_done = end_part

    def reasoning_summary_part_added(self, event):
        self.begin_part(event, "summary")

    def delta(self, event, kind, field="text"):
        self.of_open(event)
        assert self.part is not None and self.part[1]["type"] == kind and event["delta"]
        self.part[1][field] += event["delta"]

    def done(self, event, kind, field="text"):
        self.of_open(event)
        assert self.part is not None and self.part[1]["type"] == kind and self.part[1][field] == event[field]

    def output_text_delta(self, event):
        self.delta(event, "output_text")

    def output_text_done(self, event):
        self.done(event, "output_text")

    def refusal_delta(self, event):
        self.delta(event, "refusal", "refusal")

    def refusal_done(self, event):
        self.done(event, "refusal", "refusal")

    def reasoning_text_delta(self, event):
        self.delta(event, "reasoning_text")

    def reasoning_text_done(self, event):
        self.done(event, "reasoning_text")

    reasoning_delta, reasoning_done = reasoning_text_delta, reasoning_text_done

    def reasoning_summary_text_delta(self, event):
        self.delta(event, "summary_text")

    def reasoning_summary_text_done(self, event):
        self.done(event, "summary_text")

    def function_call_arguments_delta(self, event):
        self.of_open(event)
        assert self.arguments is None and self.open["type"] == "function_call" and event["delta"]
        self.open["arguments"] += event["delta"]

    def function_call_arguments_done(self, event):
        self.of_open(event)
        assert event["arguments"] == self.open["arguments"]
        self.arguments = event["arguments"]


def walk(events, valid=None):
    machine = Machine()
    for number, event in enumerate(events):
        machine.take(event, number)
        if valid and event["type"] not in OPENAI_ONLY:
            valid(event)
    assert machine.state == "ended"
    response = events[-1]["response"]
    unfinished = [item["status"] != "completed" for item in machine.items]
    assert not any(unfinished[:-1]), "only the last item may be incomplete"
    if any(unfinished):
        assert response["status"] != "completed"
    if valid:
        valid(response, "ResponseResource")
    return response


def stream(url, **body):
    came = wire.stream(url, {"stream": True, **body})
    assert came.status == 200, came.text
    return came


def test_streamed_stored_and_fetched_are_the_same(url, http, model, body, valid):
    came = stream(url, model=model, **body)
    response = walk(came.events, valid)
    assert http.get(f"/v1/responses/{response['id']}").json() == response
    again = wire.stream(url, None, f"/v1/responses/{response['id']}?stream=true", "GET")
    assert again.bytes == came.bytes
    for after in {0, 1, len(came.events) // 2, len(came.events) - 2, len(came.events) - 1}:
        rest = wire.stream(url, None, f"/v1/responses/{response['id']}?stream=true&starting_after={after}", "GET")
        assert rest.done and rest.events == came.events[after + 1:]


def test_a_stream_that_is_not_stored_keeps_the_same_rules(url, http, model, body, valid):
    came = stream(url, model=model, store=False, **body)
    # Of the same dialect it is passed on as the supplier wrote it: then its rules are the supplier's.
    relayed = model == "responses"
    response = came.response if relayed else walk(came.events, valid)
    assert response["store"] is False
    assert http.get(f"/v1/responses/{response['id']}").status_code == 404


def test_a_websocket_says_the_same_events(url, model, body, valid):
    with wire.WebSocket(url) as socket:
        for _ in range(2):
            turn = socket.turn(model=model, **body)
            response = walk(turn.events, valid)
    again = wire.stream(url, None, f"/v1/responses/{response['id']}?stream=true", "GET")
    assert again.events == turn.events


def test_a_background_stream_too(url, http, model, body, valid):
    made = http.post("/v1/responses", json={"model": model, "background": True, **body}).json()
    assert made["status"] in ("queued", "in_progress", "completed", "incomplete")
    valid(made, "ResponseResource")
    came = wire.stream(url, None, f"/v1/responses/{made['id']}?stream=true", "GET")
    walk(came.events, valid)
    assert came.done


def test_json_is_what_a_stream_ends_with(url, http, model, body, valid):
    whole = http.post("/v1/responses", json={"model": model, **body}).json()
    streamed = stream(url, model=model, **body).response
    valid(whole, "ResponseResource")

    def comparable(response):
        out = json.loads(json.dumps(response))
        for field in ("id", "created_at", "completed_at", "usage"):
            out.pop(field, None)
        for item in out["output"]:
            item.pop("id"), item.pop("call_id", None), item.pop("encrypted_content", None)
        return out
    assert comparable(whole) == comparable(streamed)


@pytest.mark.parametrize("way", ["stream", "websocket"])
def test_reasoning_is_shown_before_the_answer(url, http, model, way, valid):
    if way == "stream":
        events = stream(url, model=model, **REASONING).events
    else:
        with wire.WebSocket(url) as socket:
            events = socket.turn(model=model, **REASONING).events
    response = walk(events, valid)
    assert response["status"] == "completed", response["error"]
    assert http.get(f"/v1/responses/{response['id']}").json() == response
    kinds = [item["type"] for item in response["output"]]
    message = kinds.index("message")
    assert response["output"][message]["content"][0]["text"] == "done"
    # A supplier of chat completions has no place for it but a field of its own. Behind the message may stand what
    # vouches for it, with nothing to see.
    if model != "chat":
        assert kinds[0] == "reasoning" and (response["output"][0]["summary"] or response["output"][0]["content"])
    for item in response["output"][message + 1:]:
        assert item["type"] == "reasoning" and not item["summary"] and not item.get("content")
    assert not any(event["type"].startswith("response.reasoning.") for event in events), "never both names"


def test_a_failure_in_the_middle_is_an_error_and_then_failed(url, http, supplier, model, valid):
    import httpx
    httpx.post(supplier.url + "/__faults", json={"faults": "status=400"}).raise_for_status()
    try:
        came = stream(url, model=model, input="Count from 1 to 3.")
    finally:
        httpx.post(supplier.url + "/__faults", json={"faults": ""}).raise_for_status()
    response = walk(came.events, valid)
    assert came.done
    assert response["status"] == "failed" and response["error"]["code"] and response["error"]["message"]
    assert came.names[-2:] == ["error", "response.failed"]
    assert http.get(f"/v1/responses/{response['id']}").json() == response


def test_a_cancelled_one_ends_incomplete(http, url, model, valid):
    made = http.post("/v1/responses", json={"model": model, "background": True,
                                            "input": "Write 50000 words about rivers."}).json()
    while not http.get(f"/v1/responses/{made['id']}").json()["output"]:
        time.sleep(0.01)
    cancelled = http.post(f"/v1/responses/{made['id']}/cancel").json()
    if cancelled["status"] == "completed":
        pytest.skip("the answer was faster than its cancellation")
    assert cancelled["status"] == "cancelled"
    came = wire.stream(url, None, f"/v1/responses/{made['id']}?stream=true", "GET")
    assert walk(came.events, valid) == cancelled


def test_bytes_of_a_stream(url, model, body):
    came = stream(url, model=model, **body)
    assert came.headers["content-type"] == "text/event-stream"
    assert b"\r" not in came.bytes, "line feeds only"
    assert came.done and came.bytes.endswith(b"data: [DONE]\n\n")
    assert came.names == [event["type"] for event in came.events], "the event's name is the type of its body"
    assert b"\nid:" not in came.bytes and not came.bytes.startswith(b"id:")
    for chunk in came.chunks:
        assert chunk.endswith(b"\n\n"), "whole events are written, each at once"


def test_a_reply_that_is_no_stream_is_json_and_nothing_else(url, model):
    status, headers, chunks = wire.request(url, "POST", "/v1/responses", {"model": model, "input": "Say exactly: x"})
    assert status == 200 and headers["content-type"] == "application/json"
    json.loads(b"".join(chunks))
