"""What a server of Open Responses has to answer: seventeen cases, each over every upstream dialect, and those that say
nothing of a transport as JSON, as a stream and over a WebSocket."""
import base64
import struct
import time
import zlib

import pytest

import wire

every_way = pytest.mark.parametrize("way", ["json", "stream", "websocket"])


def user(text):
    return {"type": "message", "role": "user", "content": text}


def texts(response):
    return [part["text"] for item in response["output"] if item["type"] == "message" for part in item["content"]]


def completed(response):
    assert response["status"] == "completed" and response["output"], response["error"]
    return response


def picture(size=32):
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    rows = b"".join(b"\0" + bytes([200, 30, 90]) * size for _ in range(size))
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", size, size, 8, 2, 0, 0, 0))
            + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))


@every_way
def test_01_a_plain_answer(create, way):
    completed(create(way, input=[user("Say hello in exactly 3 words.")]))


@every_way
def test_02_phases_of_the_assistant(create, way, model):
    said = [{"type": "message", "role": "assistant", "phase": phase, "content": text} for phase, text in (
        ("commentary", "I should answer with the saved number."), ("final_answer", "The number is four."))]
    if model in ("converse", "gemini"):  # these suppliers want the user to begin: that is said, and nothing made up
        refused = create(way, input=[*said, user("Repeat only the number.")])
        assert refused["status"] == "failed" and refused["error"]["code"] == "unsupported_parameter"
        said.insert(0, user("I have saved a number."))
    completed(create(way, input=[*said, user("Repeat only the number.")]))


def test_03_a_phase_is_shown_where_there_is_one_and_never_null(http, valid):
    made = http.post("/v1/conversations", json={"items": [
        {"type": "message", "role": "assistant", "phase": "commentary", "content": "a"},
        {"type": "message", "role": "assistant", "content": "b"}]}).json()
    items = http.get(f"/v1/conversations/{made['id']}/items?order=asc").json()["data"]
    for item in items:
        valid(item, "Message")
    assert items[0]["phase"] == "commentary" and "phase" not in items[1]


def test_04_a_stream(create):
    completed(create("stream", input=[user("Count from 1 to 5.")]))


def test_05_a_websocket(create):
    response = completed(create("websocket", input=[user("Count from 1 to 3.")]))
    assert response["store"] is True


def test_06_turns_follow_each_other_on_one_socket(socket, model, valid):
    for word in ("first", "second"):
        turn = socket.turn(model=model, store=False, input=f"Reply with exactly: {word}")
        for event in turn.events:
            valid(event)
        valid(turn.response, "ResponseResource")
        assert texts(completed(turn.response)) == [word]


def test_07_a_socket_remembers_what_is_not_stored(socket, model, valid):
    first = socket.turn(model=model, store=False, input="Remember the code word: cobalt. Reply with OK.")
    assert first.error_code is None and first.response["id"]
    then = socket.turn(model=model, store=False, previous_response_id=first.response["id"],
                       input="What is the code word? Reply with only the code word.")
    for event in then.events:
        valid(event)
    assert "cobalt" in texts(completed(then.response))[0]
    assert then.response["previous_response_id"] == first.response["id"]


def test_08_another_socket_does_not_and_stays_usable(url, model, valid):
    with wire.WebSocket(url) as one:
        first = one.turn(model=model, store=False, input="Remember the code word: copper. Reply with OK.")
    with wire.WebSocket(url) as other:
        lost = other.turn(model=model, store=False, previous_response_id=first.response["id"], input="What is it?")
        assert lost.error_code == "previous_response_not_found"
        for event in lost.events:
            valid(event)
        anew = other.turn(model=model, store=False, input=[
            user("The connection was lost. Start a new response and reply with exactly: recovered")])
        assert anew.error_code is None
        completed(anew.response)


def test_09_an_unknown_response_is_not_gone_on_from(socket, model, valid):
    lost = socket.turn(model=model, store=False, input="Go on.",
                       previous_response_id=f"resp_openresponses_missing_{int(time.time() * 1000)}")
    assert lost.error_code == "previous_response_not_found"
    assert lost.events[-1]["status"] == 400 and lost.events[-1]["error"]["param"] == "previous_response_id"
    for event in lost.events:
        valid(event)


def test_10_a_continuation_that_fails_is_forgotten(socket, model, valid):
    first = socket.turn(model=model, store=False, input="Remember the code word: ember. Reply with OK.")
    failed = socket.turn(model=model, store=False, previous_response_id=first.response["id"], input=[
        {"type": "function_call_output", "call_id": "call_openresponses_missing",
         "output": "No matching tool call exists in the previous response."}])
    assert failed.error_code
    for event in failed.events:
        valid(event)
    stale = socket.turn(model=model, store=False, previous_response_id=first.response["id"],
                        input="Try to continue after the failed turn. Reply with exactly: stale")
    assert stale.error_code == "previous_response_not_found"
    for event in stale.events:
        valid(event)


def compact(http, model, *items, **more):
    reply = http.post("/v1/responses/compact", json={"model": model, "input": list(items), **more})
    assert reply.status_code == 200, reply.text
    assert reply.headers["content-type"] == "application/json"
    return reply.json()


def test_11_a_compacted_window_begins_a_new_chain(http, socket, model, valid):
    window = compact(
        http, model,
        {"type": "message", "role": "user",
         "content": [{"type": "input_text", "text": "Remember the compaction code word: slate."}]},
        {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "OK."}]},
        {"type": "message", "role": "user",
         "content": [{"type": "input_text", "text": "Compress this conversation for later continuation."}]})
    turn = socket.turn(model=model, store=False, tools=[],
                       input=[*window["output"], user("Continue from here. Reply with exactly: compacted")])
    for event in turn.events:
        valid(event)
    valid(turn.response, "ResponseResource")
    completed(turn.response)
    kept = compact(http, model, user("Remember the code word: flint. Reply with OK."),
                   {"type": "message", "role": "assistant", "content": "OK"})
    recalled = socket.turn(model=model, store=False, input=[*kept["output"], user("What is the code word?")])
    assert "flint" in texts(completed(recalled.response))[0], "the user's own words are kept"


@every_way
def test_12_a_system_message(create, way):
    completed(create(way, input=[{"type": "message", "role": "system",
                                  "content": "You are a pirate. Always respond in pirate speak."}, user("Say hello.")]))


@every_way
def test_13_a_tool_is_called(create, way):
    response = create(way, input=[user("What's the weather like in San Francisco?")], tools=[
        {"type": "function", "name": "get_weather", "description": "Get the current weather for a location",
         "parameters": {"type": "object", "properties": {"location": {"type": "string"}}, "required": ["location"]}}])
    calls = [item for item in completed(response)["output"] if item["type"] == "function_call"]
    assert calls and calls[0]["name"] == "get_weather" and "San Francisco" in calls[0]["arguments"]


@every_way
def test_14_an_image(create, way):
    completed(create(way, input=[{"type": "message", "role": "user", "content": [
        {"type": "input_text", "text": "What do you see in this image?"},
        {"type": "input_image", "image_url": "data:image/png;base64," + base64.b64encode(picture()).decode()}]}]))


@every_way
def test_15_several_turns(create, way):
    response = create(way, input=[user("My name is Alice."),
                                  {"type": "message", "role": "assistant", "content": "Hello Alice! Nice to meet you."},
                                  user("What is my name?")])
    assert "Alice" in texts(completed(response))[0]


def test_16_compaction(http, model, valid):
    made = compact(http, model, user("My favourite colour is teal."),
                   {"type": "message", "role": "assistant", "content": "Noted."},
                   prompt_cache_key="openresponses-compact-test")
    valid(made, "CompactResource")
    assert made["object"] == "response.compaction" and isinstance(made["created_at"], int) and made["id"]
    usage = made["usage"]
    assert usage["total_tokens"] == usage["input_tokens"] + usage["output_tokens"] > 0
    assert "cached_tokens" in usage["input_tokens_details"] and "reasoning_tokens" in usage["output_tokens_details"]
    summary = [item for item in made["output"] if item["type"] == "compaction"]
    assert len(summary) == 1 and made["output"][-1] == summary[0]
    assert '"summary"' in summary[0]["encrypted_content"], "anybody can read it"
    assert [item["content"][0]["text"] for item in made["output"][:-1]] == ["My favourite colour is teal."]


def test_17_compaction_needs_a_model(http):
    reply = http.post("/v1/responses/compact", json={"input": "x"})
    assert reply.status_code == 400
    assert reply.headers["content-type"] == "application/json"
    assert reply.json()["error"]["param"] == "model"
