"""OpenAI's two dialects as we send them, against the published description of the API."""
import json
import random

import pytest
from jsonschema import Draft202012Validator
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

import test_converse as made
from filters import ROOT, ask

PROGRAM = "perdure_dialect_judge"
REQUESTS = 200  # OpenAI's description is big: a request takes a while
DATA = ROOT.parent / "shared/data"
DESCRIPTIONS = {"chat": [("openai/openapi.json", "CreateChatCompletionRequest")],
                "responses": [("openai/openapi.json", "CreateResponse")]}


def validator(path, name):
    if not (DATA / path).exists():
        pytest.skip(f"{DATA / path} is not here")
    # Its alternatives overlap: a plain message of a user is both of two kinds of message, which "oneOf" would refuse.
    document = json.loads((DATA / path).read_text().replace('"oneOf"', '"anyOf"'))
    registry = Registry().with_resource("urn:api", Resource(document, DRAFT202012))
    return Draft202012Validator({"$ref": f"urn:api#/components/schemas/{name}"}, registry=registry)


def some_case(rng, dialect):
    request = made.some_request(rng)
    if "tools" in request:  # a name that the description forbids is the supplier's to refuse
        request["tools"] = [tool for tool in request["tools"] if "." not in tool["name"]]
    for item in request["input"]:  # reasoning as this dialect gives it: sealed, with a summary
        if item.get("opaque") and rng.random() < 0.5:
            item["opaque"] = "encrypted"
            item["summary"] = [{"type": "summary_text", "text": "so"}] if item.pop("content", None) else []
    case = {"dialect": dialect, "op": "write", "request": request, "model": "gpt-5", "issuer": made.ISSUER, "stream": rng.random() < 0.7}
    if rng.random() < 0.2:
        case |= {"held": "So far", "ask": "Go on."}
    return case


@pytest.mark.parametrize("dialect", DESCRIPTIONS)
def test_requests_are_valid_by_the_description_of_the_api(dialect):
    judges = [(path, validator(path, name)) for path, name in DESCRIPTIONS[dialect]]
    rng = random.Random(7)
    cases = [some_case(rng, dialect) for _ in range(REQUESTS)]
    written = refused = 0
    for case, answer in zip(cases, ask(PROGRAM, cases)):
        if "error" in answer:
            refused += 1
            assert answer["code"] == "invalid" and (answer["param"] or case.get("held")), answer
            continue
        written += 1
        for path, judge in judges:
            faults = [f"{list(e.absolute_path)}: {e.message[:300]}" for e in judge.iter_errors(answer["body"])]
            assert not faults, (path, faults[:3], json.dumps(answer["body"])[:3000])
        assert case["request"]["lenient"] or not answer["dropped"]
    assert written > REQUESTS / 3 and refused > 0, (written, refused)


def test_the_judge_can_fail():
    judge = validator("openai/openapi.json", "CreateChatCompletionRequest")
    good = {"model": "m", "messages": [{"role": "user", "content": "x"}]}
    assert not list(judge.iter_errors(good))
    for wrong in [{"messages": []}, {"messages": [{"role": "user"}]}, {"temperature": "hot"}, {"tool_choice": "perhaps"}]:
        assert list(judge.iter_errors(good | wrong)), wrong
