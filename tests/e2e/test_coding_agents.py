"""What coding agents are known to send, byte for byte of their own making: no SDK between. One like Codex (Responses, streamed,
nothing stored, reasoning carried along encrypted) and one like Claude Code (Messages, beta fields, marks of prompt caches), each
over a supplier of its own API and over another one."""
import json

import pytest

SHELL = {"type": "function", "name": "shell", "description": "Runs a shell command and returns its output.", "strict": False,
         "parameters": {"type": "object", "properties": {
             "command": {"type": "array", "items": {"type": "string"}}, "workdir": {"type": "string"},
             "timeout_ms": {"type": "number"}}, "required": ["command"], "additionalProperties": False}}
PLAN = {"type": "function", "name": "update_plan", "description": "Keeps the plan up to date.", "strict": False,
        "parameters": {"type": "object", "properties": {"plan": {"type": "array", "items": {
            "type": "object", "properties": {"step": {"type": "string"}, "status": {"type": "string"}},
            "required": ["step", "status"], "additionalProperties": False}}}, "required": ["plan"], "additionalProperties": False}}
ENVIRONMENT = "<environment_context>\n  <cwd>/home/somebody/project</cwd>\n  <shell>bash</shell>\n</environment_context>"


def codex(model, items, **more):
    return {"model": model, "instructions": "You are a coding agent that runs in a terminal.", "input": items,
            "tools": [SHELL, PLAN], "tool_choice": "auto", "parallel_tool_calls": False,
            "reasoning": {"effort": "medium", "summary": "auto"}, "store": False, "stream": True,
            "include": ["reasoning.encrypted_content"], "prompt_cache_key": "0199a213-81c0-7800-8aa1-bbab2a035a53",
            "text": {"verbosity": "medium"}} | more


def events(http, path, body, headers):
    with http.stream("POST", path, json=body, headers=headers) as reply:
        text = "".join(reply.iter_text())
    assert reply.status_code == 200, text
    return [json.loads(line[6:]) for line in text.split("\n") if line.startswith("data: {")]


CODEX = {"Accept": "text/event-stream", "Authorization": "Bearer unused", "originator": "codex_cli_rs",
         "session_id": "0199a213-81c0-7800-8aa1-bbab2a035a53", "conversation_id": "0199a213-81c0-7800-8aa1-bbab2a035a53",
         "User-Agent": "codex_cli_rs/0.99.0"}


@pytest.mark.parametrize("model", ["gpt-5.4", "azure-v1", "claude-sonnet-4-5", "converse"])
def test_like_codex(everywhere_http, model):
    """A turn with a call of a tool, and the next one, whose history is sent again as it came."""
    more = {}
    if model in ("claude-sonnet-4-5", "converse"):  # what it sends for models that it does not know
        more = {"text": None, "reasoning": None, "include": []}
    said = [{"type": "message", "role": "user", "content": [{"type": "input_text", "text": ENVIRONMENT}]},
            {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Run shell to list the files."}]}]
    told = events(everywhere_http, "/v1/responses", codex(model, said, **more), CODEX)
    assert told[0]["type"] == "response.created" and told[-1]["type"] == "response.completed", told[-1]
    assert [event["sequence_number"] for event in told] == list(range(len(told)))
    items = [event["item"] for event in told if event["type"] == "response.output_item.done"]
    calls = [item for item in items if item["type"] == "function_call"]
    assert [call["name"] for call in calls] == ["shell"], items
    if model == "gpt-5.4":
        thought = next(item for item in items if item["type"] == "reasoning")
        assert thought["encrypted_content"]
    # It sends items back without ids and states.
    back = [{name: value for name, value in item.items() if name not in ("id", "status")} for item in items]
    said += [*back, {"type": "function_call_output", "call_id": calls[0]["call_id"],
                     "output": json.dumps({"output": "README.md\n", "metadata": {"exit_code": 0, "duration_seconds": 0.1}})}]
    told = events(everywhere_http, "/v1/responses", codex(model, said, **more), CODEX)
    text = "".join(event["delta"] for event in told if event["type"] == "response.output_text.delta")
    assert "README.md" in text, told[-1]
    assert told[-1]["response"]["usage"]["total_tokens"] > 0


@pytest.mark.parametrize("tool", [
    {"type": "local_shell"}, {"type": "web_search"},
    {"type": "custom", "name": "apply_patch", "description": "Edits files.",
     "format": {"type": "grammar", "syntax": "lark", "definition": "start: /.+/"}},
], ids=lambda tool: tool["type"])
def test_like_codex_tools_that_are_not_to_be_had(everywhere_http, tool):
    """Where the supplier is of another API, or a response is stored, they are refused by name."""
    said = [{"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Hello"}]}]
    for model, stored in (("claude-sonnet-4-5", False), ("gpt-5.4", True)):
        reply = everywhere_http.post("/v1/responses", json=codex(model, said, tools=[SHELL, tool], store=stored, text=None))
        assert reply.status_code == 400, reply.text
        error = reply.json()["error"]
        assert error["param"] == "tools[1].type" and tool["type"] in error["message"]


BASH = {"name": "Bash", "description": "Executes a command.", "input_schema": {
    "$schema": "http://json-schema.org/draft-07/schema#", "type": "object", "properties": {
        "command": {"type": "string", "description": "The command"}, "timeout": {"type": "number"}},
    "required": ["command"], "additionalProperties": False}}
READ = {"name": "Read", "description": "Reads a file.", "cache_control": {"type": "ephemeral"}, "input_schema": {
    "$schema": "http://json-schema.org/draft-07/schema#", "type": "object",
    "properties": {"file_path": {"type": "string"}}, "required": ["file_path"], "additionalProperties": False}}
CLAUDE = {"anthropic-version": "2023-06-01", "x-api-key": "unused", "x-app": "cli", "User-Agent": "claude-cli/2.1.0 (external, cli)",
          "anthropic-beta": "claude-code-20250219,interleaved-thinking-2025-05-14,context-management-2025-06-27",
          "anthropic-dangerous-direct-browser-access": "true", "x-stainless-lang": "js", "x-stainless-retry-count": "0"}


def claude(model, messages, **more):
    mark = {"cache_control": {"type": "ephemeral"}}
    return {"model": model, "max_tokens": 32000, "stream": True, "messages": messages, "tools": [BASH, READ],
            "system": [{"type": "text", "text": "You are an agent that runs in a terminal.", **mark},
                       {"type": "text", "text": "Be brief. The folder is /home/somebody/project.", **mark}],
            "metadata": {"user_id": "user_0f3a_account__session_7c1d"},
            "thinking": {"type": "enabled", "budget_tokens": 31999},
            "context_management": {"edits": [{"type": "clear_thinking_20251015", "keep": "all"}]}} | more


ADAPTIVE = {"thinking": {"type": "adaptive"}, "output_config": {"effort": "high"}}


@pytest.mark.parametrize("model, more", [("claude-sonnet-4-5", {}), ("gpt-4o", {}), ("gpt-5.4", {}), ("gpt-5.4", ADAPTIVE),
                                         ("gemini", ADAPTIVE)])
def test_like_claude_code(everywhere_http, model, more):
    """The same, with thinking that comes back to whoever can read it, and marks on the last message."""
    def ask(messages):
        return events(everywhere_http, "/v1/messages?beta=true", claude(model, messages, **more), CLAUDE)

    messages = [{"role": "user", "content": [
        {"type": "text", "text": "<system-reminder>\nNothing is known of this folder.\n</system-reminder>"},
        {"type": "text", "text": "Use Bash to list the files.", "cache_control": {"type": "ephemeral"}}]}]
    told = ask(messages)
    assert told[0]["type"] == "message_start" and told[-1]["type"] == "message_stop", told[-1]
    assert [e["delta"]["stop_reason"] for e in told if e["type"] == "message_delta"] == ["tool_use"]
    blocks = put_together(told)
    used = [block for block in blocks if block["type"] == "tool_use"]
    assert [use["name"] for use in used] == ["Bash"]
    if model == "claude-sonnet-4-5":
        assert blocks[0]["type"] == "thinking" and blocks[0]["signature"]
    del messages[0]["content"][1]["cache_control"]
    messages += [{"role": "assistant", "content": blocks},
                 {"role": "user", "content": [{"type": "tool_result", "tool_use_id": used[0]["id"], "content": "README.md",
                                               "is_error": False, "cache_control": {"type": "ephemeral"}}]}]
    told = ask(messages)
    assert "README.md" in "".join(block.get("text", "") for block in put_together(told))
    usage = [e["usage"] for e in told if e["type"] == "message_delta"][0]
    assert usage["output_tokens"] > 0


def test_like_claude_code_where_a_model_does_not_think(everywhere_http):
    """It is refused by name, and left out where the agent is told to send the header (ANTHROPIC_CUSTOM_HEADERS)."""
    body = claude("converse", [{"role": "user", "content": "Use Bash to list the files."}], stream=False)
    refused = everywhere_http.post("/v1/messages?beta=true", json=body, headers=CLAUDE)
    assert refused.status_code == 400 and "reasoning" in refused.json()["error"]["message"], refused.text
    taken = everywhere_http.post("/v1/messages?beta=true", json=body, headers=CLAUDE | {"x-perdure-lenient": "1"})
    assert taken.status_code == 200 and taken.headers["x-perdure-dropped"], taken.text
    assert taken.json()["stop_reason"] == "tool_use"


def put_together(told):
    blocks, inputs = {}, {}
    for event in told:
        if event["type"] == "content_block_start":
            blocks[event["index"]] = dict(event["content_block"])
        elif event["type"] == "content_block_delta":
            block, delta = blocks[event["index"]], event["delta"]
            if delta["type"] == "input_json_delta":
                inputs[event["index"]] = inputs.get(event["index"], "") + delta["partial_json"]
            else:
                name = {"text_delta": "text", "thinking_delta": "thinking", "signature_delta": "signature"}[delta["type"]]
                block[name] = block.get(name, "") + delta[name]
    for index, text in inputs.items():
        blocks[index]["input"] = json.loads(text or "{}")
    return [blocks[index] for index in sorted(blocks)]


def test_like_claude_code_counts_and_asks_briefly(everywhere_http):
    body = claude("claude-sonnet-4-5", [{"role": "user", "content": "How many tokens is this?"}])
    for name in ("max_tokens", "stream", "metadata", "context_management", "thinking"):
        del body[name]
    counted = everywhere_http.post("/v1/messages/count_tokens?beta=true", json=body, headers=CLAUDE)
    assert counted.json()["input_tokens"] > 0, counted.text
    # At its start it asks a small model for one token, to see whether it is let in.
    for model in ("claude-sonnet-4-5", "chat"):
        quota = everywhere_http.post("/v1/messages?beta=true", headers=CLAUDE, json={
            "model": model, "max_tokens": 1, "messages": [{"role": "user", "content": "quota"}],
            "metadata": {"user_id": "user_0f3a_account__session_7c1d"}})
        assert quota.status_code == 200 and quota.json()["stop_reason"] == "max_tokens", quota.text
    # And a name for the conversation, as JSON that it has begun itself.
    topic = everywhere_http.post("/v1/messages?beta=true", headers=CLAUDE, json={
        "model": "claude-sonnet-4-5", "max_tokens": 512, "temperature": 0, "system": [{"type": "text", "text": "Name it."}],
        "messages": [{"role": "user", "content": "Say exactly: {\"title\": null}"}, {"role": "assistant", "content": "{"}]})
    assert topic.status_code == 200, topic.text


@pytest.mark.parametrize("model", ["claude-sonnet-4-5", "gemini"])
def test_like_claude_code_over_a_thread(everywhere_http, model):
    """It may leave the conversation with the server, and sends all of it again where that has none."""
    def ask(messages, thread, **more):
        body = claude(model, messages, thread=thread, stream=False, diagnostics={"previous_message_id": None}, **more)
        if thread["type"] == "continue":
            del body["system"], body["tools"]
        headers = CLAUDE | {"anthropic-beta": CLAUDE["anthropic-beta"] + ",message-threads-2026-08-12"}
        return everywhere_http.post("/v1/messages?beta=true", json=body, headers=headers)

    first = ask([{"role": "user", "content": "Use Bash to list the files."}], {"type": "create"})
    assert first.status_code == 200, first.text
    use = next(block for block in first.json()["content"] if block["type"] == "tool_use")
    second = ask([{"role": "user", "content": [{"type": "tool_result", "tool_use_id": use["id"], "content": "README.md"}]}],
                 {"type": "continue", "previous_message_id": first.json()["id"]})
    assert second.status_code == 200, second.text
    assert "README.md" in "".join(block.get("text", "") for block in second.json()["content"])
    lost = ask([{"role": "user", "content": "Go on."}], {"type": "continue", "previous_message_id": "msg_0123"})
    assert lost.status_code == 404 and lost.json()["error"]["details"]["error_code"] == "thread_not_found", lost.text
