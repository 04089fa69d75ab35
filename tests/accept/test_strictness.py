"""What the validators of Open Responses are strict about: fields that must be there, that are never null, and that are
left out rather than null."""
import pytest

import wire

FIELDS = {"id", "created_at", "completed_at", "status", "incomplete_details", "model", "previous_response_id",
          "instructions", "output", "error", "tools", "tool_choice", "truncation", "parallel_tool_calls", "text", "top_p",
          "presence_penalty", "frequency_penalty", "top_logprobs", "temperature", "reasoning", "usage",
          "max_output_tokens", "max_tool_calls", "store", "background", "service_tier", "metadata", "safety_identifier",
          "prompt_cache_key", "object"}
NULLABLE = {"completed_at", "incomplete_details", "previous_response_id", "instructions", "error", "reasoning", "usage",
            "max_output_tokens", "max_tool_calls", "safety_identifier", "prompt_cache_key"}
TOOL = {"type": "function", "name": "f"}


def strict(response):
    assert FIELDS <= set(response), FIELDS - set(response)
    for name, value in response.items():
        assert value is not None or name in NULLABLE, f"{name} is null"
    assert isinstance(response["created_at"], int) and type(response["completed_at"]) in (int, type(None))
    assert isinstance(response["service_tier"], str) and response["text"]["format"]["type"]
    if response["usage"] is not None:
        usage = response["usage"]
        assert usage["input_tokens"] + usage["output_tokens"] == usage["total_tokens"]
        assert isinstance(usage["input_tokens_details"]["cached_tokens"], int)
        assert isinstance(usage["output_tokens_details"]["reasoning_tokens"], int)
    for item in response["output"]:
        assert item["id"] and item["type"] and item["status"]
        assert item.get("phase", "") is not None
        for name in ("content", "summary", "encrypted_content"):
            assert item.get(name, "") is not None, f"{name} is null"
        for part in item.get("content", []):
            assert part["type"] != "output_text" or part["annotations"] == []
            assert part.get("logprobs", []) is not None
    for tool in response["tools"]:
        assert {"description", "parameters", "strict"} <= set(tool)


BODIES = {
    "least": {"input": "Say exactly: x"},
    "no-input-but-instructions": {"input": "Say exactly: x", "instructions": "Be brief."},
    "tool": {"input": "Use it", "tools": [TOOL]},
    "chosen": {"input": "Use it", "tools": [TOOL], "tool_choice": {"type": "function", "name": "f"}},
    "allowed": {"input": "Use it", "tools": [TOOL, {**TOOL, "name": "g"}], "tool_choice": {
        "type": "allowed_tools", "mode": "required", "tools": [{"type": "function", "name": "g"}]}},
    "json": {"input": "Some JSON.", "text": {"format": {"type": "json_object"}}},
    "tags": {"input": "Say exactly: x", "metadata": {"a": "b"}, "safety_identifier": "s", "prompt_cache_key": "k",
             "truncation": "auto", "max_tool_calls": 3, "max_output_tokens": 64, "parallel_tool_calls": False},
}


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
@pytest.mark.parametrize("way", ["json", "stream", "websocket"])
def test_every_field_is_there(create, way, body):
    response = create(way, **body)
    strict(response)
    for name in ("metadata", "safety_identifier", "prompt_cache_key", "truncation", "max_tool_calls",
                 "max_output_tokens", "parallel_tool_calls", "instructions", "tool_choice"):
        if name in body:
            assert response[name] == body[name], f"{name} is said back"


def test_in_every_event_of_a_stream(url, model):
    for event in wire.stream(url, {"model": model, "stream": True, "input": "Say exactly: x"}).events:
        if "response" in event:
            strict(event["response"])


def test_a_schema_is_said_back(create):
    schema = {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"], "additionalProperties": False}
    form = {"type": "json_schema", "name": "n", "schema": schema, "strict": True}
    response = create("json", input="Some JSON.", text={"format": form})
    assert response["text"]["format"]["schema"] == schema


@pytest.mark.parametrize("target, body, param", [
    ("/v1/responses", {"input": "x"}, "model"),
    ("/v1/responses", {"model": "chat"}, "input"),
    ("/v1/responses", {"model": "chat", "input": "x", "metadata": {"k" * 65: "v"}}, "metadata"),
    ("/v1/responses", {"model": "chat", "input": "x", "metadata": {"k": "v" * 513}}, "metadata.k"),
    ("/v1/responses", {"model": "chat", "input": "x", "metadata": {str(n): "v" for n in range(17)}}, "metadata"),
    ("/v1/responses", {"model": "chat", "input": "x", "safety_identifier": "s" * 65}, "safety_identifier"),
    ("/v1/responses", {"model": "chat", "input": "x", "prompt_cache_key": "s" * 65}, "prompt_cache_key"),
    ("/v1/responses", {"model": "chat", "input": "x", "max_output_tokens": 15}, "max_output_tokens"),
    ("/v1/responses", {"model": "chat", "input": "x", "max_tool_calls": 0}, "max_tool_calls"),
    ("/v1/responses", {"model": "chat", "input": "x", "top_logprobs": 21}, "top_logprobs"),
    ("/v1/responses", {"model": "chat", "input": "x", "truncation": "some"}, "truncation"),
    ("/v1/responses", {"model": "chat", "input": "x", "include": ["everything"]}, "include[0]"),
    ("/v1/responses", {"model": "chat", "input": "x", "tools": [{"type": "web_search"}]}, "tools[0].type"),
    ("/v1/responses", {"model": "chat", "input": "x", "tools": [{"type": "function", "name": "a b"}]}, "tools[0].name"),
    ("/v1/responses", {"model": "chat", "input": [{"role": "user", "content": [
        {"type": "input_image", "file_id": "file-1"}]}]}, "input[0].content[0].file_id"),
    ("/v1/responses", {"model": "chat", "input": [{"role": "user", "content": [
        {"type": "input_file", "file_id": "file-1"}]}]}, "input[0].content[0].file_id"),
    ("/v1/responses", {"model": "chat", "input": "x", "context_management": [
        {"type": "compaction", "compact_threshold": 10}]}, "context_management[0].compact_threshold"),
    ("/v1/responses", {"model": "chat", "input": "x", "nonsense": 1}, "nonsense"),
    ("/v1/responses/compact", {"model": "chat", "input": "x", "tools": []}, "tools"),
    ("/v1/responses/input_tokens", {"model": "chat", "input": "x", "stream": True}, "stream"),
    ("/v1/conversations", {"metadata": {"k": 1}}, "metadata.k"),
    ("/v1/embeddings", {"input": "x"}, "model"),
])
def test_bad_input_is_named_and_json(http, url, target, body, param):
    reply = http.post(target, json=body)
    assert reply.status_code == 400, reply.text
    assert reply.headers["content-type"] == "application/json"
    error = reply.json()["error"]
    assert error["param"] == param and error["message"] and error["type"] == "invalid_request_error" and error["code"]
    if target == "/v1/responses":
        with wire.WebSocket(url) as socket:
            turn = socket.turn(**body)
            assert turn.events[-1]["error"] == error, "a WebSocket says the same"
            assert turn.events[-1]["status"] == 400
            assert socket.turn(model="chat", input="Say exactly: usable").response["status"] == "completed"


@pytest.mark.parametrize("message, param", [
    ("{", None), ("[]", None), ('{"type":"response.cancel"}', "type"),
    ('{"type":"response.create","model":"chat","input":"x","stream":false}', "stream"),
    ('{"type":"response.create","model":"chat","input":"x","background":true}', "background"),
    ('{"type":"response.create","model":"chat","input":"x","stream_options":{}}', "stream_options"),
])
def test_a_message_that_is_wrong_leaves_the_socket_usable(socket, message, param, valid):
    import json
    socket.send(message)
    event = json.loads(socket.receive())
    valid(event)
    assert event["type"] == "error" and event["status"] == 400 and event["error"]["code"]
    assert event["error"]["param"] == param
    assert socket.turn(model="chat", input="Say exactly: usable").response["status"] == "completed"
