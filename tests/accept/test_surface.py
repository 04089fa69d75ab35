"""The rest of the OpenAI-shaped surface, over the real binary: conversations, context management, truncation, counts,
embeddings, allowed tools, what is kept for polling."""
import json
import struct

import pytest

import wire

TOOLS = [{"type": "function", "name": name, "parameters": {"type": "object", "properties": {}}} for name in "abc"]


def post(http, target, body, status=200):
    reply = http.post(target, json=body)
    assert reply.status_code == status, reply.text
    return reply.json()


def texts(response):
    return [part["text"] for item in response["output"] if item["type"] == "message" for part in item["content"]]


def test_a_conversation_is_one_over_every_dialect(http, valid):
    made = post(http, "/v1/conversations", {"items": [{"role": "user", "content": "Remember the code word: heron."}]})
    for model in ("chat", "responses", "messages", "converse", "gemini"):
        answer = post(http, "/v1/responses", {"model": model, "conversation": made["id"],
                                              "input": "What is the code word? Only the word."})
        assert "heron" in texts(answer)[0]
        assert answer["conversation"] == {"id": made["id"]}
    items = http.get(f"/v1/conversations/{made['id']}/items?order=asc&limit=100").json()["data"]
    assert len(items) == 1 + 2 * 5
    for item in items:
        valid(item, "ItemField")
    assert post(http, "/v1/responses", {"model": "chat", "input": "x", "conversation": {"id": made["id"]},
                                        "previous_response_id": answer["id"]}, 400)["error"]["param"] == "conversation"
    assert http.delete(f"/v1/conversations/{made['id']}").json()["deleted"] is True
    assert http.get(f"/v1/responses/{answer['id']}").status_code == 404
    assert post(http, "/v1/responses", {"model": "chat", "input": "x", "conversation": made["id"]},
                404)["error"]["code"] == "conversation_not_found"


def test_streams_in_a_conversation(url, http, model):
    made = post(http, "/v1/conversations", {})
    came = wire.stream(url, {"model": model, "stream": True, "conversation": made["id"], "input": "Count from 1 to 3."})
    assert came.response["conversation"] == {"id": made["id"]}
    items = http.get(f"/v1/conversations/{made['id']}/items").json()["data"]
    assert items[0] == came.response["output"][-1]
    with wire.WebSocket(url) as socket:
        turn = socket.turn(model=model, conversation=made["id"], input="Say exactly: socket")
        assert texts(turn.response) == ["socket"]
    assert len(http.get(f"/v1/conversations/{made['id']}/items").json()["data"]) == len(items) + 2 + sum(
        item["type"] == "reasoning" for item in turn.response["output"])


@pytest.mark.parametrize("way", ["json", "stream", "websocket"])
def test_a_long_context_is_compacted_on_the_way(create, http, model, way):
    first = create("json", input="Remember the code word: otter. Reply with OK.")
    long = create("json", input="Write 900 words about boats.", previous_response_id=first["id"])
    management = [{"type": "compaction", "compact_threshold": 1000}]
    response = create(way, input="What is the code word? Only the word.", previous_response_id=long["id"],
                      context_management=management)
    kinds = [item["type"] for item in response["output"] if item["type"] != "reasoning"]
    assert kinds == ["compaction", "message"]
    assert "otter" in texts(response)[0], "the user's own words are kept"
    summary = next(item for item in response["output"] if item["type"] == "compaction")["encrypted_content"]
    assert json.loads(summary.removeprefix("pdc1."))["summary"], "readable"
    account = http.get(f"/v1/x/responses/{response['id']}").json()
    assert [one["outcome"] for one in account["placements"]] == ["compacted", "completed"]
    # What follows goes on from the summary, and is far shorter; the journal has lost nothing.
    then = create("json", input="Say exactly: short", previous_response_id=response["id"], context_management=management)
    whole = create("json", input="Say exactly: long", previous_response_id=response["id"])
    assert [item["type"] for item in then["output"] if item["type"] != "reasoning"] == ["message"]
    assert then["usage"]["input_tokens"] < whole["usage"]["input_tokens"]


def test_a_short_context_is_left_alone(create, way="json"):
    response = create(way, input="Say exactly: x", context_management=[{"type": "compaction"}])
    assert [item["type"] for item in response["output"] if item["type"] != "reasoning"] == ["message"]


def test_tokens_are_counted_by_who_can(http, model):
    first = post(http, "/v1/responses", {"model": model, "input": "Write 100 words about boats."})
    body = {"model": model, "input": "Count from 1 to 3.", "instructions": "Be brief."}
    reply = http.post("/v1/responses/input_tokens", json=body)
    if model not in ("responses", "messages"):
        assert reply.status_code == 400 and reply.json()["error"]["code"] == "cannot_count"
        return
    assert reply.status_code == 200, reply.text
    counted = reply.json()
    assert counted["object"] == "response.input_tokens" and counted["input_tokens"] > 0
    longer = post(http, "/v1/responses/input_tokens", {**body, "previous_response_id": first["id"]})
    assert longer["input_tokens"] > counted["input_tokens"] + 100
    made = post(http, "/v1/responses", {**body, "previous_response_id": first["id"]})
    assert made["usage"]["input_tokens"] == longer["input_tokens"], "as it is then billed"


def test_embeddings(http):
    one = post(http, "/v1/embeddings", {"model": "chat", "input": "the sea"})
    assert one["object"] == "list" and one["model"] == "simulated-1" and one["usage"]["prompt_tokens"] > 0
    many = post(http, "/v1/embeddings", {"model": "responses", "input": ["the sea", "the ship"], "dimensions": 8,
                                         "encoding_format": "base64"})
    import base64
    vectors = [struct.unpack("<8f", base64.b64decode(entry["embedding"])) for entry in many["data"]]
    assert len(vectors) == 2 and abs(sum(x * x for x in vectors[0]) - 1) < 1e-3
    refused = http.post("/v1/embeddings", json={"model": "chat", "input": ""})
    assert refused.status_code == 400 and refused.json()["error"]["param"] == "input", "in the supplier's own words"
    for model in ("messages", "converse", "gemini"):
        assert post(http, "/v1/embeddings", {"model": model, "input": "x"}, 400)["error"]["code"] == "model_not_supported"


def lines_of_the_ledger(server, wanted):
    """Lines that `wanted` takes; what is relayed is written a moment after it was answered."""
    import sqlite3
    import time
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        with sqlite3.connect(f"file:{server.data}/perdure.db?mode=ro", uri=True) as store:
            lines = [json.loads(line) for line, in store.execute("SELECT line FROM ledger ORDER BY ordinal")]
        if found := [line for line in lines if wanted(line)]:
            return found
        time.sleep(0.05)
    raise AssertionError("there is no such line")


def test_embeddings_and_compactions_are_accounted(http, server):
    said = "tokens that nobody else asks about: " + " ".join(f"w{n}" for n in range(97))
    used = post(http, "/v1/embeddings", {"model": "chat", "input": said})["usage"]["prompt_tokens"]
    line = lines_of_the_ledger(server, lambda line: line["reason"].startswith("embeddings; ") and line["input_tokens"] == used)[0]
    assert line["outcome"] == "completed" and line["usage_known"]
    assert line["workload_model"] == "chat" and line["provider"] == "chat" and line["stored"] is False
    made = post(http, "/v1/responses/compact", {"model": "chat", "input": said})
    line = lines_of_the_ledger(server, lambda line: line["response"] == made["id"])[0]
    assert line["reason"].startswith("compaction") and line["outcome"] == "compacted"
    assert line["input_tokens"] == made["usage"]["input_tokens"]


@pytest.mark.parametrize("mode", ["auto", "required"])
def test_tools_that_are_not_allowed_are_never_called(http, model, mode):
    choice = {"type": "allowed_tools", "mode": mode, "tools": [{"type": "function", "name": "b"}]}
    answer = post(http, "/v1/responses", {"model": model, "input": "Call a and c, both of them.", "tools": TOOLS,
                                          "tool_choice": choice})
    called = {item["name"] for item in answer["output"] if item["type"] == "function_call"}
    assert called <= {"b"}
    assert [tool["name"] for tool in answer["tools"]] == ["a", "b", "c"] and answer["tool_choice"] == choice


def test_what_runs_in_the_background_unstored_can_be_polled(http, url, model):
    made = post(http, "/v1/responses", {"model": model, "background": True, "store": False, "input": "Count from 1 to 9."})
    assert made["store"] is False and made["background"] is True
    came = wire.stream(url, None, f"/v1/responses/{made['id']}?stream=true", "GET")
    assert came.response["status"] == "completed"
    assert http.get(f"/v1/responses/{made['id']}").json() == came.response


def test_files_and_images_come_through(http, model):
    import base64
    pdf = "data:application/pdf;base64," + base64.b64encode(b"%PDF-1.4\n%%EOF\n").decode()
    answer = post(http, "/v1/responses", {"model": model, "input": [{"role": "user", "content": [
        {"type": "input_text", "text": "What is it?"}, {"type": "input_file", "filename": "a.pdf", "file_data": pdf}]}]})
    assert answer["status"] == "completed" and "application/pdf" in texts(answer)[-1], answer
    by_url = http.post("/v1/responses", json={"model": model, "input": [{"role": "user", "content": [
        {"type": "input_file", "file_url": "https://files.example/a.pdf"}]}]})
    said = by_url.json()
    assert by_url.status_code == 400 or said["status"] == "completed" or said["error"]["message"], "never dropped"


def test_encrypted_reasoning_is_shown_to_who_asks(http, model):
    body = {"model": model, "input": "Think first. Say exactly: x", "reasoning": {"effort": "low"}}
    plain = post(http, "/v1/responses", body)
    assert "encrypted_content" not in json.dumps(plain["output"])
    with_it = post(http, "/v1/responses", {**body, "include": ["reasoning.encrypted_content"]})
    later = http.get(f"/v1/responses/{plain['id']}?include=reasoning.encrypted_content").json()
    has = [any("encrypted_content" in item for item in one["output"]) for one in (with_it, later)]
    assert has[0] == has[1]
    if model in ("responses", "messages"):
        assert has[0]
