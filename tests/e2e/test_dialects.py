"""One server, one simulated supplier, a provider for each upstream dialect and way to prove who is calling (conftest.py): what
moves between them, and how they are set up. Every client through each of them: test_frameworks.py."""
import base64
import json
import zlib

import httpx
import openai
import pytest

import processes
from conftest import PROVIDERS, pixel

WEATHER = {"type": "object", "properties": {"location": {"type": "string"}}, "required": ["location"],
           "additionalProperties": False}
PERSON = {"type": "object", "properties": {"name": {"type": "string"}, "age": {"type": "integer"}},
          "required": ["name", "age"], "additionalProperties": False}


@pytest.fixture(scope="module")
def client(everywhere):
    return openai.OpenAI(base_url=everywhere.url + "/v1", api_key="unused", max_retries=0)


@pytest.fixture(params=PROVIDERS)
def model(request):
    return request.param


def test_text_and_usage(client, model):
    answer = client.responses.create(model=model, input="Say hello in exactly 3 words.", instructions="Be brief.")
    assert answer.output_text == "Hello there friend."
    assert answer.status == "completed"
    assert answer.usage.input_tokens > 0 and answer.usage.output_tokens > 0


def test_stream_equals_what_is_fetched(client, model):
    text, final = "", None
    for event in client.responses.create(model=model, input="Count from 1 to 30.", stream=True):
        if event.type == "response.output_text.delta":
            text += event.delta
        if event.type == "response.completed":
            final = event.response
    assert text == ", ".join(str(n) for n in range(1, 31))
    assert client.responses.retrieve(final.id).output_text == text


def test_conversation(client, model):
    first = client.responses.create(model=model, input="Remember the code word: heron. Reply with OK.")
    then = client.responses.create(model=model, input="What is the code word? Only the word.",
                                   previous_response_id=first.id)
    assert "heron" in then.output_text


def test_parallel_tools_there_and_back(client, model):
    tools = [{"type": "function", "name": "get_weather", "parameters": WEATHER, "strict": True}]
    asked = client.responses.create(model=model, input="What is the weather in Paris and Rome?", tools=tools)
    calls = [item for item in asked.output if item.type == "function_call"]
    assert sorted(json.loads(call.arguments)["location"] for call in calls) == ["Paris", "Rome"]
    outputs = [{"type": "function_call_output", "call_id": call.call_id,
                "output": "It rains in " + json.loads(call.arguments)["location"]} for call in calls]
    answer = client.responses.create(model=model, input=outputs, tools=tools, previous_response_id=asked.id)
    assert "It rains in Paris" in answer.output_text and "It rains in Rome" in answer.output_text


def test_forced_tool(client, model):
    tools = [{"type": "function", "name": name, "parameters": WEATHER, "strict": True} for name in ("first", "second")]
    asked = client.responses.create(model=model, input="Hello in Oslo", tools=tools,
                                    tool_choice={"type": "function", "name": "second"})
    assert {item.name for item in asked.output if item.type == "function_call"} == {"second"}


def test_structured_output(client, model):
    answer = client.responses.create(
        model=model, input="Who is it?",
        text={"format": {"type": "json_schema", "name": "person", "strict": True, "schema": PERSON}})
    person = json.loads(answer.output_text)
    assert isinstance(person["name"], str) and isinstance(person["age"], int)


def test_image_arrives(client, model):
    data = pixel(200, 10, 10)
    answer = client.responses.create(model=model, input=[{"role": "user", "content": [
        {"type": "input_text", "text": "What is this?"},
        {"type": "input_image", "image_url": "data:image/png;base64," + base64.b64encode(data).decode()}]}])
    assert f"image/png of {len(data)} bytes (crc32 {zlib.crc32(data):08x})" in answer.output_text


def test_chat_completions(client, model):
    answer = client.chat.completions.create(model=model, messages=[{"role": "user", "content": "Count from 1 to 5."}])
    assert answer.choices[0].message.content == "1, 2, 3, 4, 5"
    text = "".join(chunk.choices[0].delta.content or "" for chunk in client.chat.completions.create(
        model=model, messages=[{"role": "user", "content": "Count from 1 to 5."}], stream=True) if chunk.choices)
    assert text == "1, 2, 3, 4, 5"


def test_a_conversation_wanders_through_all(client):
    """Every turn at another supplier, tools and all: what was said is there at each."""
    previous, tools = None, [{"type": "function", "name": "get_weather", "parameters": WEATHER, "strict": True}]
    for turn, model in enumerate(PROVIDERS + PROVIDERS[:1]):
        asked = client.responses.create(model=model, tools=tools, previous_response_id=previous,
                                        input=f"Remember the code word: word{turn}. What is the weather in Oslo?")
        calls = [item for item in asked.output if item.type == "function_call"]
        assert calls, asked.output_text
        outputs = [{"type": "function_call_output", "call_id": call.call_id, "output": f"{turn} degrees"} for call in calls]
        other = PROVIDERS[(turn + 3) % len(PROVIDERS)]
        answer = client.responses.create(model=other, tools=tools, previous_response_id=asked.id, input=outputs)
        assert f"{turn} degrees" in answer.output_text, (model, other, answer.error)
        previous = answer.id


def test_models_are_listed(client):
    assert {model.id for model in client.models.list()} >= set(PROVIDERS)


def test_a_refused_credential_is_no_secret(all_dialects, tmp_path):
    (tmp_path / "perdure.yaml").write_text(
        f"providers: [{{name: a, supplier: anthropic, base_url: '{all_dialects.url}/v1', api_key: env:KEY}}]\n")
    server = processes.serve(tmp_path / "data", tmp_path / "serve.log", None, "--config", tmp_path / "perdure.yaml",
                             env={"KEY": "a-key-that-is-wrong"})
    try:
        reply = httpx.post(server.url + "/v1/responses", json={"model": "m", "input": "Hello"}, timeout=30)
        assert reply.json()["error"]["code"] == "supplier_denied", reply.text
        assert "a-key-that-is-wrong" not in reply.text
    finally:
        assert server.stop() == 0
    assert b"a-key-that-is-wrong" not in server.output()


def test_providers_are_found_in_the_environment(tmp_path):
    """Nothing is asked of anybody: what the start says, and what is listed."""
    server = processes.serve(tmp_path / "data", tmp_path / "serve.log", None,
                             env={"ANTHROPIC_API_KEY": "a", "GEMINI_API_KEY": "g", "AWS_BEARER_TOKEN_BEDROCK": "b",
                                  "AWS_REGION": "eu-central-1"})
    try:
        said = server.output().decode()
        assert "provider anthropic from ANTHROPIC_API_KEY: https://api.anthropic.com/v1" in said
        assert "provider gemini from GEMINI_API_KEY" in said
        assert "provider bedrock from AWS_BEARER_TOKEN_BEDROCK: https://bedrock-runtime.eu-central-1" in said
        names = {one["id"] for one in httpx.get(server.url + "/v1/models", timeout=30).json()["data"]}
        assert {"claude-haiku-4-5", "gemini-2.5-flash"} <= names
    finally:
        server.stop()


def test_embeddings_where_the_dialect_has_them(client, model):
    if model not in ("chat", "responses", "azure", "azure-v1"):
        with pytest.raises(openai.BadRequestError) as refused:
            client.embeddings.create(model=model, input="the sea")
        assert refused.value.code == "model_not_supported"
        return
    made = client.embeddings.create(model=model, input=["the sea", "a ship"], dimensions=16)
    assert [len(entry.embedding) for entry in made.data] == [16, 16] and made.usage.prompt_tokens > 0
