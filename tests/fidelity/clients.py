"""The three client dialects, as the tables and the long conversation need them: one neutral wish put into each, and what comes back read
into one neutral answer. Written apart from the product."""
import base64
import json


class Answer:
    """What a client was told: text, refusal, calls, reasoning, why it ended, usage, and the items to give back."""

    def __init__(self):
        self.text = self.refusal = self.thought = ""
        self.calls, self.blocks, self.history = [], [], []
        self.stop = self.error = None
        self.usage = None
        self.whole = False   # it came to its ending
        self.starts = 0
        self.id = None

    def said(self):
        return [self.text, self.refusal, self.thought, [(c["name"], c["arguments"]) for c in self.calls], self.stop, self.usage]


class Refused(Exception):
    def __init__(self, status, body, headers):
        super().__init__(f"{status} {body[:600]}")
        self.status, self.body, self.headers = status, body, headers
        self.error = json.loads(body)["error"]

    def field(self):
        """The field at fault: Anthropic's form has it in front of the message."""
        if self.error.get("param"):
            return self.error["param"]
        field, colon, _ = self.error["message"].partition(": ")
        assert colon and " " not in field, self.error
        return field


def events_of(text):
    out = []
    for block in text.replace("\r\n", "\n").split("\n\n"):
        lines = [line for line in block.split("\n") if line and not line.startswith(":")]
        if not lines:
            continue
        name = next((line[7:] for line in lines if line.startswith("event: ")), "")
        out.append((name, "\n".join(line[6:] for line in lines if line.startswith("data: "))))
    return out


class Client:
    """`wish` keys: messages (dicts with role and text, images, files, calls, results), system, developer, tools, choice, one_at_a_time,
    schema, json_mode, effort, omit_thoughts, limit, stop, seed, more."""

    def __init__(self, http):
        self.http = http

    def post(self, body, headers=None):
        reply = self.http.post(self.path, json=body, headers={**self.headers, **(headers or {})})
        if reply.status_code != 200:
            raise Refused(reply.status_code, reply.text, reply.headers)
        return reply

    def ask(self, wish, headers=None):
        reply = self.post(self.body(wish), headers)
        self.last = reply
        answer = self.read(reply.json())
        answer.whole = True
        answer.id = reply.headers.get("x-perdure-response-id")
        return answer

    def stream(self, wish, headers=None):
        reply = self.post(self.body({**wish, "stream": True}), headers)
        self.last = reply
        answer = self.read_events(events_of(reply.text))
        answer.id = reply.headers.get("x-perdure-response-id")
        return answer

    headers = {}


def data_url(kind, data):
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"


class Responses(Client):
    name, path = "responses", "/v1/responses"
    kept, unkept = {"store": True}, {"store": False}

    def content(self, m):
        parts = [{"type": "input_text", "text": m["text"]}] if m.get("text") else []
        for image in m.get("images", []):
            parts.append({"type": "input_image", "image_url": image if isinstance(image, str) else data_url("image/png", image)})
        for file in m.get("files", []):
            parts.append({"type": "input_file", "file_url": file} if isinstance(file, str) else
                         {"type": "input_file", "filename": "a.pdf", "file_data": data_url("application/pdf", file)})
        return parts

    def body(self, w):
        items = []
        for m in w["messages"]:
            if "items" in m:
                items += m["items"]
            elif "results" in m:
                for result in m["results"]:
                    output = result["text"] if not result.get("images") else self.content(result)
                    items.append({"type": "function_call_output", "call_id": result["id"], "output": output})
            elif m["role"] == "assistant":
                if m.get("text"):
                    items.append({"role": "assistant", "content": m["text"]})
                items += [{"type": "function_call", "call_id": c["id"], "name": c["name"], "arguments": c["arguments"]} for c in m.get("calls", [])]
            else:
                items.append({"role": m["role"], "content": self.content(m)})
        body = {"model": w["model"], "input": items, **w.get("more", {})}
        if w.get("system"):
            body["instructions"] = w["system"]
        if w.get("previous"):
            body["previous_response_id"] = w["previous"]
        if w.get("tools"):
            body["tools"] = [{"type": "function", "name": t["name"], "parameters": t["schema"], "strict": t.get("strict", False)} for t in w["tools"]]
        choice = w.get("choice")
        if isinstance(choice, tuple):
            body["tool_choice"] = {"type": "allowed_tools", "mode": "required", "tools": [{"type": "function", "name": n} for n in choice]}
        elif choice in ("required", "none"):
            body["tool_choice"] = choice
        elif choice:
            body["tool_choice"] = {"type": "function", "name": choice}
        if w.get("one_at_a_time"):
            body["parallel_tool_calls"] = False
        if w.get("schema"):
            body["text"] = {"format": {"type": "json_schema", "name": "answer", "schema": w["schema"], "strict": True}}
        if w.get("json_mode"):
            body["text"] = {"format": {"type": "json_object"}}
        if w.get("effort"):
            body["reasoning"] = {"effort": w["effort"]} | ({} if w.get("omit_thoughts") else {"summary": "auto"})
            body["include"] = ["reasoning.encrypted_content"]
        if w.get("limit"):
            body["max_output_tokens"] = w["limit"]
        if w.get("temperature") is not None:
            body["temperature"] = w["temperature"]
        if w.get("stream"):
            body["stream"] = True
        return body

    def read(self, r):
        a = Answer()
        a.starts, a.history = 1, r["output"]
        for item in r["output"]:
            if item["type"] == "message":
                for part in item["content"]:
                    if part["type"] == "refusal":
                        a.refusal += part["refusal"]
                    else:
                        a.text += part["text"]
            elif item["type"] == "function_call":
                a.calls.append({"id": item["call_id"], "name": item["name"], "arguments": item["arguments"]})
            elif item["type"] == "reasoning":
                a.thought += "".join(p["text"] for p in item.get("summary", []) + item.get("content", []))
                if item.get("encrypted_content"):
                    a.blocks.append(item["encrypted_content"])
        a.error = r.get("error")
        a.stop = (r.get("incomplete_details") or {}).get("reason") or r["status"]
        u = r.get("usage")
        if u:
            a.usage = {"input": u["input_tokens"], "cached": u["input_tokens_details"]["cached_tokens"], "output": u["output_tokens"],
                       "reasoning": u["output_tokens_details"]["reasoning_tokens"], "total": u["total_tokens"]}
            if "cache_write_tokens" in u["input_tokens_details"]:
                a.usage["written"] = u["input_tokens_details"]["cache_write_tokens"]
        return a

    def read_events(self, events):
        a, number, text, arguments = Answer(), 0, "", {}
        for name, data in events:
            if data == "[DONE]":
                continue
            event = json.loads(data)
            assert event["type"] == name and event["sequence_number"] == number, (number, event)
            number += 1
            if name == "response.created":
                a.starts += 1
            elif name == "response.output_text.delta":
                text += event["delta"]
            elif name == "response.function_call_arguments.delta":
                arguments[event["output_index"]] = arguments.get(event["output_index"], "") + event["delta"]
            elif name == "error":
                a.error = event.get("error") or event
            elif name in ("response.completed", "response.incomplete", "response.failed"):
                starts = a.starts
                a = self.read(event["response"])
                a.starts, a.whole = starts, name != "response.failed"
                if name != "response.failed":
                    assert text == a.text, "the deltas are not the whole"
                    assert [arguments[k] for k in sorted(arguments)] == [c["arguments"] for c in a.calls if c["arguments"]]
                continue
        if not a.whole:
            a.text = a.text or text
        return a


class Chat(Client):
    name, path = "chat", "/v1/chat/completions"
    kept, unkept = {"store": True}, {}

    def content(self, m):
        if not m.get("images") and not m.get("files"):
            return m["text"]
        parts = [{"type": "text", "text": m["text"]}]
        for image in m.get("images", []):
            parts.append({"type": "image_url", "image_url": {"url": image if isinstance(image, str) else data_url("image/png", image)}})
        for file in m.get("files", []):
            parts.append({"type": "file", "file": {"filename": "a.pdf", "file_data": data_url("application/pdf", file)}})
        return parts

    def body(self, w):
        messages = [{"role": "system", "content": w["system"]}] if w.get("system") else []
        for m in w["messages"]:
            if "items" in m:
                messages += m["items"]
            elif "results" in m:
                messages += [{"role": "tool", "tool_call_id": r["id"], "content": r["text"]} for r in m["results"]]
            elif m["role"] == "assistant":
                messages.append({"role": "assistant", "content": m.get("text") or None} | (
                    {"tool_calls": [{"id": c["id"], "type": "function", "function": {"name": c["name"], "arguments": c["arguments"]}}
                                    for c in m["calls"]]} if m.get("calls") else {}))
            else:
                messages.append({"role": m["role"], "content": self.content(m)})
        body = {"model": w["model"], "messages": messages, **w.get("more", {})}
        if w.get("tools"):
            body["tools"] = [{"type": "function", "function": {"name": t["name"], "parameters": t["schema"]} |
                              ({"strict": True} if t.get("strict") else {})} for t in w["tools"]]
        choice = w.get("choice")
        if isinstance(choice, tuple):
            body["tool_choice"] = {"type": "allowed_tools", "allowed_tools": {
                "mode": "required", "tools": [{"type": "function", "function": {"name": n}} for n in choice]}}
        elif choice in ("required", "none"):
            body["tool_choice"] = choice
        elif choice:
            body["tool_choice"] = {"type": "function", "function": {"name": choice}}
        if w.get("one_at_a_time"):
            body["parallel_tool_calls"] = False
        if w.get("schema"):
            body["response_format"] = {"type": "json_schema", "json_schema": {"name": "answer", "schema": w["schema"], "strict": True}}
        if w.get("json_mode"):
            body["response_format"] = {"type": "json_object"}
        if w.get("effort"):
            body["reasoning_effort"] = w["effort"]
        for ours, theirs in [("limit", "max_completion_tokens"), ("stop", "stop"), ("seed", "seed"), ("temperature", "temperature")]:
            if w.get(ours) is not None:
                body[theirs] = w[ours]
        if w.get("stream"):
            body |= {"stream": True, "stream_options": {"include_usage": True}}
        return body

    def usage(self, u):
        out = {"input": u["prompt_tokens"], "output": u["completion_tokens"], "total": u["total_tokens"],
               "cached": (u.get("prompt_tokens_details") or {}).get("cached_tokens", 0),
               "reasoning": (u.get("completion_tokens_details") or {}).get("reasoning_tokens", 0)}
        if "cache_write_tokens" in (u.get("prompt_tokens_details") or {}):
            out["written"] = u["prompt_tokens_details"]["cache_write_tokens"]
        return out

    def read(self, r):
        a = Answer()
        a.starts = 1
        m = r["choices"][0]["message"]
        a.text, a.refusal, a.thought = m.get("content") or "", m.get("refusal") or "", m.get("reasoning_content") or ""
        a.calls = [{"id": c["id"], "name": c["function"]["name"], "arguments": c["function"]["arguments"]} for c in m.get("tool_calls") or []]
        back = {k: m[k] for k in ("role", "content", "refusal", "tool_calls", "reasoning_content") if m.get(k) is not None}
        a.history = [{"content": None, **back}]
        a.stop = r["choices"][0]["finish_reason"]
        a.usage = self.usage(r["usage"]) if r.get("usage") else None
        return a

    def read_events(self, events):
        a, ended = Answer(), False
        for _, data in events:
            assert not ended, "something behind [DONE]"
            if data == "[DONE]":
                ended = True
                continue
            chunk = json.loads(data)
            if "error" in chunk:
                a.error = chunk["error"]
                continue
            if chunk.get("usage"):
                a.usage = self.usage(chunk["usage"])
            for choice in chunk["choices"]:
                d = choice["delta"]
                if "role" in d:
                    a.starts += 1
                a.text += d.get("content") or ""
                a.refusal += d.get("refusal") or ""
                a.thought += d.get("reasoning_content") or ""
                for c in d.get("tool_calls") or []:
                    if c["index"] == len(a.calls):
                        a.calls.append({"id": c["id"], "name": c["function"]["name"], "arguments": ""})
                    else:
                        assert c["index"] == len(a.calls) - 1 and "id" not in c, "calls out of order"
                    a.calls[-1]["arguments"] += c["function"].get("arguments", "")
                a.stop = choice["finish_reason"] or a.stop
        a.whole = ended
        a.history = [{"role": "assistant", "content": a.text or None} | ({"tool_calls": [
            {"id": c["id"], "type": "function", "function": {"name": c["name"], "arguments": c["arguments"]}} for c in a.calls]} if a.calls else {})]
        return a


class Messages(Client):
    name, path = "messages", "/v1/messages"
    headers = {"anthropic-version": "2023-06-01"}
    kept, unkept = {}, {}

    def content(self, m):
        blocks = []
        for image in m.get("images", []):
            blocks.append({"type": "image", "source": {"type": "url", "url": image} if isinstance(image, str) else
                           {"type": "base64", "media_type": "image/png", "data": base64.b64encode(image).decode()}})
        for file in m.get("files", []):
            blocks.append({"type": "document", "source": {"type": "url", "url": file} if isinstance(file, str) else
                           {"type": "base64", "media_type": "application/pdf", "data": base64.b64encode(file).decode()}})
        return blocks + ([{"type": "text", "text": m["text"]} | m.get("mark", {})] if m.get("text") else [])

    def body(self, w):
        messages = []

        def add(role, blocks):
            if messages and messages[-1]["role"] == role:
                messages[-1]["content"] += blocks
            else:
                messages.append({"role": role, "content": list(blocks)})
        for m in w["messages"]:
            if "items" in m:
                add("assistant", m["items"])
            elif "results" in m:
                add("user", [{"type": "tool_result", "tool_use_id": r["id"], "content": self.content(r)} | (
                    {"is_error": True} if r.get("failed") else {}) for r in m["results"]])
            elif m["role"] == "assistant":
                add("assistant", self.content(m) + [{"type": "tool_use", "id": c["id"], "name": c["name"], "input": json.loads(c["arguments"])}
                                                    for c in m.get("calls", [])])
            else:
                add(m["role"], self.content(m))
        body = {"model": w["model"], "messages": messages, "max_tokens": w.get("limit") or 8000, **w.get("more", {})}
        if w.get("system"):
            body["system"] = w["system"]
        if w.get("tools"):
            body["tools"] = [{"name": t["name"], "input_schema": t["schema"]} for t in w["tools"]]
        choice = w.get("choice")
        if choice:
            body["tool_choice"] = {"type": "any"} if choice == "required" else {"type": "none"} if choice == "none" else {"type": "tool", "name": choice}
        if w.get("one_at_a_time"):
            body["tool_choice"] = {**body.get("tool_choice", {"type": "auto"}), "disable_parallel_tool_use": True}
        if w.get("schema"):
            body["output_config"] = {"format": {"type": "json_schema", "schema": w["schema"]}}
        if w.get("effort"):
            body["thinking"] = {"type": "adaptive", "display": "omitted" if w.get("omit_thoughts") else "summarized"}
        for ours, theirs in [("temperature", "temperature"), ("stop", "stop_sequences")]:
            if w.get(ours) is not None:
                body[theirs] = w[ours]
        if w.get("stream"):
            body["stream"] = True
        return body

    def usage(self, u):
        cached, written = u.get("cache_read_input_tokens") or 0, u.get("cache_creation_input_tokens") or 0
        return {"input": u["input_tokens"] + cached + written, "cached": cached, "written": written, "output": u["output_tokens"]}

    def read(self, r):
        a = Answer()
        a.starts, a.history = 1, r["content"]
        for b in r["content"]:
            if b["type"] == "text":
                a.text += b["text"]
            elif b["type"] == "tool_use":
                a.calls.append({"id": b["id"], "name": b["name"], "arguments": json.dumps(b["input"], separators=(",", ":"), ensure_ascii=False)})
            elif b["type"] == "thinking":
                a.thought += b["thinking"]
                if b["signature"]:
                    a.blocks.append(b["signature"])
            elif b["type"] == "redacted_thinking":
                a.blocks.append(b["data"])
        a.stop = r["stop_reason"]
        a.usage = self.usage(r["usage"])
        return a

    def read_events(self, events):
        message, open_index, ended = None, None, False
        for name, data in events:
            event = json.loads(data)
            assert event["type"] == name and not ended, event
            if name == "message_start":
                assert message is None, "a second message_start"
                message = event["message"]
            elif name == "content_block_start":
                assert open_index is None and event["index"] == len(message["content"]), "blocks out of order"
                open_index = event["index"]
                message["content"].append(dict(event["content_block"]))
                if event["content_block"]["type"] == "tool_use":
                    message["content"][-1]["input"] = ""
            elif name == "content_block_delta":
                assert event["index"] == open_index
                for kind, field in [("text", "text"), ("thinking", "thinking"), ("signature", "signature"), ("partial_json", "input")]:
                    if kind in event["delta"]:
                        message["content"][-1][field] += event["delta"][kind]
            elif name == "content_block_stop":
                assert event["index"] == open_index
                open_index = None
                if message["content"][-1]["type"] == "tool_use":
                    message["content"][-1]["input"] = json.loads(message["content"][-1]["input"] or "{}")
            elif name == "message_delta":
                message["stop_reason"] = event["delta"]["stop_reason"]
                message["usage"] |= {k: v for k, v in event["usage"].items() if v is not None}
            elif name == "message_stop":
                ended = True
            elif name == "error":
                a = Answer() if message is None else self.read(message | {"content": [b for b in message["content"] if b.get("input") != ""]})
                a.error = event["error"]
                return a
        a = self.read(message)
        a.whole = ended
        return a


CLIENTS = [Responses, Chat, Messages]
