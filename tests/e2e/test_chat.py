"""Chat Completions with both SDKs: create, stream, resume, store, tools, structured output, images, errors."""
import base64
import json
import pathlib
import struct
import uuid
import zlib

import openai
import pytest

MODEL = "simulated-1"
SCRIPT = pathlib.Path(__file__).parent / "chat.mjs"
WEATHER = {"type": "function", "function": {
    "name": "get_weather", "description": "The weather in a city",
    "parameters": {"type": "object", "properties": {"location": {"type": "string"}}, "required": ["location"]}}}
PERSON = {"type": "json_schema", "json_schema": {"name": "person", "strict": True, "schema": {
    "type": "object", "properties": {"name": {"type": "string"}, "age": {"type": "integer"}},
    "required": ["name", "age"], "additionalProperties": False}}}


class Python:
    """The calls of chat.mjs with the Python SDK, in this process."""

    def __init__(self, deployment):
        self.chat = deployment.client().chat.completions

    def _guard(self, call):
        try:
            return call()
        except openai.APIStatusError as error:
            return {"failed": type(error).__name__, "status": error.status_code, "code": error.code, "param": error.param}
        except openai.APIError as error:
            return {"failed": type(error).__name__, "status": None, "code": error.code, "param": error.param}

    def create(self, body, headers=None):
        def call():
            raw = self.chat.with_raw_response.create(**body, extra_headers=headers)
            return {"completion": raw.parse().to_dict(), "id": raw.headers.get("x-perdure-response-id"),
                    "dropped": raw.headers.get("x-perdure-dropped")}
        return self._guard(call)

    def stream(self, body, headers=None, up_to=None):
        def call():
            stream = self.chat.create(**body, stream=True, extra_headers=headers)
            frames = []
            for frame in stream:
                frames.append(frame.to_dict())
                if up_to is not None and len(frames) >= up_to:
                    stream.close()
                    break
            return {"frames": frames, "id": stream.response.headers.get("x-perdure-response-id")}
        return self._guard(call)

    def put_together(self, body):
        def call():
            with self.chat.stream(**body) as stream:
                for _ in stream:
                    pass
                return stream.get_final_completion().to_dict()
        return self._guard(call)

    def retrieve(self, id):
        return self._guard(lambda: self.chat.retrieve(id).to_dict())

    def list(self, **query):
        return self._guard(lambda: {"found": [one.id for one in self.chat.list(**query)]})

    def messages(self, id):
        return self._guard(lambda: {"found": [one.to_dict() for one in self.chat.messages.list(id)]})

    def update(self, id, body):
        return self._guard(lambda: self.chat.update(id, **body).to_dict())

    def delete(self, id):
        return self._guard(lambda: self.chat.delete(id).to_dict())


class Node:
    def __init__(self, deployment):
        self.call = lambda name, **arguments: deployment.node(name, script_path=SCRIPT, **arguments)

    def create(self, body, headers=None):
        return self.call("create", body=body, headers=headers or {})

    def stream(self, body, headers=None, up_to=None):
        more = {} if up_to is None else {"upTo": up_to}
        return self.call("stream", body=body, headers=headers or {}, **more)

    def put_together(self, body):
        return self.call("put_together", body=body)

    def retrieve(self, id):
        return self.call("retrieve", id=id)

    def list(self, **query):
        return self.call("list", query=query)

    def messages(self, id):
        return self.call("messages", id=id)

    def update(self, id, body):
        return self.call("update", id=id, body=body)

    def delete(self, id):
        return self.call("delete", id=id)


@pytest.fixture(params=[Python, Node], ids=["python", "node"])
def sdk(request):
    return request.param


def ask(said, **more):
    content = said if isinstance(said, list) else [{"role": "user", "content": said}]
    return {"model": MODEL, "messages": content, **more}


def content(frames):
    return "".join(frame["choices"][0]["delta"].get("content") or "" for frame in frames if frame["choices"])


def resumed(deployment, id, after=None, dialect="chat"):
    """The data of the frames behind `after`, and whether [DONE] came."""
    query = {"dialect": dialect} | ({} if after is None else {"after": after})
    with deployment.http() as http:
        reply = http.get(f"/v1/x/responses/{id}/stream", params=query)
    assert reply.status_code == 200, reply.text
    data = [line[6:] for line in reply.text.split("\n") if line.startswith("data: ")]
    return [json.loads(one) for one in data if one != "[DONE]"], data[-1] == "[DONE]"


def picture():
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    raw = (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 2, 0, 0, 0))
           + chunk(b"IDAT", zlib.compress(bytes([0, 255, 0, 0]))) + chunk(b"IEND", b""))
    return raw, "data:image/png;base64," + base64.b64encode(raw).decode()


@pytest.mark.parametrize("store", [False, True], ids=["relayed", "stored"])
def test_create(sdk, shared, store):
    made = sdk(shared).create(ask("Say exactly: hello from here", store=store))
    completion = made["completion"]
    assert completion["object"] == "chat.completion"
    assert completion["choices"][0]["message"]["content"] == "hello from here"
    assert completion["choices"][0]["finish_reason"] == "stop"
    assert completion["usage"]["total_tokens"] > 0
    fetched = sdk(shared).retrieve(completion["id"])
    if store:
        assert fetched == completion
    else:
        assert fetched["status"] == 404


@pytest.mark.parametrize("store", [False, True], ids=["relayed", "stored"])
def test_stream(sdk, shared, store):
    told = sdk(shared).stream(ask("Count from 1 to 30.", store=store, stream_options={"include_usage": True}))
    frames = told["frames"]
    assert frames[0]["choices"][0]["delta"]["role"] == "assistant"
    assert frames[-1]["choices"] == [] and frames[-1]["usage"]["total_tokens"] > 0
    assert frames[-2]["choices"][0]["finish_reason"] == "stop"
    assert content(frames).startswith("1, 2, 3") and content(frames).endswith("29, 30")
    if store:
        assert sdk(shared).retrieve(frames[0]["id"])["choices"][0]["message"]["content"] == content(frames)


def test_sdks_put_a_stream_together(sdk, shared):
    for more in ({}, {"tools": [WEATHER]}):
        said = "What's the weather like in Paris?" if more else "Count from 1 to 12."
        body = ask(said, store=True, **more)
        whole = sdk(shared).create(body)["completion"]["choices"][0]
        built = sdk(shared).put_together(body)["choices"][0]
        assert built["finish_reason"] == whole["finish_reason"]
        assert (built["message"].get("content") or None) == whole["message"]["content"]
        calls = [[(call["function"]["name"], call["function"]["arguments"]) for call in one["message"].get("tool_calls") or []]
                 for one in (built, whole)]
        assert calls[0] == calls[1]


def test_resume_after_the_end(sdk, shared):
    told = sdk(shared).stream(ask("Count from 1 to 20.", store=True))
    frames = told["frames"]
    for after in (0, len(frames) // 2, len(frames) - 2):
        rest, done = resumed(shared, told["id"], after)
        assert rest == frames[after + 1:] and done
    assert resumed(shared, told["id"]) == (frames, True)


def test_resume_while_it_is_made(sdk, slow):
    told = sdk(slow).stream(ask("Count from 1 to 60.", store=True), up_to=12)
    rest, done = resumed(slow, told["id"], 11)
    assert done
    whole = sdk(slow).retrieve(told["frames"][0]["id"])["choices"][0]
    assert content(told["frames"] + rest) == whole["message"]["content"]
    assert whole["finish_reason"] == "stop"


def test_killed_and_resumed(sdk, slow):
    told = sdk(slow).stream(ask("Count from 1 to 80.", store=True), up_to=20)
    slow.server.kill()
    slow.start()
    rest, done = resumed(slow, told["id"], 19)
    assert done
    whole = sdk(slow).retrieve(told["frames"][0]["id"])["choices"][0]["message"]["content"]
    assert content(told["frames"] + rest) == whole
    assert whole == sdk(slow).create(ask("Count from 1 to 80."))["completion"]["choices"][0]["message"]["content"]
    again, done = resumed(slow, told["id"], 0)
    assert done and again == (told["frames"] + rest)[1:]


def test_other_dialects_read_the_same_answer(shared):
    told = Python(shared).stream(ask("Count from 1 to 9.", store=True))
    events, done = resumed(shared, told["id"], dialect="responses")
    assert done and events[-1]["type"] == "response.completed"
    assert events[-1]["response"]["output"][0]["content"][0]["text"] == content(told["frames"])
    events, done = resumed(shared, told["id"], dialect="messages")
    assert not done and events[-1]["type"] == "message_stop"
    text = "".join(e["delta"].get("text", "") for e in events if e["type"] == "content_block_delta")
    assert text == content(told["frames"])


def test_stored_completions(sdk, deploy, upstream):
    own = deploy(upstream)
    made = [sdk(own).create(ask(f"Say exactly: {word}", store=True, metadata={"word": word}))["completion"]["id"]
            for word in ("one", "two", "three")]
    sdk(own).create(ask("Say exactly: nothing"))
    assert sdk(own).list(limit=2)["found"] == made, "over pages"
    assert sdk(own).list(order="desc")["found"] == made[::-1]
    assert sdk(own).list(metadata={"word": "two"})["found"] == [made[1]]
    messages = sdk(own).messages(made[0])["found"]
    assert [(m["role"], m["content"]) for m in messages] == [("user", "Say exactly: one")]
    assert sdk(own).update(made[0], {"metadata": {"word": "four"}})["param"] == "metadata"
    assert sdk(own).delete(made[0]) == {"object": "chat.completion.deleted", "id": made[0], "deleted": True}
    assert sdk(own).retrieve(made[0])["status"] == 404
    assert sdk(own).list()["found"] == made[1:]


def test_repeated_key_is_the_same_completion(sdk, shared):
    key = {"Idempotency-Key": str(uuid.uuid4())}
    first = sdk(shared).create(ask("Count from 1 to 15.", store=True), headers=key)
    assert sdk(shared).create(ask("Count from 1 to 15.", store=True), headers=key) == first
    assert sdk(shared).create(ask("Count from 1 to 16.", store=True), headers=key)["status"] == 409


@pytest.mark.parametrize("store", [False, True], ids=["relayed", "stored"])
def test_tools(sdk, shared, store):
    said = [{"role": "user", "content": "What's the weather like in Paris and in Rome?"}]
    choice = sdk(shared).create(ask(said, tools=[WEATHER], store=store))["completion"]["choices"][0]
    assert choice["finish_reason"] == "tool_calls"
    calls = choice["message"]["tool_calls"]
    assert [json.loads(call["function"]["arguments"])["location"] for call in calls] == ["Paris", "Rome"]
    # The message goes back as it came; the results in whatever order.
    said.append(choice["message"])
    for call, degrees in reversed(list(zip(calls, ("18 degrees", "25 degrees")))):
        said.append({"role": "tool", "tool_call_id": call["id"], "content": degrees})
    answer = sdk(shared).create(ask(said, tools=[WEATHER], store=store))["completion"]["choices"][0]
    assert answer["finish_reason"] == "stop"
    assert answer["message"]["content"].index("18 degrees") < answer["message"]["content"].index("25 degrees")


def test_structured_output(sdk, shared):
    made = sdk(shared).create(ask("Describe somebody.", response_format=PERSON, store=True))
    person = json.loads(made["completion"]["choices"][0]["message"]["content"])
    assert set(person) == {"name", "age"} and isinstance(person["age"], int)


def test_images(sdk, shared):
    raw, url = picture()
    said = [{"role": "user", "content": [{"type": "text", "text": "What is this?"},
                                         {"type": "image_url", "image_url": {"url": url, "detail": "low"}}]}]
    answer = sdk(shared).create(ask(said, store=True))["completion"]["choices"][0]["message"]["content"]
    assert f"image/png of {len(raw)} bytes (crc32 {zlib.crc32(raw):08x})" in answer


def test_refusals_and_limits(sdk, shared):
    refused = sdk(shared).create(ask("Refuse: I would rather not", store=True))["completion"]["choices"][0]
    assert refused["message"]["refusal"] == "I would rather not" and refused["message"]["content"] is None
    assert refused["finish_reason"] == "stop"
    cut = sdk(shared).create(ask("Count from 1 to 100.", store=True, max_completion_tokens=7))["completion"]["choices"][0]
    assert cut["finish_reason"] == "length"
    stopped = sdk(shared).create(ask("Count from 1 to 100.", store=True, stop=["12"]))["completion"]["choices"][0]
    assert stopped["finish_reason"] == "stop" and "12" not in stopped["message"]["content"]


@pytest.mark.parametrize("more,param", [({"n": 2}, "n"), ({"logprobs": True}, "logprobs"), ({"logit_bias": {"1": 1}}, "logit_bias"),
                                        ({"modalities": ["text", "audio"]}, "modalities[1]"),
                                        ({"tools": [{"type": "custom", "custom": {"name": "c"}}]}, "tools[0].type"),
                                        ({"web_search_options": {}}, "web_search_options")])
def test_errors_name_the_field(sdk, shared, more, param):
    failed = sdk(shared).create(ask("hi", store=True, **more))
    assert failed["failed"] == "BadRequestError" and failed["param"] == param, failed


def test_unknown_model(sdk, deploy, upstream, tmp_path):
    (tmp_path / "perdure.yaml").write_text(f"providers:\n  - {{name: one, base_url: '{upstream.url}/v1'}}\n"
                                           "models:\n  - {name: simulated-1, provider: one}\n")
    own = deploy(upstream, env={"PERDURE_CONFIG": tmp_path / "perdure.yaml"})
    failed = sdk(own).create(ask("hi") | {"model": "no-such-model"})
    assert failed["failed"] in ("NotFoundError", "BadRequestError"), failed


def test_lenient(sdk, shared):
    assert sdk(shared).create(ask("Say exactly: x", store=True, logprobs=True))["param"] == "logprobs"
    made = sdk(shared).create(ask("Say exactly: x", store=True, logprobs=True), headers={"x-perdure-lenient": "1"})
    assert made["completion"]["choices"][0]["message"]["content"] == "x"
    assert made["dropped"] == "logprobs"
