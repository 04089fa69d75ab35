"""create, stream, resume, retry after a lost reply, cancel, tools, structured output, delete, errors: with both SDKs."""
import json
import time
import uuid

import openai
import pytest

MODEL = "simulated-1"
WEATHER = {"type": "function", "name": "get_weather", "description": "The weather in a city", "strict": False,
           "parameters": {"type": "object", "properties": {"location": {"type": "string"}}, "required": ["location"]}}
PERSON = {"type": "json_schema", "name": "person", "strict": True,
          "schema": {"type": "object", "properties": {"name": {"type": "string"}, "age": {"type": "integer"}},
                     "required": ["name", "age"], "additionalProperties": False}}


class Python:
    """The calls of client.mjs with the Python SDK, in this process."""

    def __init__(self, deployment):
        self.deployment = deployment
        self.client = deployment.client()

    def _guard(self, call):
        try:
            return call()
        except openai.APIStatusError as error:
            return {"failed": type(error).__name__, "status": error.status_code, "code": error.code, "param": error.param}

    @staticmethod
    def _collect(stream, up_to):
        events = []
        for event in stream:
            events.append(event.to_dict())
            if up_to is not None and event.sequence_number >= up_to:
                stream.close()
                break
        return events

    def create(self, body, headers=None):
        def call():
            raw = self.client.responses.with_raw_response.create(**body, extra_headers=headers)
            response = raw.parse()
            return {"response": response.to_dict(), "output_text": response.output_text,
                    "id": raw.headers.get("x-perdure-response-id")}
        return self._guard(call)

    def stream(self, body, headers=None, up_to=None):
        return self._guard(lambda: self._collect(
            self.client.responses.create(**body, stream=True, extra_headers=headers), up_to))

    def resume(self, id, after):
        return self._guard(lambda: self._collect(
            self.client.responses.retrieve(id, stream=True, starting_after=after), None))

    def retrieve(self, id):
        return self._guard(lambda: self.client.responses.retrieve(id).to_dict())

    def cancel(self, id):
        return self._guard(lambda: self.client.responses.cancel(id).to_dict())

    def delete(self, id):
        return self._guard(lambda: {"result": self.client.responses.delete(id)})

    def socket(self, turns):
        told = []
        with self.client.responses.connect() as connection:
            for turn in turns:
                follows = {"previous_response_id": told[-1][-1]["response"]["id"]} if turn.get("follows") else {}
                connection.send({"type": "response.create", **{k: v for k, v in turn.items() if k != "follows"}, **follows})
                told.append([])
                for event in connection:
                    told[-1].append(event.to_dict())
                    if event.type in ("response.completed", "response.failed", "error"):
                        break
        return {"told": told}


class Node:
    def __init__(self, deployment):
        self.deployment = deployment

    def create(self, body, headers=None):
        return self.deployment.node("create", body=body, headers=headers or {})

    def stream(self, body, headers=None, up_to=None):
        more = {} if up_to is None else {"upTo": up_to}
        return self.deployment.node("stream", body=body, headers=headers or {}, **more)

    def resume(self, id, after):
        return self.deployment.node("resume", id=id, after=after)

    def retrieve(self, id):
        return self.deployment.node("retrieve", id=id)

    def cancel(self, id):
        return self.deployment.node("cancel", id=id)

    def delete(self, id):
        return self.deployment.node("delete", id=id)

    def socket(self, turns):
        return self.deployment.node("socket", turns=turns)


@pytest.fixture(params=[Python, Node], ids=["python", "node"])
def sdk(request):
    return request.param


def ask(said, **more):
    return {"model": MODEL, "input": said, **more}


def deltas(events):
    return "".join(e["delta"] for e in events if e["type"] == "response.output_text.delta")


def numbers(events):
    return [e["sequence_number"] for e in events]


def test_node_is_22(shared):
    assert shared.node("node")["version"].startswith("v22.")


def test_create(sdk, shared):
    made = sdk(shared).create(ask("Say exactly: hello from here"))
    assert made["response"]["status"] == "completed", made
    assert made["output_text"] == "hello from here"
    assert made["id"] == made["response"]["id"]
    assert made["response"]["usage"]["total_tokens"] > 0
    assert sdk(shared).retrieve(made["id"])["output"] == made["response"]["output"]


def test_stream(sdk, shared):
    events = sdk(shared).stream(ask("Count from 1 to 30."))
    assert numbers(events) == list(range(len(events)))
    assert events[0]["type"] == "response.created"
    assert events[-1]["type"] == "response.completed"
    end = events[-1]["response"]
    assert deltas(events) == end["output"][0]["content"][0]["text"]
    assert "29" in deltas(events) and "30" in deltas(events)
    assert sdk(shared).retrieve(end["id"])["output"] == end["output"]


def test_resume_after_the_end(sdk, shared):
    events = sdk(shared).stream(ask("Count from 1 to 20."))
    for after in (0, len(events) // 2, len(events) - 2):
        assert sdk(shared).resume(events[0]["response"]["id"], after) == events[after + 1:]


def test_resume_while_it_is_made(sdk, slow):
    """A client that leaves a stored response does not stop it, and gets the rest of that same answer."""
    first = sdk(slow).stream(ask("Count from 1 to 60."), up_to=12)
    id = first[0]["response"]["id"]
    assert sdk(slow).retrieve(id)["status"] == "in_progress"
    rest = sdk(slow).resume(id, 12)
    assert numbers(first + rest) == list(range(len(first) + len(rest)))
    assert rest[-1]["type"] == "response.completed"
    assert deltas(first + rest) == rest[-1]["response"]["output"][0]["content"][0]["text"]


def test_killed_and_resumed(sdk, slow):
    first = sdk(slow).stream(ask("Count from 1 to 80."), up_to=20)
    slow.server.kill()
    slow.start()
    id = first[0]["response"]["id"]
    rest = sdk(slow).resume(id, 20)
    assert numbers(first + rest) == list(range(len(first) + len(rest)))
    end = rest[-1]
    assert end["type"] == "response.completed"
    text = end["response"]["output"][0]["content"][0]["text"]
    assert deltas(first + rest) == text
    uncut = sdk(slow).create(ask("Count from 1 to 80."))["output_text"]
    assert text == uncut
    assert sdk(slow).resume(id, 0) == (first + rest)[1:]


def test_retry_after_a_lost_reply(sdk, slow):
    """The reply of a create is lost; the same request with the same key gives the same response, from the start."""
    key = {"Idempotency-Key": str(uuid.uuid4())}
    body = json.dumps(ask("Count from 1 to 40.", stream=True))
    lost = slow.http()
    with lost.stream("POST", "/v1/responses", content=body, headers={**key, "Content-Type": "application/json"}) as reply:
        id = reply.headers["x-perdure-response-id"]
    lost.close()  # it was under way; nothing of it was read
    # Bodies are compared byte for byte, so an SDK's repeat is one of its own request.
    with slow.http() as again:
        with again.stream("POST", "/v1/responses", content=body, headers={**key, "Content-Type": "application/json"}) as reply:
            assert reply.headers["x-perdure-response-id"] == id
            repeat = [json.loads(line[6:]) for line in reply.iter_lines() if line.startswith("data: {")]
    assert numbers(repeat) == list(range(len(repeat)))
    assert repeat[-1]["type"] == "response.completed"
    own = {"Idempotency-Key": str(uuid.uuid4())}
    first = sdk(slow).stream(ask("Count from 1 to 40."), headers=own, up_to=5)
    slow.server.kill()
    slow.start()
    second = sdk(slow).stream(ask("Count from 1 to 40."), headers=own)
    assert second[:6] == first
    assert second[-1]["type"] == "response.completed" and deltas(second) == deltas(repeat)


def test_repeated_stream_is_the_same_response(sdk, shared):
    key = {"Idempotency-Key": str(uuid.uuid4())}
    first = sdk(shared).stream(ask("Count from 1 to 15."), headers=key)
    again = sdk(shared).stream(ask("Count from 1 to 15."), headers=key)
    assert again == first
    other = sdk(shared).stream(ask("Count from 1 to 16."), headers=key)
    assert other["status"] in (400, 409, 422), other


def test_background_and_cancel(sdk, slow):
    made = sdk(slow).create(ask("Count from 1 to 500.", background=True))
    assert made["response"]["status"] in ("queued", "in_progress")
    cancelled = sdk(slow).cancel(made["id"])
    assert cancelled["status"] == "cancelled"
    assert sdk(slow).retrieve(made["id"])["status"] == "cancelled"
    assert sdk(slow).cancel(made["id"])["status"] == "cancelled"


def test_background_completes(sdk, shared):
    made = sdk(shared).create(ask("Say exactly: done behind the scenes", background=True))
    deadline = time.monotonic() + 20
    while (now := sdk(shared).retrieve(made["id"]))["status"] in ("queued", "in_progress"):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert now["status"] == "completed"
    assert now["output"][0]["content"][0]["text"] == "done behind the scenes"


def test_previous_response(sdk, shared):
    first = sdk(shared).create(ask("Remember the code word: cobalt. Reply with OK."))
    second = sdk(shared).create(ask("What is the code word? Reply with only the code word.", previous_response_id=first["id"]))
    assert "cobalt" in second["output_text"]
    assert second["response"]["previous_response_id"] == first["id"]


def test_tools(sdk, shared):
    first = sdk(shared).create(ask("What's the weather like in Paris?", tools=[WEATHER]))
    calls = [item for item in first["response"]["output"] if item["type"] == "function_call"]
    assert len(calls) == 1 and calls[0]["name"] == "get_weather"
    assert isinstance(json.loads(calls[0]["arguments"])["location"], str)
    second = sdk(shared).create({
        "model": MODEL, "previous_response_id": first["id"], "tools": [WEATHER],
        "input": [{"type": "function_call_output", "call_id": calls[0]["call_id"], "output": "18 degrees and sunny"}]})
    assert second["response"]["status"] == "completed"
    assert second["output_text"]


def test_tools_stream(sdk, shared):
    events = sdk(shared).stream(ask("What's the weather like in Paris?", tools=[WEATHER]))
    done = [e for e in events if e["type"] == "response.function_call_arguments.done"]
    pieces = "".join(e["delta"] for e in events if e["type"] == "response.function_call_arguments.delta")
    assert len(done) == 1 and done[0]["arguments"] == pieces


def test_structured_output(sdk, shared):
    made = sdk(shared).create(ask("Describe somebody.", text={"format": PERSON}))
    person = json.loads(made["output_text"])
    assert set(person) == {"name", "age"} and isinstance(person["age"], int)


def test_delete(sdk, shared):
    made = sdk(shared).create(ask("Say exactly: forget me"))
    assert "failed" not in sdk(shared).delete(made["id"])
    assert sdk(shared).retrieve(made["id"])["status"] == 404
    assert sdk(shared).delete(made["id"])["status"] == 404


def test_not_stored(sdk, shared):
    made = sdk(shared).create(ask("Say exactly: for your eyes only", store=False))
    assert made["output_text"] == "for your eyes only"
    assert sdk(shared).retrieve(made["response"]["id"])["status"] == 404


@pytest.mark.parametrize("store", [True, False], ids=["stored", "unstored"])
def test_socket(sdk, shared, store):
    told = sdk(shared).socket([ask("Remember the code word: cobalt. Reply with OK.", store=store),
                               ask("What is the code word? Reply with only the code word.", store=store, follows=True)])["told"]
    for events in told:
        assert numbers(events) == list(range(len(events)))
        assert events[0]["type"] == "response.created" and events[-1]["type"] == "response.completed"
    assert deltas(told[1]) == "cobalt"
    id = told[1][-1]["response"]["id"]
    fetched = sdk(shared).retrieve(id)
    assert fetched["output"] == told[1][-1]["response"]["output"] if store else fetched["status"] == 404


def test_errors(sdk, shared):
    unknown = sdk(shared).retrieve("resp_000000000000000000000000")
    assert (unknown["failed"], unknown["status"]) == ("NotFoundError", 404)
    wrong = sdk(shared).create(ask("hello", temperature="warm"))
    assert (wrong["failed"], wrong["status"], wrong["param"]) == ("BadRequestError", 400, "temperature")
    orphan = sdk(shared).create(ask("hello", previous_response_id="resp_000000000000000000000000"))
    assert orphan["status"] in (400, 404) and orphan["code"] == "previous_response_not_found"
