"""Anthropic's dialect against its API's description and its own SDK: what we send, what we read of clients, what we show."""
import base64
import copy
import json
import pathlib
import random
import re

import jsonschema
import pytest

import test_converse as made
from filters import ROOT, ask

PROGRAM = "perdure_dialect_judge"
REQUESTS = 2000
ISSUER = made.ISSUER
MODELS = ["claude-opus-4-7", "claude-sonnet-4-6", "claude-opus-4-5", "claude-sonnet-4-5-20250929", "claude-3-haiku-20240307", "glm-5"]
DESCRIPTION = ROOT.parent / "shared/data/anthropic/messages-openapi.json"


@pytest.fixture(scope="module")
def schema():
    if not DESCRIPTION.exists():
        pytest.skip(f"{DESCRIPTION} is not here")
    document = json.loads(DESCRIPTION.read_text())

    def faults(name, value):
        validator = jsonschema.Draft202012Validator({**document, "$ref": f"#/components/schemas/{name}"})
        return [f"{list(e.absolute_path)}: {e.message[:300]}" for e in validator.iter_errors(value)]
    return faults


# --- what we send ---

def some_case(rng):
    case = {"dialect": "messages", "op": "write", "request": made.some_request(rng), "model": rng.choice(MODELS), "issuer": ISSUER,
            "stream": rng.random() < 0.7}
    if rng.random() < 0.2:
        case["held"] = rng.choice(["So far", "So far \n", " "])
        case["ask"] = rng.choice(["", "Go on."])
    return case


def conversation_faults(body):
    """The rules that the API has beyond its description."""
    faults, roles = [], [m["role"] for m in body["messages"]]
    if roles[0] != "user" or any(a == b for a, b in zip(roles, roles[1:])):
        faults.append(f"turns: {roles}")
    pending, ids = [], []
    for m in body["messages"]:
        blocks, kinds = m["content"], [b["type"] for b in m["content"]]
        if not blocks:
            faults.append("an empty message")
        calls = [b["id"] for b in blocks if b["type"] == "tool_use"]
        results = [b["tool_use_id"] for b in blocks if b["type"] == "tool_result"]
        ids += calls
        if m["role"] == "assistant":
            if set(kinds) - {"text", "thinking", "redacted_thinking", "tool_use"}:
                faults.append(f"what only a user says: {kinds}")
            if "tool_use" in kinds and "text" in kinds[kinds.index("tool_use"):]:
                faults.append("text behind a call")
            if kinds[-1:] in (["thinking"], ["redacted_thinking"]):
                faults.append("thinking at the end")
            pending = calls
        else:
            if set(kinds) & {"thinking", "redacted_thinking", "tool_use"}:
                faults.append(f"what only an assistant says: {kinds}")
            if results != pending or kinds[:len(results)] != ["tool_result"] * len(results):
                faults.append(f"results {results} for calls {pending} in {kinds}")
            pending = []
        inner = [b for r in blocks if isinstance(r.get("content"), list) for b in r["content"]]
        if any(b["type"] == "text" and not b["text"].strip() for b in [*blocks, *inner]):
            faults.append("blank text")
    if pending:
        faults.append("calls without results")
    if len(set(ids)) != len(ids):
        faults.append("an id twice")
    if ids and not body.get("tools"):
        faults.append("calls without tools")
    last = body["messages"][-1]
    if last["role"] == "assistant" and last["content"][-1].get("text", "x")[-1].isspace():
        faults.append("white space at the end of a prefill")
    thinking, choice = body.get("thinking", {"type": "disabled"}), body.get("tool_choice", {"type": "auto"})
    if thinking["type"] != "disabled":
        if choice["type"] in ("any", "tool"):
            faults.append("a forced call and thinking")
        if last["role"] == "assistant":
            faults.append("a prefill and thinking")
        if body.get("temperature", 1) != 1 or "top_k" in body or body.get("top_p", 1) < 0.95:
            faults.append("sampling and thinking")
    if thinking["type"] == "enabled":
        if "max_tokens" in body and not 1024 <= thinking["budget_tokens"] < body["max_tokens"]:
            faults.append(f"a budget of {thinking['budget_tokens']}")
        turns = [m for m in body["messages"] if m["role"] == "assistant"]
        if last["role"] == "user" and last["content"][0]["type"] == "tool_result" and "thinking" not in turns[-1]["content"][0]["type"]:
            faults.append("a tool loop that does not begin with thinking")
    if "tool_choice" in body and not body.get("tools"):
        faults.append("a tool choice without tools")
    if any(not word.strip() for word in body.get("stop_sequences", [])):
        faults.append("a blank stop sequence")
    if json.dumps(body).count('"cache_control"') > 4:
        faults.append("too many marks")
    return faults


def test_requests_are_valid_by_the_description_of_the_api(schema):
    rng = random.Random(21)
    cases = [some_case(rng) for _ in range(REQUESTS)]
    cases += [{**case, "count": True} for case in cases[:REQUESTS // 4]]
    written, refused, dropped = 0, set(), set()
    for case, answer in zip(cases, ask(PROGRAM, cases)):
        if "error" in answer:
            assert answer["code"] == "invalid" and answer["param"], (answer, case)
            assert answer["reason"] == "unsupported_parameter", (answer, case)
            refused.add(re.sub(r"\d+", "n", answer["param"]))
            continue
        written += 1
        assert case["request"]["lenient"] or not answer["dropped"]
        dropped |= {re.sub(r"\d+", "n", field) for field in answer["dropped"]}
        counting = case.get("count", False)
        assert answer["path"] == ("/messages/count_tokens" if counting else "/messages")
        faults = schema("CountMessageTokensParams" if counting else "CreateMessageParams", answer["body"])
        assert not faults, (faults, case, answer["body"])
        assert not conversation_faults(answer["body"]), (conversation_faults(answer["body"]), case, answer["body"])
    assert written > REQUESTS / 2, (written, refused)
    # Each way of saying no was taken.
    for field in ("temperature", "top_k", "seed", "stop", "text.verbosity", "text.format", "reasoning.effort", "tool_choice",
                  "thinking.budget_tokens", "tools[n].strict", "input[n].content[n].detail"):
        assert field in refused, (field, refused)
        assert field in dropped or field == "tool_choice", (field, dropped)  # beside reasoning, which gives way


def test_the_words_of_the_judge_can_fail():
    good = {"messages": [{"role": "user", "content": [{"type": "text", "text": "x"}]}], "max_tokens": 5000}
    assert not conversation_faults(good)
    use = {"type": "tool_use", "id": "a", "name": "f", "input": {}}
    result = {"type": "tool_result", "tool_use_id": "a"}
    for change in (lambda b: b["messages"].append({"role": "assistant", "content": [use]}),
                   lambda b: b["messages"].append({"role": "assistant", "content": [{"type": "text", "text": "x "}]}),
                   lambda b: b["messages"].append({"role": "user", "content": [result]}),
                   lambda b: b["messages"][0]["content"].append({"type": "text", "text": " "}),
                   lambda b: b["messages"].extend([{"role": "assistant", "content": [use, {"type": "text", "text": "x"}]},
                                                   {"role": "user", "content": [result]}]),
                   lambda b: b.update(thinking={"type": "enabled", "budget_tokens": 5000}),
                   lambda b: b.update(tool_choice={"type": "auto"}),
                   lambda b: b.update(stop_sequences=["\n"])):
        bad = copy.deepcopy(good)
        change(bad)
        assert conversation_faults(bad), bad


# --- what we read of clients ---

def mark(rng, block):
    if rng.random() < 0.05:
        block["cache_control"] = rng.choice([{"type": "ephemeral"}, {"type": "ephemeral", "ttl": "1h"}])
    return block


def text(rng, block=True):
    words = rng.choice(["Hello", "a b", "\u00e4\u20ac\U0001f600", "line\nline", "\"q\" \\"])
    return mark(rng, {"type": "text", "text": words}) if block else words


def media(rng):
    data = base64.b64encode(rng.randbytes(rng.randint(1, 30))).decode()
    return mark(rng, rng.choice([
        {"type": "image", "source": {"type": "base64", "media_type": rng.choice(["image/png", "image/jpeg", "image/webp"]), "data": data}},
        {"type": "image", "source": {"type": "url", "url": "https://example.com/a.png"}},
        {"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": data}, "title": "r\u00e9port"},
        {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": text(rng, False)}},
        {"type": "document", "source": {"type": "url", "url": "https://example.com/a.pdf"}}]))


def packed(kind, block):
    issuer = base64.urlsafe_b64encode(ISSUER.encode()).decode().rstrip("=")
    return f"pd1.{kind}.{issuer}.{block}"


def thinking(rng):
    block = base64.b64encode(rng.randbytes(9)).decode()
    if rng.random() < 0.3:
        return {"type": "redacted_thinking", "data": packed(3, block)}
    return {"type": "thinking", "thinking": rng.choice(["", "hm\n", "\u00e4 \"b\""]), "signature": packed(2, block)}


def some_body(rng):
    body = {"model": "m", "max_tokens": rng.choice([3000, 20000]), "messages": []}
    number = 0
    turns = body["messages"]
    turns.append({"role": "user", "content": rng.choice([text(rng, False), [text(rng)], [media(rng), text(rng)]])})
    for _ in range(rng.randint(0, 5)):
        blocks = [thinking(rng)] * (rng.random() < 0.4) + [text(rng) for _ in range(rng.randint(0, 2))]
        calls = []
        for _ in range(rng.choice([0, 0, 1, 1, 3])):
            number += 1
            calls.append(mark(rng, {"type": "tool_use", "id": f"toolu_{number}", "name": rng.choice(["look", "get-2"]),
                                    "input": rng.choice([{}, {"a": [1, 2.5, None], "\u00e4": {"b": True}}])}))
        if not calls and not any(b["type"] == "text" for b in blocks):
            blocks.append(text(rng))
        turns.append({"role": "assistant", "content": blocks + calls})
        reply = []
        for call in calls:
            result = mark(rng, {"type": "tool_result", "tool_use_id": call["id"]})
            if rng.random() < 0.8:
                result["content"] = rng.choice([text(rng, False), [text(rng)], [text(rng), media(rng)]])
            if rng.random() < 0.2:
                result["is_error"] = True
            reply.append(result)
        if not reply or rng.random() < 0.4:
            reply.append(text(rng))
        turns.append({"role": "user", "content": reply})
    if rng.random() < 0.1:
        turns.append({"role": "assistant", "content": "The answer is"})
    if number or rng.random() < 0.5:
        body["tools"] = [mark(rng, {"name": n, "description": "d", "input_schema": {"type": "object", "properties": {"a": {}}}})
                         for n in ("look", "get-2")]
        if rng.random() < 0.4:
            body["tool_choice"] = rng.choice([{"type": "auto", "disable_parallel_tool_use": True}, {"type": "none"}, {"type": "any"},
                                              {"type": "tool", "name": "look"}])
    if rng.random() < 0.5:
        body["system"] = rng.choice([text(rng, False), [text(rng), text(rng)]])
    optional = {"temperature": 0.5, "top_k": 5, "stop_sequences": ["END", "\u00e4"], "service_tier": "auto", "stream": True}
    for key, value in optional.items():
        if rng.random() < 0.2:
            body[key] = value
    forced = body.get("tool_choice", {}).get("type") in ("any", "tool")
    if rng.random() < 0.3 and not forced and turns[-1]["role"] == "user" and "temperature" not in body and "top_k" not in body:
        body["thinking"] = {"type": "disabled"} if rng.random() < 0.4 else {"type": "enabled", "budget_tokens": rng.choice([1024, 2048])}
    if rng.random() < 0.2:
        body["output_config"] = {"format": {"type": "json_schema", "schema": {"type": "object", "additionalProperties": False}}}
    return body


def normal(body, sent):
    """The one form of a body that means the same: what the API takes in several, in one."""
    body = json.loads(json.dumps(body).replace('"ttl": "5m", ', "").replace(', "ttl": "5m"', ""))
    for m in body["messages"]:
        if isinstance(m["content"], str):
            m["content"] = [{"type": "text", "text": m["content"]}]
        for b in m["content"]:
            for name in ("signature", "data"):
                if not sent and str(b.get(name, "")).startswith("pd1."):
                    b[name] = b[name].split(".", 3)[3]
    if isinstance(body.get("system"), str):
        body["system"] = [{"type": "text", "text": body["system"]}]
    body.setdefault("stream", False)
    body.pop("model")
    # Where the last turn of the assistant's tools does not begin with thinking, manual thinking waits.
    body.pop("thinking", None)
    return body


def without_marks(body):
    return json.loads(re.sub(r', "cache_control": \{[^}]*\}', "", json.dumps(body)))


def test_what_clients_ask_is_what_suppliers_are_told(schema):
    rng = random.Random(22)
    bodies = [some_body(rng) for _ in range(REQUESTS)]
    for body in bodies:
        assert not schema("CreateMessageParams", body), body
    read = ask(PROGRAM, [{"op": "client", "body": body} for body in bodies])
    for body, one in zip(bodies, read):
        assert "error" not in one, (one, body)
        assert one["left_out"] == []
    cases = [{"dialect": "messages", "op": "write", "request": one["request"], "model": "claude-sonnet-4-5", "issuer": ISSUER,
              "stream": body.get("stream", False)} for body, one in zip(bodies, read)]
    marked = 0
    for body, answer in zip(bodies, ask(PROGRAM, cases)):
        if body["messages"][-1]["role"] == "assistant" and body.get("output_config", {}).get("format"):
            # The service takes no beginning of an answer that is to fit a schema.
            assert answer["param"] == "text.format", answer
            continue
        assert "error" not in answer, (answer, body)
        want, got = normal(body, False), normal(answer["body"], True)
        if json.dumps(want).count("cache_control") > 4:
            want, got = without_marks(want), without_marks(got)
        else:
            marked += "cache_control" in json.dumps(want)
        assert got == want, (got, want)
        if body.get("thinking", {}).get("type") == "disabled":
            assert answer["body"]["thinking"] == {"type": "disabled"}
        elif "thinking" in answer["body"]:
            assert answer["body"]["thinking"] == body["thinking"]
    assert marked > 50


# --- what we show ---

def some_answer(rng):
    output = []
    for i in range(rng.randint(0, 5)):
        kind = rng.random()
        base = {"id": f"x_{i}", "status": "completed"}
        if kind < 0.4:
            part = {"type": "output_text", "text": text(rng, False) + "tail", "annotations": []}
            if rng.random() < 0.3:
                part["annotations"] = [{"type": "url_citation", "start_index": 0, "end_index": 3, "url": "https://example.com", "title": "t"}]
            output.append({"type": "message", **base, "role": "assistant", "content": [part] * rng.choice([1, 1, 2])})
        elif kind < 0.7:
            item = {"type": "reasoning", **base, "summary": []}
            if rng.random() < 0.6:
                item["content"] = [{"type": "reasoning_text", "text": text(rng, False)}] * rng.choice([1, 2])
            if rng.random() < 0.8 or "content" not in item:
                item["encrypted_content"] = base64.b64encode(rng.randbytes(9)).decode()
                item["opaque"] = rng.choice(["signature", "redacted"])
                item["issuer"] = rng.choice([ISSUER, "openai"])
            output.append(item)
        else:
            output.append({"type": "function_call", **base, "call_id": rng.choice(["call_1", "functions.f:%d" % i, "toolu_9"]), "name": "look",
                           "arguments": rng.choice(["{}", "", "{\"a\": [1, 2.5, null]}", "{\"\u00e4\": \"b\"}"])})
    return {"op": "show", "output": output, "piece": rng.randint(1, 9), "batch": rng.choice([1, 2, 7, 10**6]),
            "finish": rng.choice(["stop", "tool_calls", "refusal", "stop_sequence", "length", "pause"]), "stop_sequence": "END",
            "input": 100, "cached": rng.choice([0, 30]), "cache_write": rng.choice([0, 20]), "output_tokens": 50, "thought": rng.choice([0, 7])}


def test_messages_are_valid_and_the_sdk_puts_streams_together_to_them(schema):
    anthropic = pytest.importorskip("anthropic")
    httpx = pytest.importorskip("httpx2")
    rng = random.Random(23)
    cases = [some_answer(rng) for _ in range(400)]
    answers = ask(PROGRAM, cases)
    current = {}

    def reply(request):
        streamed = json.loads(request.content).get("stream")
        if streamed:
            return httpx.Response(200, headers={"content-type": "text/event-stream"}, text=current["stream"])
        return httpx.Response(200, json=current["message"])
    client = anthropic.Anthropic(api_key="k", base_url="http://perdure.invalid", max_retries=0,
                                 http_client=httpx.Client(transport=httpx.MockTransport(reply)))
    asked = {"model": "m", "max_tokens": 100, "messages": [{"role": "user", "content": "hi"}]}
    for case, answer in zip(cases, answers):
        assert "error" not in answer, (answer, case)
        assert not schema("Message", answer["message"]), (schema("Message", answer["message"]), answer["message"])
        current = answer
        with client.messages.stream(**asked) as stream:
            for _ in stream:
                pass
            streamed = stream.get_final_message()
        whole = client.messages.create(**asked)
        assert json.loads(whole.to_json()) == answer["message"]

        def comparable(message):
            fields = json.loads(message.to_json())
            for name in ("cache_creation", "inference_geo", "service_tier"):
                fields["usage"].pop(name, None)
            for block in fields["content"]:
                block.pop("parsed_output", None)
            return fields
        left, right = comparable(streamed), comparable(whole)
        # The SDK keeps what message_start said of these; it was not known then.
        for name in ("output_tokens_details", "server_tool_use"):
            left["usage"].pop(name, None)
            right["usage"].pop(name, None)
        assert left == right, (left, right)


def test_errors_and_models_are_valid(schema):
    """The forms that the unit tests pin (src/dialect/messages_replies_test.cc) are those of the description."""
    assert not schema("ErrorResponse", {"type": "error", "error": {"type": "invalid_request_error", "message": "messages.2: No."}, "request_id": "req_1"})
    model = {"type": "model", "id": "default", "display_name": "Default", "created_at": "2023-11-14T22:13:20Z", "max_input_tokens": 200000,
             "max_tokens": None, "capabilities": None}
    assert not schema("ModelInfo", model)
    assert not schema("ListResponse_ModelInfo_", {"data": [model], "has_more": False, "first_id": "default", "last_id": "default"})
    assert not schema("CountMessageTokensResponse", {"input_tokens": 5})
