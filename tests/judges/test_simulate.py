"""What simulated suppliers send, against the published descriptions and the official clients of those whom they imitate.

The descriptions of OpenAI and Anthropic are test data outside of the project (../shared/data); what needs them is skipped
where they are not. Bedrock's judge is botocore: its client signs, its description and its parsers read.
"""
import base64
import json
import os
import pathlib
import re
import sys
import zlib

import botocore.config
import botocore.exceptions
import botocore.session
import botocore.validate
import httpx
import openai
import pytest
from jsonschema import Draft202012Validator
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "tests"))
import processes  # noqa: E402

DATA = pathlib.Path(os.environ.get("PERDURE_SHARED_DATA", ROOT.parent / "shared/data"))
MODEL = "simulated-1"
PNG = base64.b64decode("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==")
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}, "days": {"type": "integer"}},
          "required": ["city", "days"], "additionalProperties": False}
# Prompts that bring out every kind of answer; tools are offered with those that name them.
PROMPTS = ["Count from 1 to 9.", "Say exactly: naïve 日本", "Refuse: I would rather not.", "Trip the safety filter after: So far",
           "Trip the safety filter.", "Think first. Say exactly: yes", "Think in secret. Say exactly: yes", "Write 0 words.",
           "Use get_weather for 3 days in Paris and Rome", "First say: I will look.\nThen use get_weather in Oslo"]


# What OpenAI sends as null although its description has no null there: seen in its recorded answers.
NULLS = {"usage", "user", "finish_reason", "logprobs"}


def with_tools(prompt):
    return "get_weather" in prompt


class Description:
    """An OpenAPI description; `check` holds a value against one of its schemas."""

    def __init__(self, path):
        if not path.exists():
            pytest.skip(f"{path} (../shared/data) is not here")
        self.document = json.loads(path.read_text())
        self.registry = Registry().with_resource("urn:api", Resource(self.document, DRAFT202012))
        self.validators = {}
        self.by_type = {}
        for name, schema in self.document["components"]["schemas"].items():
            kind = schema.get("properties", {}).get("type", {}) if isinstance(schema, dict) else {}
            for value in [kind["const"]] if "const" in kind else kind.get("enum", []):
                if name.endswith("Event") and not name.startswith("Beta"):
                    self.by_type.setdefault(value, name)

    def check(self, value, name):
        if name not in self.validators:
            self.validators[name] = Draft202012Validator({"$ref": f"urn:api#/components/schemas/{name}"}, registry=self.registry)
        errors = [e for e in self.validators[name].iter_errors(value)
                  if not (e.instance is None and e.absolute_path and e.absolute_path[-1] in NULLS)]
        assert not errors, f"{name}: {errors[0].message[:500]} at {list(errors[0].absolute_path)}\n{json.dumps(value)[:2000]}"

    def check_event(self, event):
        assert event["type"] in self.by_type, f"no event {event['type']} is described"
        self.check(event, self.by_type[event["type"]])


def start(directory, *arguments):
    return processes.simulate(directory / "simulate.log", "--seed", 1, *arguments)


@pytest.fixture(scope="module")
def supplier(tmp_path_factory):
    process = start(tmp_path_factory.mktemp("simulate"), "--reasoning", "--cache-minimum", 100)
    yield process.url.removesuffix("/v1")
    assert process.stop() == 0


@pytest.fixture(scope="module")
def http():
    with httpx.Client(timeout=30, trust_env=False) as client:
        yield client


def events(text):
    """The events of an SSE body: (name, data)."""
    out = []
    for block in filter(None, text.split("\n\n")):
        fields = dict(line.split(": ", 1) for line in block.split("\n"))
        out.append((fields.get("event", ""), fields["data"]))
    return out


# --- OpenAI ---

@pytest.fixture(scope="module")
def openai_description():
    return Description(DATA / "openai/openapi.json")


def chat_body(prompt, stream):
    body = {"model": MODEL, "messages": [{"role": "user", "content": prompt}], "stream": stream}
    if stream:
        body["stream_options"] = {"include_usage": True}
    if with_tools(prompt):
        body["tools"] = [{"type": "function", "function": {"name": "get_weather", "parameters": SCHEMA, "strict": True}}]
    return body


@pytest.mark.parametrize("prompt", PROMPTS)
def test_chat_is_as_described(supplier, http, openai_description, prompt):
    whole = http.post(f"{supplier}/v1/chat/completions", json=chat_body(prompt, False))
    assert whole.status_code == 200, whole.text
    openai_description.check(whole.json(), "CreateChatCompletionResponse")
    said = events(http.post(f"{supplier}/v1/chat/completions", json=chat_body(prompt, True)).text)
    assert said[-1] == ("", "[DONE]")
    for _, data in said[:-1]:
        openai_description.check(json.loads(data), "CreateChatCompletionStreamResponse")


def responses_body(prompt, stream, **more):
    body = {"model": MODEL, "input": prompt, "store": False, "stream": stream, "include": ["reasoning.encrypted_content"],
            "reasoning": {"effort": "low", "summary": "auto"}, **more}
    if with_tools(prompt):
        body["tools"] = [{"type": "function", "name": "get_weather", "parameters": SCHEMA, "strict": True}]
    return body


@pytest.mark.parametrize("prompt", PROMPTS)
def test_responses_are_as_described(supplier, http, openai_description, prompt):
    whole = http.post(f"{supplier}/v1/responses", json=responses_body(prompt, False))
    assert whole.status_code == 200, whole.text
    openai_description.check(whole.json(), "Response")
    said = events(http.post(f"{supplier}/v1/responses", json=responses_body(prompt, True)).text)
    for number, (name, data) in enumerate(said):
        event = json.loads(data)
        assert event["type"] == name and event["sequence_number"] == number
        openai_description.check_event(event)
    final = json.loads(said[-1][1])["response"]
    texts = lambda response: [part.get("text", part.get("refusal")) for item in response["output"]  # noqa: E731
                              for part in item.get("content", [])]
    assert texts(final) == texts(whole.json())


def test_failures_of_openai_are_as_described(supplier, http, openai_description):
    for path, body in [("responses", {}), ("responses", {"model": MODEL, "input": "x"}), ("chat/completions", {"model": "other"}),
                       ("chat/completions", chat_body("x", False) | {"colour": 1}), ("embeddings", {}), ("nothing", {})]:
        refused = http.post(f"{supplier}/v1/{path}", json=body)
        assert 400 <= refused.status_code < 500
        openai_description.check(refused.json(), "ErrorResponse")
    broken = http.post(f"{supplier}/v1/responses", json=responses_body("Count from 1 to 9.", True),
                       headers={"x-simulate-fault": "error-after-tokens=4"})
    for _, data in events(broken.text):
        openai_description.check_event(json.loads(data))


def test_embeddings_and_models_are_as_described(supplier, http, openai_description):
    body = {"model": MODEL, "input": ["a grey boat", "the sea"], "dimensions": 8}
    openai_description.check(http.post(f"{supplier}/v1/embeddings", json=body).json(), "CreateEmbeddingResponse")
    openai_description.check(http.get(f"{supplier}/v1/models").json(), "ListModelsResponse")
    openai_description.check(http.get(f"{supplier}/v1/models/{MODEL}").json(), "Model")


def test_openai_client_reads_it(supplier):
    client = openai.OpenAI(base_url=f"{supplier}/v1", api_key="k", max_retries=0, http_client=httpx.Client(trust_env=False))
    answer = client.responses.create(model=MODEL, input="Count from 1 to 5.", store=False)
    assert answer.output_text == "1, 2, 3, 4, 5"
    with client.responses.stream(model=MODEL, input="Count from 1 to 5.", store=False) as stream:
        assert stream.get_final_response().output_text == "1, 2, 3, 4, 5"
    with pytest.raises(openai.BadRequestError):
        client.responses.create(model=MODEL, input="x")
    numbers = client.embeddings.create(model=MODEL, input="x").data[0].embedding
    assert abs(sum(n * n for n in numbers) - 1) < 1e-3


def test_azure_client_reads_it(supplier):
    client = openai.AzureOpenAI(azure_endpoint=supplier, api_key="k", api_version="2024-10-21", max_retries=0,
                                http_client=httpx.Client(trust_env=False))
    message = [{"role": "user", "content": "Count from 1 to 5."}]
    answer = client.chat.completions.create(model=MODEL, messages=message)
    assert answer.choices[0].message.content == "1, 2, 3, 4, 5"
    pieces = [chunk.choices[0].delta.content or "" for chunk in
              client.chat.completions.create(model=MODEL, messages=message, stream=True) if chunk.choices]
    assert "".join(pieces) == "1, 2, 3, 4, 5"
    with pytest.raises(openai.NotFoundError):
        client.chat.completions.create(model="other", messages=message)


# --- Anthropic ---

ANTHROPIC = {"x-api-key": "k", "anthropic-version": "2023-06-01"}


@pytest.fixture(scope="module")
def anthropic_description():
    return Description(DATA / "anthropic/openapi.json")


def messages_body(prompt, stream):
    body = {"model": MODEL, "max_tokens": 4000, "stream": stream, "thinking": {"type": "adaptive"},
            "messages": [{"role": "user", "content": prompt}],
            "system": [{"type": "text", "text": "Be kind. " * 200, "cache_control": {"type": "ephemeral", "ttl": "1h"}}]}
    if with_tools(prompt):
        body["tools"] = [{"name": "get_weather", "input_schema": SCHEMA}]
    return body


@pytest.mark.parametrize("prompt", PROMPTS)
def test_messages_are_as_described(supplier, http, anthropic_description, prompt):
    whole = http.post(f"{supplier}/v1/messages", json=messages_body(prompt, False), headers=ANTHROPIC)
    assert whole.status_code == 200, whole.text
    anthropic_description.check(whole.json(), "Message")
    text = http.post(f"{supplier}/v1/messages", json=messages_body(prompt, True), headers=ANTHROPIC).text
    blocks = []
    for name, data in events(text):
        event = json.loads(data)
        assert event["type"] == name
        if name == "ping":
            continue
        anthropic_description.check(event, "MessageStreamEvent")
        if name == "content_block_start":
            blocks.append(event["content_block"] | ({"input": ""} if event["content_block"]["type"] == "tool_use" else {}))
        elif name == "content_block_delta":
            delta = event["delta"]
            for kind, field in [("text_delta", "text"), ("thinking_delta", "thinking"), ("signature_delta", "signature")]:
                if delta["type"] == kind:
                    blocks[-1][field] += delta[field]
            if delta["type"] == "input_json_delta":
                blocks[-1]["input"] += delta["partial_json"]
    for block in blocks:
        if block["type"] == "tool_use":
            block["input"] = json.loads(block["input"])
    assert blocks == whole.json()["content"]


def test_failures_of_anthropic_are_as_described(supplier, http, anthropic_description):
    for headers, body in [({}, {}), (ANTHROPIC, {}), (ANTHROPIC, messages_body("x", False) | {"model": "other"}),
                          (ANTHROPIC | {"x-simulate-fault": "status=529"}, messages_body("x", False)),
                          (ANTHROPIC | {"x-simulate-fault": "status=429"}, messages_body("x", False)),
                          (ANTHROPIC | {"x-simulate-fault": "status=500"}, messages_body("x", False))]:
        refused = http.post(f"{supplier}/v1/messages", json=body, headers=headers)
        assert refused.status_code >= 400
        anthropic_description.check(refused.json(), "ErrorResponse")


def test_models_and_counts_of_anthropic_are_as_described(supplier, http, anthropic_description):
    anthropic_description.check(http.get(f"{supplier}/v1/models", headers=ANTHROPIC).json(), "ListResponse_ModelInfo_")
    body = {"model": MODEL, "messages": [{"role": "user", "content": "x"}]}
    counted = http.post(f"{supplier}/v1/messages/count_tokens", json=body, headers=ANTHROPIC)
    anthropic_description.check(counted.json(), "CountMessageTokensResponse")


# --- Bedrock ---

def bedrock_client(url, secret="secret", region="eu-central-1"):
    session = botocore.session.Session()
    return session.create_client("bedrock-runtime", region_name=region, endpoint_url=url, aws_access_key_id="AKIDSIMULATED",
                                 aws_secret_access_key=secret,
                                 config=botocore.config.Config(retries={"total_max_attempts": 1}, proxies={}))


@pytest.fixture(scope="module")
def bedrock(tmp_path_factory):
    process = start(tmp_path_factory.mktemp("bedrock"), "--reasoning", "--model", "*", "--aws-key", "AKIDSIMULATED:secret",
                    "--aws-region", "eu-central-1", "--cache-minimum", 100)
    yield process.url.removesuffix("/v1")
    assert process.stop() == 0


def converse_body(prompt):
    body = {"modelId": "arn:aws:bedrock:eu-central-1:123456789012:inference-profile/eu.anthropic.x-1:0",
            "messages": [{"role": "user", "content": [{"text": prompt}]}],
            "system": [{"text": "Be kind. " * 200}, {"cachePoint": {"type": "default"}}],
            "additionalModelRequestFields": {"thinking": {"type": "adaptive"}}}
    if with_tools(prompt):
        body["toolConfig"] = {"tools": [{"toolSpec": {"name": "get_weather", "inputSchema": {"json": SCHEMA}}}]}
    return body


@pytest.mark.parametrize("prompt", PROMPTS)
def test_converse_is_as_botocore_has_it(bedrock, prompt):
    client = bedrock_client(bedrock)
    whole = client.converse(**converse_body(prompt))
    whole.pop("ResponseMetadata")
    shape = client.meta.service_model.operation_model("Converse").output_shape
    report = botocore.validate.ParamValidator().validate(whole, shape)
    assert not report.has_errors(), report.generate_report()
    blocks, stop, order = [], None, []
    for event in client.converse_stream(**converse_body(prompt))["stream"]:
        (name, body), = event.items()
        order.append(name)
        if name == "contentBlockStart":
            blocks.append({"toolUse": body["start"]["toolUse"] | {"input": ""}})
        elif name == "contentBlockDelta":
            if body["contentBlockIndex"] == len(blocks):
                blocks.append({})
            kind, delta = next(iter(body["delta"].items()))
            if kind == "text":
                blocks[-1]["text"] = blocks[-1].get("text", "") + delta
            elif kind == "toolUse":
                blocks[-1]["toolUse"]["input"] += delta["input"]
            elif "redactedContent" in delta:
                blocks[-1]["reasoningContent"] = delta
            else:
                inner = blocks[-1].setdefault("reasoningContent", {"reasoningText": {"text": ""}})["reasoningText"]
                inner["text"] += delta.get("text", "")
                inner |= {k: v for k, v in delta.items() if k == "signature"}
        elif name == "messageStop":
            stop = body["stopReason"]
    for block in blocks:
        if "toolUse" in block:
            block["toolUse"]["input"] = json.loads(block["toolUse"]["input"])
    assert blocks == whole["output"]["message"]["content"]
    assert stop == whole["stopReason"]
    assert order[0] == "messageStart" and order[-2:] == ["messageStop", "metadata"]


def test_converse_takes_images_and_refuses_as_botocore_has_it(bedrock):
    client = bedrock_client(bedrock)
    body = converse_body("What is this?")
    body["messages"][0]["content"].append({"image": {"format": "png", "source": {"bytes": PNG}}})
    said = client.converse(**body)["output"]["message"]["content"][-1]["text"]
    assert said == f"I was given image/png of {len(PNG)} bytes (crc32 {zlib.crc32(PNG):08x})."
    for wrong in [bedrock_client(bedrock, secret="guess"), bedrock_client(bedrock, region="us-east-1")]:
        with pytest.raises(botocore.exceptions.ClientError) as refused:
            wrong.converse(**converse_body("x"))
        assert refused.value.response["Error"]["Code"] == "InvalidSignatureException"
    body["messages"].append(body["messages"][0])
    with pytest.raises(client.exceptions.ValidationException) as refused:
        client.converse(**body)
    assert "must alternate" in str(refused.value)


def test_failures_in_converse_streams_are_as_botocore_has_them(bedrock):
    client = bedrock_client(bedrock)
    client.meta.events.register("before-sign.bedrock-runtime.*",
                                lambda request, **_: request.headers.add_header("x-simulate-fault", "error-after-tokens=4"))
    with pytest.raises(botocore.exceptions.EventStreamError) as failed:
        list(client.converse_stream(**converse_body("Count from 1 to 9."))["stream"])
    assert re.search("modelStreamErrorException", str(failed.value))


# --- Gemini: no description is at hand, but recorded answers are ---

DOCUMENTED = {"promptFeedback", "promptFeedback.blockReason", "promptFeedback.safetyRatings[]", "candidates[].safetyRatings[]",
              "candidates[].content.parts[].thought", "usageMetadata.cachedContentTokenCount"}


def paths(value, path=""):
    """Where something stands in a JSON value: "candidates[].content.role". Below arguments everything may."""
    if path.endswith(("functionCall.args", "safetyRatings[]")):
        return {path}
    if isinstance(value, dict):
        return {path}.union(*(paths(inner, f"{path}.{key}".lstrip(".")) for key, inner in value.items()))
    if isinstance(value, list):
        return set().union(*(paths(inner, path + "[]") for inner in value))
    return {path}


def test_gemini_says_nothing_that_google_does_not(supplier, http):
    recorded = set()
    folder = DATA / "upstream-recordings/google"
    if not folder.exists():
        pytest.skip(f"{folder} (../shared/data) is not here")
    for file in folder.glob("google-*"):
        lines = [file.read_text()] if file.suffix == ".json" else file.read_text().splitlines()
        for line in filter(None, lines):
            recorded |= paths(json.loads(line))
    assert "candidates[].content.parts[].functionCall.name" in recorded
    for prompt in PROMPTS:
        body = {"contents": [{"role": "user", "parts": [{"text": prompt}]}],
                "generationConfig": {"thinkingConfig": {"includeThoughts": True}}}
        if with_tools(prompt):
            body["tools"] = [{"functionDeclarations": [{"name": "get_weather", "parametersJsonSchema": SCHEMA}]}]
        url = f"{supplier}/v1beta/models/{MODEL}"
        whole = http.post(f"{url}:generateContent", json=body, headers={"x-goog-api-key": "k"})
        assert whole.status_code == 200, whole.text
        said = paths(whole.json())
        streamed = http.post(f"{url}:streamGenerateContent?alt=sse", json=body, headers={"x-goog-api-key": "k"})
        for _, data in events(streamed.text):
            said |= paths(json.loads(data))
        assert said <= recorded | DOCUMENTED, said - recorded - DOCUMENTED
