"""Clients that nobody here wrote (frameworks.py), each through every supplier that it is meant for: text, streaming, the whole
tool loop, structured output, images, a history of several turns, errors."""
import re
import zlib

import pytest

from conftest import NAMED, PROVIDERS, pixel
from frameworks import CLIENTS

CITIES = {"Paris": "18 degrees in Paris", "Rome": "25 degrees in Rome"}


def pairs(condition=lambda kind: True):
    for name, kind in CLIENTS.items():
        if condition(kind):
            for model in [NAMED[kind.api]] + (PROVIDERS if kind.sdk else []):
                yield pytest.param(name, model, id=f"{name}-{model}")


@pytest.fixture
def client(everywhere, request):
    name, model = request.param
    return CLIENTS[name].make(everywhere.url + "/v1", model)


def every(condition=lambda kind: True):
    return pytest.mark.parametrize("client", [pytest.param(p.values, id=p.id) for p in pairs(condition)], indirect=True)


def only(*names):
    """Those clients, with a model of their own API."""
    return pytest.mark.parametrize("client", [pytest.param((name, NAMED[CLIENTS[name].api]), id=name)
                                              for name in CLIENTS if re.match("|".join(names), name)], indirect=True)


def got(answer):
    assert "failed" not in answer, answer
    return answer


@every()
def test_text(client):
    answer = got(client.text("Say exactly: hello from here"))
    assert answer["text"] == "hello from here", answer
    assert answer["tokens"] > 0


@every()
def test_stream(client):
    told = got(client.stream("Count from 1 to 30."))
    assert "".join(told["pieces"]) == ", ".join(str(n) for n in range(1, 31)), told
    assert len(told["pieces"]) > 3
    assert told.get("whole", "".join(told["pieces"])) == "".join(told["pieces"])


@every()
def test_tools(client):
    done = got(client.tools("What's the weather like in Paris and in Rome?", CITIES))
    assert sorted(done["asked"]) == ["Paris", "Rome"], done
    for degrees in CITIES.values():
        assert degrees in done["text"]


@only("ai-sdk", "agents", "pydantic-ai")
def test_tools_streamed(client):
    done = got(client.tools("What's the weather like in Paris and in Rome?", CITIES, streamed=True))
    assert sorted(done["asked"]) == ["Paris", "Rome"], done
    for degrees in CITIES.values():
        assert degrees in done["text"]


@only(".*")
def test_tools_one_after_another(client):
    done = got(client.tools("One after another: what's the weather like in Paris and in Rome?", CITIES))
    assert done["asked"] == ["Paris", "Rome"], done
    for degrees in CITIES.values():
        assert degrees in done["text"]


@every()
def test_structured_output(client):
    value = got(client.structured("Describe somebody."))["value"]
    assert set(value) == {"name", "age"} and isinstance(value["name"], str) and isinstance(value["age"], int)


@every()
def test_image(client):
    png = pixel(200, 10, 10)
    said = got(client.image("What is this?", png))
    assert f"image/png of {len(png)} bytes (crc32 {zlib.crc32(png):08x})" in said["text"], said


@only("ai-sdk", "agents", "langchain", "pydantic-ai")
def test_turns(client):
    """The client holds the history and sends it in its own way: items, references to items, messages."""
    said = got(client.turns(["My name is Alice.", "Remember the code word: heron. Reply with OK.", "What is my name?",
                         "What is the code word? Reply with only the code word."]))
    assert said["texts"][2:] == ["Your name is Alice.", "heron"], said


@pytest.mark.parametrize("client", [pytest.param(("ai-sdk openai", model), id=model) for model in ("gpt-4o", "gpt-5.4", "gemini")],
                         indirect=True)
def test_turns_that_name_items(client):
    """The AI SDK sends ids of what was stored, not the items themselves: messages, reasoning, calls."""
    said = client.turns(["Think first. My name is Alice.", "Think first. What is my name?", "And what is my name?"])
    assert said["texts"][1] == "Your name is Alice.", said
    said = client.turns(["Think first. What's the weather like in Paris?", "And what's the weather like in Rome?"], CITIES)
    assert said["asked"] == ["Paris", "Rome"] and CITIES["Rome"] in said["texts"][1], said


@only("ai-sdk", "agents", "pydantic-ai")
def test_turns_with_tools(client):
    said = got(client.turns(["What's the weather like in Paris?", "And what's the weather like in Rome?"], CITIES))
    assert said["asked"] == ["Paris", "Rome"], said
    assert CITIES["Paris"] in said["texts"][0] and CITIES["Rome"] in said["texts"][1]


@only("agents-(py|js)( websocket)?$", "langchain-.* responses", "pydantic-ai responses")
def test_previous_response(client):
    said = got(client.chained(turns=["Remember the code word: heron. Reply with OK.",
                                 "What is the code word? Reply with only the code word."]))
    assert said["texts"][1] == "heron" and len(set(said["ids"])) == 2, said


@only("agents-(py|js)( websocket)?$")
def test_previous_response_with_tools(client):
    said = got(client.chained(turns=["What's the weather like in Paris?", "And what's the weather like in Rome?"], degrees=CITIES))
    assert said["asked"] == ["Paris", "Rome"], said
    assert CITIES["Rome"] in said["texts"][1]


@only("langchain")
@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
def test_graph(client, streamed):
    done = got(client.graph(turns=["What's the weather like in Paris and in Rome?", "And what's the weather like in Rome?"], degrees=CITIES,
                        streamed=streamed))
    assert sorted(done["asked"][:2]) == ["Paris", "Rome"] and done["asked"][2:] == ["Rome"], done
    for degrees in CITIES.values():
        assert degrees in done["texts"][0]
    assert CITIES["Rome"] in done["texts"][1]
    if streamed:
        assert done["texts"][0] in "".join(done["pieces"])


@only("pydantic-ai")
def test_structured_output_by_tool(client):
    value = got(client.structured_by_tool("Describe somebody."))["value"]
    assert set(value) == {"name", "age"}


@pytest.mark.parametrize("name", CLIENTS)
def test_errors(everywhere, name):
    kind = CLIENTS[name]
    failed = kind.make(everywhere.url + "/v1", "no-such-model").text("Hello")
    assert failed.get("failed"), failed
    if "websocket" not in name:  # there an error is an event, and what frameworks make of it is their own
        assert failed["status"] in (400, 404) and "no-such-model" in failed["said"], failed


def test_ai_sdk_options(everywhere):
    """What the AI SDK's options ask of the Responses API."""
    client = CLIENTS["ai-sdk openai"].make(everywhere.url + "/v1", NAMED["responses"])
    kept_by_client = client.turns(["Think first. Remember the code word: heron. Reply with OK.", "What is the code word? Only it."],
                                  options={"openai": {"store": False, "include": ["reasoning.encrypted_content"],
                                                      "reasoningSummary": "auto"}})
    assert kept_by_client["texts"][1] == "heron", kept_by_client
    first = got(client.text("Remember the code word: osprey. Reply with OK."))
    then = got(client.text("What is the code word? Only it.", options={"openai": {
        "previousResponseId": first["id"], "parallelToolCalls": False, "metadata": {"a": "b"}, "user": "u",
        "reasoningEffort": "low", "promptCacheKey": "k", "serviceTier": "auto", "truncation": "auto"}}))
    assert then["text"] == "osprey" and not then["warnings"], then


def test_ai_sdk_in_a_conversation(everywhere, everywhere_http):
    made = everywhere_http.post("/v1/conversations", json={}).json()
    client = CLIENTS["ai-sdk openai"].make(everywhere.url + "/v1", NAMED["responses"])
    for said, heard in (("Remember the code word: heron. Reply with OK.", "OK"), ("What is the code word? Only it.", "heron")):
        assert got(client.text(said, options={"openai": {"conversation": made["id"]}}))["text"] == heard
    items = everywhere_http.get(f"/v1/conversations/{made['id']}/items").json()["data"]
    assert [item["role"] for item in items] == ["assistant", "user", "assistant", "user"]


@only("agents-(py|js)$")
def test_conversations(client):
    """The session of the Agents SDK that keeps its items in a conversation: it writes, reads, takes back and deletes."""
    turns = ["What's the weather like in Rome?", "And what's the weather like in Paris?"]
    kept = got(client.conversation(turns=turns, degrees=CITIES))
    assert kept["id"].startswith("conv_") and kept["asked"] == ["Rome", "Paris"], kept
    assert kept["popped"] == "message" and kept["left"] == len(kept["kinds"]) - 1
    assert {"function_call"} <= set(kept["kinds"])
    held = got(client.in_conversation(turns=["Remember the code word: heron. Reply with OK.",
                                             "What is the code word? Reply with only the code word."]))
    assert held["texts"][1] == "heron", held


def test_pydantic_ai_over_a_websocket(everywhere):
    client = CLIENTS["pydantic-ai responses"].make(everywhere.url + "/v1", NAMED["responses"],
                                                   settings={"openai_transport": "websocket"})
    said = got(client.turns(["Remember the code word: heron. Reply with OK.",
                             "What is the code word? Reply with only the code word."]))
    assert said["texts"][1] == "heron", said


@pytest.mark.parametrize("name", [name for name in CLIENTS if re.match("ai-sdk o|agents|langchain|pydantic-ai", name)])
def test_errors_name_the_field(everywhere, name):
    """A value that the API does not take, set the way that the framework has for it. (One of them corrects it first.)"""
    kind = CLIENTS[name]
    more = {"temperature": 3} if name.startswith("ai-sdk") else {"settings": {"temperature": 3}}
    failed = kind.make(everywhere.url + "/v1", kind.api, **more).text("Hello")
    assert failed.get("failed"), failed
    if name != "agents-js websocket":  # it does not pass on what the error says
        assert "temperature" in failed["said"], failed
    if "websocket" not in name:
        assert failed["status"] == 400, failed


def test_pydantic_ai_in_the_background(everywhere):
    """It asks for a background response and polls until there is an answer."""
    client = CLIENTS["pydantic-ai responses"].make(everywhere.url + "/v1", NAMED["responses"], settings={"openai_background": True})
    assert got(client.text("Say exactly: done behind the scenes"))["text"] == "done behind the scenes"
