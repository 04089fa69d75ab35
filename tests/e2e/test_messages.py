"""Anthropic's API with both of its SDKs, over a supplier that speaks it and one that does not: create, stream, resume, store,
tools, images, thinking, counting, models, errors."""
import base64
import json
import pathlib
import struct
import zlib

import anthropic
import pytest

import processes
from conftest import Deployment

SCRIPT = pathlib.Path(__file__).parent / "messages.mjs"
WEATHER = {"name": "get_weather", "description": "The weather in a city", "input_schema": {
    "type": "object", "properties": {"location": {"type": "string"}}, "required": ["location"]}}


class Python:
    """The calls of messages.mjs with the Python SDK, in this process."""

    def __init__(self, deployment):
        self.client = anthropic.Anthropic(base_url=deployment.server.url, api_key="unused", max_retries=0)

    def _guard(self, call):
        try:
            return call()
        except anthropic.APIStatusError as error:
            inner = (error.body or {}).get("error") or {}
            return {"failed": type(error).__name__, "status": error.status_code, "type": inner.get("type"),
                    "message": inner.get("message")}

    def create(self, body, headers=None):
        def call():
            # top_k is a field of the API that this SDK has no argument for any more.
            named = {name: value for name, value in body.items() if name != "top_k"}
            more = {"top_k": body["top_k"]} if "top_k" in body else None
            raw = self.client.messages.with_raw_response.create(**named, extra_body=more, extra_headers=headers)
            return {"message": raw.parse().to_dict(), "id": raw.headers.get("x-perdure-response-id"),
                    "dropped": raw.headers.get("x-perdure-dropped")}
        return self._guard(call)

    def stream(self, body, headers=None):
        def call():
            stream = self.client.messages.create(**body, stream=True, extra_headers=headers)
            events = [event.to_dict() for event in stream]
            return {"events": events, "id": stream.response.headers.get("x-perdure-response-id")}
        return self._guard(call)

    def put_together(self, body, headers=None):
        def call():
            with self.client.messages.stream(**body, extra_headers=headers) as stream:
                return stream.get_final_message().to_dict()
        return self._guard(call)

    def count(self, body):
        return self._guard(lambda: self.client.messages.count_tokens(**body).to_dict())

    def models(self):
        return self._guard(lambda: {"found": [one.id for one in self.client.models.list()]})


class Node:
    def __init__(self, deployment):
        self.call = lambda name, **arguments: deployment.node(name, script_path=SCRIPT, **arguments)

    def create(self, body, headers=None):
        return self.call("create", body=body, headers=headers or {})

    def stream(self, body, headers=None):
        return self.call("stream", body=body, headers=headers or {})

    def put_together(self, body, headers=None):
        return self.call("put_together", body=body, headers=headers or {})

    def count(self, body):
        return self.call("count", body=body)

    def models(self):
        return self.call("models")


@pytest.fixture(params=[Python, Node], ids=["python", "node"])
def sdk(request):
    return request.param


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    """One server; "claude" is served by a supplier of this very dialect, "gpt" by one of Chat Completions."""
    folder = tmp_path_factory.mktemp("messages")
    supplier = processes.simulate(folder / "simulate.log", "--model", "*")
    config = folder / "perdure.yaml"
    config.write_text(f"""
providers:
  - {{name: theirs, base_url: '{supplier.url}/v1', dialect: messages, api_key: env:SUPPLIER_KEY}}
  - {{name: other, base_url: '{supplier.url}/v1', dialect: chat, api_key: env:SUPPLIER_KEY}}
models:
  - {{name: claude, provider: theirs, upstream_model: claude-sonnet-4-5}}
  - {{name: gpt, provider: other, upstream_model: gpt-5}}
""")

    class Both(Deployment):
        def start(self):
            self.server = processes.serve(self.data, self.folder / "serve.log", None, "--config", config,
                                          env={"SUPPLIER_KEY": "unused"})

    deployment = Both(folder, None)
    yield deployment
    assert deployment.server.stop() == 0
    assert supplier.stop() == 0


@pytest.fixture(params=["claude", "gpt"])
def model(request):
    return request.param


def ask(model, said, **more):
    messages = said if isinstance(said, list) else [{"role": "user", "content": said}]
    return {"model": model, "max_tokens": 4096, "messages": messages, **more}


KEPT = {"x-perdure-store": "1"}


def text(message):
    return "".join(block["text"] for block in message["content"] if block["type"] == "text")


@pytest.mark.parametrize("headers", [None, KEPT], ids=["unstored", "stored"])
def test_create(sdk, both, model, headers):
    made = sdk(both).create(ask(model, "Say exactly: hello from here"), headers=headers)
    message = made["message"]
    assert text(message) == "hello from here"
    assert message["type"] == "message" and message["role"] == "assistant" and message["stop_reason"] == "end_turn"
    assert message["usage"]["input_tokens"] > 0 and message["usage"]["output_tokens"] > 0


@pytest.mark.parametrize("headers", [None, KEPT], ids=["unstored", "stored"])
def test_stream(sdk, both, model, headers):
    told = sdk(both).stream(ask(model, "Count from 1 to 20."), headers=headers)
    kinds = [event["type"] for event in told["events"] if event["type"] != "ping"]
    assert kinds[:2] == ["message_start", "content_block_start"]
    assert kinds[-3:] == ["content_block_stop", "message_delta", "message_stop"]
    said = "".join(e["delta"]["text"] for e in told["events"] if e["type"] == "content_block_delta")
    assert said.startswith("1, 2, 3") and said.endswith("19, 20")


def test_sdks_put_a_stream_together(sdk, both, model):
    built = sdk(both).put_together(ask(model, "Count from 1 to 12."), headers=KEPT)
    assert text(built) == text(sdk(both).create(ask(model, "Count from 1 to 12."))["message"])
    assert built["stop_reason"] == "end_turn"


def test_resume(sdk, both, model):
    told = sdk(both).stream(ask(model, "Count from 1 to 20."), headers=KEPT)
    with both.http() as http:
        for after in (0, len(told["events"]) // 2, len(told["events"]) - 2):
            reply = http.get(f"/v1/x/responses/{told['id']}/stream", params={"dialect": "messages", "after": after})
            data = [json.loads(line[6:]) for line in reply.text.split("\n") if line.startswith("data: ")]
            assert [one["type"] for one in data] == [one["type"] for one in told["events"][after + 1:]]
            assert "[DONE]" not in reply.text


def test_tools(sdk, both, model):
    said = [{"role": "user", "content": "What's the weather like in Paris and in Rome?"}]
    first = sdk(both).create(ask(model, said, tools=[WEATHER]))["message"]
    assert first["stop_reason"] == "tool_use"
    uses = [block for block in first["content"] if block["type"] == "tool_use"]
    assert [use["input"]["location"] for use in uses] == ["Paris", "Rome"]
    said += [{"role": "assistant", "content": first["content"]},
             {"role": "user", "content": [{"type": "tool_result", "tool_use_id": use["id"], "content": degrees}
                                          for use, degrees in zip(uses, ("18 degrees", "25 degrees"))]}]
    answer = sdk(both).create(ask(model, said, tools=[WEATHER]))["message"]
    assert "18 degrees" in text(answer) and "25 degrees" in text(answer)


def test_a_tool_that_failed(sdk, both, model):
    said = [{"role": "user", "content": "What's the weather like in Paris?"}]
    first = sdk(both).create(ask(model, said, tools=[WEATHER]))["message"]
    use = next(block for block in first["content"] if block["type"] == "tool_use")
    said += [{"role": "assistant", "content": first["content"]},
             {"role": "user", "content": [{"type": "tool_result", "tool_use_id": use["id"], "is_error": True,
                                           "content": "no such city"}]}]
    assert "no such city" in text(sdk(both).create(ask(model, said, tools=[WEATHER]))["message"])


def test_images(sdk, both, model):
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    raw = (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 2, 0, 0, 0))
           + chunk(b"IDAT", zlib.compress(bytes([0, 255, 0, 0]))) + chunk(b"IEND", b""))
    image = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": base64.b64encode(raw).decode()}}
    said = [{"role": "user", "content": [image, {"type": "text", "text": "What is this?"}]}]
    answer = text(sdk(both).create(ask(model, said), headers=KEPT)["message"])
    assert f"image/png of {len(raw)} bytes (crc32 {zlib.crc32(raw):08x})" in answer


def test_thinking_comes_back_to_its_issuer(sdk, both):
    thinking = {"type": "enabled", "budget_tokens": 1024}
    said = [{"role": "user", "content": "Think first. What's the weather like in Paris?"}]
    first = sdk(both).create(ask("claude", said, tools=[WEATHER], thinking=thinking), headers=KEPT)["message"]
    thought = next(block for block in first["content"] if block["type"] == "thinking")
    assert thought["thinking"] and thought["signature"].startswith("pd1.")
    use = next(block for block in first["content"] if block["type"] == "tool_use")
    said += [{"role": "assistant", "content": first["content"]},
             {"role": "user", "content": [{"type": "tool_result", "tool_use_id": use["id"], "content": "18 degrees"}]}]
    answer = sdk(both).create(ask("claude", said, tools=[WEATHER], thinking=thinking))
    assert "18 degrees" in text(answer["message"]), "the supplier takes nothing but its own signature"


def test_counting(sdk, both):
    body = {"messages": [{"role": "user", "content": "How many tokens is this?"}]}
    assert sdk(both).count(body | {"model": "claude"})["input_tokens"] > 0
    refused = sdk(both).count(body | {"model": "gpt"})
    assert refused["failed"] == "BadRequestError" and "counts tokens" in refused["message"], refused


def test_models(sdk, both):
    assert set(sdk(both).models()["found"]) >= {"claude", "gpt"}


def test_errors(sdk, both):
    failed = sdk(both).create(ask("gpt", "hi", top_k=5))
    assert failed["failed"] == "BadRequestError" and failed["type"] == "invalid_request_error"
    assert "top_k" in failed["message"]
    failed = sdk(both).create(ask("no-such-model", "hi"))
    assert failed["failed"] == "NotFoundError" and failed["type"] == "not_found_error"
    lenient = sdk(both).create(ask("gpt", "Say exactly: x", top_k=5), headers={"x-perdure-lenient": "1"})
    assert text(lenient["message"]) == "x" and lenient["dropped"] == "top_k"
    with both.http() as http:
        reply = http.get("/v1/messages/batches")
        assert reply.status_code == 404 and reply.json()["type"] == "error"
