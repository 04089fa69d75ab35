"""Bedrock's dialect against botocore: what we send, by the description of the API; what we read, by its parser."""
import base64
import json
import random
import re
import struct
import zlib

import botocore.eventstream
import botocore.loaders
import botocore.model
import botocore.parsers
import botocore.validate
import pytest

from filters import ask

PROGRAM = "perdure_dialect_judge"
REQUESTS = 2000
STREAMS = 600
ISSUER = "bedrock/test"
MODELS = ["anthropic.claude-opus-4-7", "eu.anthropic.claude-sonnet-4-5-20250929-v1:0", "anthropic.claude-3-haiku-20240307-v1:0",
          "us.amazon.nova-2-lite-v1:0", "openai.gpt-oss-120b-1:0", "meta.llama3-1-70b-instruct-v1:0",
          "arn:aws:bedrock:eu-west-1:123456789012:application-inference-profile/ab12cd34"]
WORDS = ["", " ", "\n", "Hello", "a b", "\u00e4\u20ac\U0001f600", "line\nline", "\"quoted\" \\ back", "x" * 300]


@pytest.fixture(scope="module")
def service():
    return botocore.model.ServiceModel(botocore.loaders.Loader().load_service_model("bedrock-runtime", "service-2"))


# --- what we send ---

def some_text(rng):
    return rng.choice(WORDS) + rng.choice(["", "", "tail"])


def text_part(rng, kind="input_text"):
    part = {"type": kind, "text": some_text(rng)}
    if kind == "output_text":
        part["annotations"] = []
        return part
    if rng.random() < 0.1:
        part["cache"] = rng.choice(["5m", "1h"])
    return part


def media_part(rng):
    if rng.random() < 0.6:
        data = base64.b64encode(rng.randbytes(rng.randint(1, 40))).decode()
        kind = rng.choice(["png", "jpeg", "jpg", "gif", "webp"])
        url = rng.choice([f"data:image/{kind};base64,{data}", f"s3://some-bucket/dir/pic.{kind}", "https://example.com/a.png"])
        return {"type": "input_image", "image_url": url, "detail": rng.choice(["auto", "low"])}
    data = base64.b64encode(rng.randbytes(rng.randint(1, 40))).decode()
    return {"type": "input_file", "filename": rng.choice(["r.pdf", "R.PDF", "John's_r\u00e9port (1).docx", "a.b.csv", "", "\u65e5.txt"]),
            "file_data": rng.choice(["data:application/pdf;base64,", "data:text/plain;base64,"]) + data}


def message(rng, role):
    kind = "output_text" if role == "assistant" else "input_text"
    parts = [text_part(rng, kind) for _ in range(rng.randint(0, 3))]
    if role == "user" and rng.random() < 0.3:
        parts += [text_part(rng), media_part(rng)]
        rng.shuffle(parts)
    return {"type": "message", "id": "msg", "status": "completed", "role": role, "content": parts}


def some_id(rng):
    return rng.choice(["call_%d", "toolu.%d:x", "odd id/%d", "l" * 80 + "%d"]) % rng.randint(0, 10**6)


def reasoning(rng):
    item = {"type": "reasoning", "id": "rs", "status": "completed", "summary": []}
    if rng.random() < 0.7:
        item["content"] = [{"type": "reasoning_text", "text": some_text(rng)}]
    item["encrypted_content"] = base64.b64encode(rng.randbytes(12)).decode()
    item["opaque"] = rng.choice(["signature", "redacted"])
    item["issuer"] = rng.choice([ISSUER, ISSUER, "anthropic/x"])
    return item


def tool_turn(rng, names):
    items, outputs = [], []
    for _ in range(rng.choice([1, 1, 2, 4])):
        call_id = some_id(rng)
        arguments = rng.choice(["{}", "", "{\"a\": [1, 2.50, null], \"b\": {\"\u00e4\": true}}", "{\"cut", "[1]"])
        items.append({"type": "function_call", "id": "fc", "status": "completed", "call_id": call_id, "name": rng.choice(names),
                      "arguments": arguments})
        output = rng.choice([some_text(rng), [text_part(rng), media_part(rng)], []])
        outputs.append({"type": "function_call_output", "id": "fco", "status": "completed", "call_id": call_id, "output": output})
        if rng.random() < 0.2:
            outputs[-1]["tool_failed"] = True
    if rng.random() < 0.3:
        items.append(message(rng, "assistant"))
    if rng.random() < 0.3:
        rng.shuffle(outputs)
    if rng.random() < 0.2:
        outputs.insert(rng.randint(0, len(outputs)), message(rng, "user"))
    return items + outputs


def some_tool(rng, name):
    tool = {"name": name}
    if rng.random() < 0.7:
        tool["description"] = rng.choice(["", "Does it."])
    if rng.random() < 0.8:
        tool["parameters"] = rng.choice([{}, {"properties": {}}, {"type": "object", "properties": {"n": {"type": "integer", "$comment": "\u00e4"}}}])
    if rng.random() < 0.5:
        tool["strict"] = rng.choice([True, False])
    if rng.random() < 0.2:
        tool["cache"] = rng.choice(["5m", "1h"])
    return tool


def some_request(rng):
    names = ["look", "get_weather-2", "n" * 64]
    items = [message(rng, rng.choice(["system", "developer"]))] if rng.random() < 0.3 else []
    items.append({"type": "message", "id": "msg", "status": "completed", "role": "user",
                  "content": [{"type": "input_text", "text": "Begin."}]})
    for _ in range(rng.randint(0, 6)):
        kind = rng.random()
        if kind < 0.35:
            items.append(message(rng, "user"))
        elif kind < 0.55:
            items += [reasoning(rng)] * (rng.random() < 0.5) + [message(rng, "assistant")]
        elif kind < 0.9:
            items += [reasoning(rng)] * (rng.random() < 0.5) + tool_turn(rng, names)
        else:
            items.append(message(rng, "developer"))
    request = {"model": "m", "input": items, "lenient": rng.random() < 0.7}
    if rng.random() < 0.6:
        request["tools"] = [some_tool(rng, name) for name in names[:rng.randint(1, 3)] + rng.choice([[], ["dotted.name"]])]
        choices = [{"mode": "auto"}, {"mode": "none"}, {"mode": "required"}, {"mode": "function", "function": "look"},
                   {"mode": "allowed", "allowed": ["look"], "required": True}, {"mode": "allowed", "allowed": ["look", "get_weather-2"]}]
        request["tool_choice"] = rng.choice(choices)
    optional = {"instructions": some_text(rng), "temperature": rng.choice([0, 0.5, 1, 1.5]), "top_p": rng.choice([0, 0.9, 1]),
                "max_output_tokens": rng.choice([1, 500, 4000, 100000]), "stop": ["END", "\n"], "top_k": 4, "seed": 1,
                "parallel_tool_calls": rng.choice([True, False]), "verbosity": rng.choice(["low", "medium"]),
                "reasoning_effort": rng.choice(["none", "minimal", "low", "high", "xhigh"]), "reasoning_tokens_max": 3000,
                "format": rng.choice([{"type": "json_object"}, {"type": "json_schema", "name": "n", "schema": {"type": "object"}, "strict": True}])}
    for key, value in optional.items():
        if rng.random() < 0.2:
            request[key] = value
    for name in ("tool_choice", "format"):
        request.setdefault(name, {"mode": "auto"} if name == "tool_choice" else {"type": "text"})
    return request


def some_case(rng):
    case = {"dialect": "converse", "op": "write", "request": some_request(rng), "model": rng.choice(MODELS), "issuer": ISSUER,
            "stream": rng.random() < 0.7}
    if rng.random() < 0.2:
        case["held"] = rng.choice(["So far", "So far \n", " "])
        case["ask"] = rng.choice(["", "Go on."])
    return case


def checked(shape, value, path, faults):
    """`value` as botocore takes it (blobs as bytes), with what its validator does not look at looked at here."""
    kind = shape.type_name
    if kind == "structure" and not getattr(shape, "is_document_type", False):
        if not isinstance(value, dict):
            faults.append(f"{path}: not an object")
            return value
        for key in value.keys() - shape.members.keys():
            faults.append(f"{path}.{key}: not a member")
        if getattr(shape, "is_tagged_union", False) and len(value) != 1:
            faults.append(f"{path}: a union of {len(value)}")
        return {key: checked(shape.members[key], one, f"{path}.{key}", faults) for key, one in value.items() if key in shape.members}
    if kind == "list":
        if "max" in shape.metadata and len(value) > shape.metadata["max"]:
            faults.append(f"{path}: too many")
        return [checked(shape.member, one, f"{path}[{i}]", faults) for i, one in enumerate(value)]
    if kind == "blob":
        return base64.b64decode(value, validate=True)
    if kind == "string":
        if shape.enum and value not in shape.enum:
            faults.append(f"{path}: {value!r} is none of {shape.enum}")
        pattern = shape.metadata.get("pattern")
        if pattern and not re.fullmatch(pattern, value):
            faults.append(f"{path}: {value!r} does not match")
        if len(value) > shape.metadata.get("max", 1 << 30):
            faults.append(f"{path}: too long")
    if kind in ("integer", "float", "long") and isinstance(value, (int, float)):
        if not shape.metadata.get("min", -1e300) <= value <= shape.metadata.get("max", 1e300):
            faults.append(f"{path}: {value} is out of range")
    return value


def conversation_faults(body):
    """The rules that Converse has beyond its description."""
    messages, faults = body["messages"], []
    roles = [m["role"] for m in messages]
    if roles[0] != "user" or any(a == b for a, b in zip(roles, roles[1:])):
        faults.append(f"turns: {roles}")
    names, tools = [], False
    pending = []
    for m in messages:
        blocks = m["content"]
        if not blocks:
            faults.append("an empty message")
        calls = [b["toolUse"]["toolUseId"] for b in blocks if "toolUse" in b]
        results = [b["toolResult"]["toolUseId"] for b in blocks if "toolResult" in b]
        tools |= bool(calls)
        if m["role"] == "assistant":
            kinds = [next(iter(b)) for b in blocks]
            if "toolUse" in kinds and "text" in kinds[kinds.index("toolUse"):]:
                faults.append("text behind a call")
            if results or any("image" in b or "document" in b for b in blocks):
                faults.append("what only a user says")
            pending = calls
        else:
            if calls or any("reasoningContent" in b for b in blocks):
                faults.append("what only an assistant says")
            if results != pending:
                faults.append(f"results {results} for calls {pending}")
            seen = [next(iter(b)) for b in blocks if next(iter(b)) != "cachePoint"]
            if "toolResult" in seen and seen[:len(results)] != ["toolResult"] * len(results):
                faults.append("results behind other content")
            if any("document" in b for b in blocks) and not any("text" in b for b in blocks):
                faults.append("a document without text")
            pending = []
        inner = [b for r in blocks if "toolResult" in r for b in r["toolResult"]["content"]]
        for b in [*blocks, *inner]:
            if "text" in b and not b["text"].strip():
                faults.append("blank text")
            if "document" in b:
                names.append(b["document"]["name"].lower())
                if not re.fullmatch(r"[a-zA-Z0-9\-()\[\]]+( [a-zA-Z0-9\-()\[\]]+)*", b["document"]["name"]):
                    faults.append(f"a document named {b['document']['name']!r}")
    if pending:
        faults.append("calls without results")
    if len(set(names)) != len(names):
        faults.append(f"documents named alike: {names}")
    if tools and not body.get("toolConfig"):
        faults.append("calls without toolConfig")
    if any(not b["text"].strip() for b in body.get("system", []) if "text" in b):
        faults.append("blank system text")
    config = body.get("toolConfig", {})
    thinks = "thinking" in body.get("additionalModelRequestFields", {})
    if thinks and set(config.get("toolChoice", {})) & {"any", "tool"}:
        faults.append("a forced call and thinking")
    budget = body.get("additionalModelRequestFields", {}).get("thinking", {}).get("budget_tokens")
    if budget and not 1024 <= budget < body.get("inferenceConfig", {}).get("maxTokens", 1 << 40):
        faults.append(f"a budget of {budget}")
    return faults


def test_requests_are_valid_by_the_description_of_the_api(service):
    rng = random.Random(11)
    cases = [some_case(rng) for _ in range(REQUESTS)]
    written, refused, dropped = 0, {}, {}
    for case, answer in zip(cases, ask(PROGRAM, cases)):
        if "error" in answer:
            assert answer["code"] == "invalid" and answer["reason"] == "unsupported_parameter" and answer["param"], answer
            refused[re.sub(r"\d+", "n", answer["param"])] = refused.get(re.sub(r"\d+", "n", answer["param"]), 0) + 1
            continue
        written += 1
        for field in answer["dropped"]:
            assert case["request"]["lenient"]
            dropped[re.sub(r"\d+", "n", field)] = True
        operation = service.operation_model("ConverseStream" if case["stream"] else "Converse")
        faults = []
        params = checked(operation.input_shape, {"modelId": case["model"], **answer["body"]}, "", faults)
        assert not faults, (faults, case, answer["body"])
        report = botocore.validate.ParamValidator().validate(params, operation.input_shape)
        assert not report.has_errors(), (report.generate_report(), answer["body"])
        assert not conversation_faults(answer["body"]), (conversation_faults(answer["body"]), case, answer["body"])
    assert written > REQUESTS / 2, (written, refused)
    # Each way of saying no was taken.
    for field in ("temperature", "seed", "text.verbosity", "tools[n].name", "text.format", "reasoning.effort",
                  "input[n].content[n].image_url"):
        assert field in refused, (field, refused)
    for field in ("temperature", "seed", "text.verbosity", "tools[n]", "text.format", "reasoning.effort",
                  "input[n].content[n].image_url"):
        assert field in dropped, (field, dropped)


def test_equal_context_gives_equal_bytes():
    """T32: what was said once is said the same way when more has been said."""
    rng = random.Random(12)
    cases = []
    for _ in range(200):
        case = some_case(rng)
        case["request"]["lenient"] = True
        case.pop("held", None)
        case.pop("ask", None)
        longer = json.loads(json.dumps(case))
        longer["request"]["input"] += [message(rng, "assistant"), message(rng, "user"), *tool_turn(rng, ["look"])]
        cases += [case, longer]
    answers = ask(PROGRAM, cases)
    compared = 0
    for short, long in zip(answers[::2], answers[1::2]):
        if "error" in short or "error" in long:
            continue
        before, after = short["body"]["messages"], long["body"]["messages"]
        assert after[:len(before) - 1] == before[:-1]
        assert after[len(before) - 1]["content"][:len(before[-1]["content"])] == before[-1]["content"]
        assert short["body"].get("system") == long["body"].get("system")
        compared += 1
    assert compared > 100


# --- what we read ---

def frame(event_type, payload, message_type="event"):
    headers = [(":exception-type" if message_type == "exception" else ":event-type", event_type), (":content-type", "application/json"),
               (":message-type", message_type)]
    head = b"".join(bytes([len(k)]) + k.encode() + b"\7" + struct.pack("!H", len(v)) + v.encode() for k, v in headers)
    body = json.dumps(payload, ensure_ascii=len(event_type) % 2 == 0).encode()
    out = struct.pack("!II", 16 + len(head) + len(body), len(head))
    out += struct.pack("!I", zlib.crc32(out)) + head + body
    return out + struct.pack("!I", zlib.crc32(out))


def some_stream(rng):
    events = [("messageStart", {"role": "assistant", "p": "abcdefg"[:rng.randint(0, 7)]})]
    for index in range(rng.randint(0, 5)):
        kind = rng.choice(["text", "text", "reasoning", "redacted", "tool"])
        deltas = []
        if kind == "text":
            deltas = [{"text": some_text(rng)} for _ in range(rng.randint(1, 6))]
        elif kind == "reasoning":
            deltas = [{"reasoningContent": {"text": some_text(rng)}} for _ in range(rng.randint(0, 4))]
            deltas.append({"reasoningContent": {"signature": base64.b64encode(rng.randbytes(30)).decode()}})
        elif kind == "redacted":
            deltas = [{"reasoningContent": {"redactedContent": base64.b64encode(rng.randbytes(rng.randint(1, 40))).decode()}}
                      for _ in range(rng.randint(1, 3))]
        else:
            events.append(("contentBlockStart", {"contentBlockIndex": index, "start": {"toolUse": {"toolUseId": some_id(rng)[:64], "name": "look"}}}))
            text = json.dumps({"a": some_text(rng), "n": rng.random()})
            deltas = [{"toolUse": {"input": text[i:i + 7]}} for i in range(0, len(text), 7)] or [{"toolUse": {"input": ""}}]
        events += [("contentBlockDelta", {"contentBlockIndex": index, "delta": delta}) for delta in deltas]
        events.append(("contentBlockStop", {"contentBlockIndex": index}))
    usage = {"inputTokens": rng.randint(0, 999), "outputTokens": rng.randint(0, 999), "totalTokens": 5}
    if rng.random() < 0.5:
        usage |= {"cacheReadInputTokens": rng.randint(0, 99), "cacheWriteInputTokens": rng.randint(0, 99)}
    reason = rng.choice(["end_turn", "tool_use", "max_tokens", "stop_sequence", "guardrail_intervened", "content_filtered",
                         "malformed_model_output", "malformed_tool_use", "model_context_window_exceeded"])
    ending = [("messageStop", {"stopReason": reason}), ("metadata", {"usage": usage, "metrics": {"latencyMs": 3}})]
    return events + (ending if rng.random() < 0.8 else ending[::-1])


def read_by_botocore(service, raw):
    shape = service.operation_model("ConverseStream").get_event_stream_output()
    parser = botocore.parsers.EventStreamJSONParser()
    buffer = botocore.eventstream.EventStreamBuffer()
    buffer.add_data(raw)
    return [parser.parse(message.to_response_dict(), shape) for message in buffer]


def answer_of(events):
    """What botocore's events say, as one answer."""
    blocks, out = {}, {"text": "", "reasoning": "", "opaque": [], "calls": [], "stop": None, "usage": None}
    for event in events:
        (name, payload), = event.items()
        if name == "contentBlockStart":
            use = payload["start"]["toolUse"]
            blocks[payload["contentBlockIndex"]] = call = [use["toolUseId"], use["name"], ""]
            out["calls"].append(call)
        elif name == "contentBlockDelta":
            delta, index = payload["delta"], payload["contentBlockIndex"]
            out["text"] += delta.get("text", "")
            if "toolUse" in delta:
                blocks[index][2] += delta["toolUse"]["input"]
            if "reasoningContent" in delta:
                thought = delta["reasoningContent"]
                out["reasoning"] += thought.get("text", "")
                held = blocks.setdefault(index, ["", b""])
                held[0] += thought.get("signature", "")
                held[1] += thought.get("redactedContent", b"")
        elif name == "contentBlockStop":
            held = blocks.get(payload["contentBlockIndex"])
            if held and len(held) == 2:
                out["opaque"] += [(2, held[0])] * bool(held[0]) + [(3, base64.b64encode(held[1]).decode())] * bool(held[1])
        elif name == "messageStop":
            out["stop"] = payload["stopReason"]
        elif name == "metadata":
            u = payload["usage"]
            read, wrote = u.get("cacheReadInputTokens", 0), u.get("cacheWriteInputTokens", 0)
            out["usage"] = [u["inputTokens"] + read + wrote, read, wrote, u["outputTokens"]]
    return out


TEXT, REASONING, CALL, ARGUMENTS, USAGE, FINISH, OPAQUE = 2, 4, 5, 6, 7, 8, 11


def answer_of_pieces(pieces):
    out = {"text": "", "reasoning": "", "opaque": [], "calls": [], "stop": None, "usage": None}
    for piece in pieces:
        kind = piece["kind"]
        if kind == TEXT:
            out["text"] += piece["text"]
        elif kind == REASONING:
            out["reasoning"] += piece["text"]
        elif kind == CALL:
            assert piece["index"] == len(out["calls"])
            out["calls"].append([piece["call_id"], piece["name"], ""])
        elif kind == ARGUMENTS:
            out["calls"][piece["index"]][2] += piece["text"]
        elif kind == USAGE:
            out["usage"] = [piece[k] for k in ("input_tokens", "cached_tokens", "cache_write_tokens", "output_tokens")]
        elif kind == FINISH:
            out["stop"] = piece["text"]
        elif kind == OPAQUE:
            out["opaque"].append((piece["opaque"], piece["text"]))
        else:
            raise AssertionError(piece)
    return out


def test_streams_are_read_as_botocore_reads_them(service):
    rng = random.Random(13)
    cases, expected = [], []
    for _ in range(STREAMS):
        raw = b"".join(frame(name, payload) for name, payload in some_stream(rng))
        expected.append(answer_of(read_by_botocore(service, raw)))
        step = rng.choice([1, 13, 500, len(raw)])
        cases.append({"dialect": "converse", "op": "stream", "pieces": [raw[i:i + step].hex() for i in range(0, len(raw), step)]})
    for theirs, ours in zip(expected, ask(PROGRAM, cases)):
        assert "error" not in ours, ours
        assert answer_of_pieces(ours["pieces"]) == theirs


def test_exceptions_in_streams_are_errors(service):
    names = {"throttlingException": "overloaded", "validationException": "invalid", "internalServerException": "unavailable",
             "modelStreamErrorException": "unavailable", "serviceUnavailableException": "unavailable"}
    shape = service.operation_model("ConverseStream").get_event_stream_output()
    described = {name for name, member in shape.members.items() if member.metadata.get("exception")}
    assert described == names.keys(), "the description knows other exceptions"
    start = frame("messageStart", {"role": "assistant"})
    cases = [{"dialect": "converse", "op": "stream", "pieces": [(start + frame(name, {"message": "No."}, "exception")).hex()]} for name in names]
    for (name, code), answer in zip(names.items(), ask(PROGRAM, cases)):
        assert (answer["code"], answer["reason"]) == (code, name), answer


def test_every_event_and_block_of_the_description_is_known(service):
    """What botocore's description lists beyond this is refused by name (T9), not read past."""
    stream = service.operation_model("ConverseStream").get_event_stream_output()
    events = {name for name, member in stream.members.items() if not member.metadata.get("exception")}
    assert events == {"messageStart", "contentBlockStart", "contentBlockDelta", "contentBlockStop", "messageStop", "metadata"}
    delta = stream.members["contentBlockDelta"].members["delta"].members.keys()
    read = {"text", "toolUse", "reasoningContent", "citation"}
    cases = [{"dialect": "converse", "op": "stream", "pieces": [frame("contentBlockDelta", {"contentBlockIndex": 0, "delta": {name: {}}}).hex()]}
             for name in sorted(delta - read)]
    assert len(cases) >= 2
    for answer in ask(PROGRAM, cases):
        assert answer["code"] == "corrupt" and "has no place here" in answer["error"]
