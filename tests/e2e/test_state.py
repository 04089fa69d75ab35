"""What the server keeps or does beside answers, with both SDKs of OpenAI: conversations and their items, input items, compaction,
counts of tokens, embeddings."""
import pathlib

import openai
import pytest

from conftest import NAMED, script

SCRIPT = pathlib.Path(__file__).parent / "state.mjs"


class Python:
    """The calls of state.mjs with the Python SDK, in this process."""

    def __init__(self, url):
        client = openai.OpenAI(base_url=url, api_key="unused", max_retries=0)
        self.conversations, self.responses, self.embeddings = client.conversations, client.responses, client.embeddings

    def _guard(self, call):
        try:
            made = call()
            return [one.to_dict() for one in made] if isinstance(made, list) else made.to_dict()
        except openai.APIStatusError as error:
            return {"failed": type(error).__name__, "status": error.status_code, "code": error.code, "param": error.param}

    def create(self, body):
        return self._guard(lambda: self.conversations.create(**body))

    def retrieve(self, id):
        return self._guard(lambda: self.conversations.retrieve(id))

    def update(self, id, metadata):
        return self._guard(lambda: self.conversations.update(id, metadata=metadata))

    def delete(self, id):
        return self._guard(lambda: self.conversations.delete(id))

    def add(self, id, items):
        return self._guard(lambda: self.conversations.items.create(id, items=items).data)

    def items(self, id, **query):
        return self._guard(lambda: list(self.conversations.items.list(id, **query)))

    def item(self, id, item):
        return self._guard(lambda: self.conversations.items.retrieve(item, conversation_id=id))

    def remove(self, id, item):
        return self._guard(lambda: self.conversations.items.delete(item, conversation_id=id))

    def respond(self, body):
        return self._guard(lambda: self.responses.create(**body))

    def compact(self, body):
        return self._guard(lambda: self.responses.compact(**body))

    def count(self, body):
        return self._guard(lambda: self.responses.input_tokens.count(**body))

    def input_items(self, id, **query):
        return self._guard(lambda: list(self.responses.input_items.list(id, **query)))

    def embed(self, body):
        return self._guard(lambda: self.embeddings.create(**body))


class Node:
    def __init__(self, url):
        self.url = url

    def items(self, id, **query):
        return script(SCRIPT).call("items", baseURL=self.url, id=id, query=query)

    def input_items(self, id, **query):
        return script(SCRIPT).call("input_items", baseURL=self.url, id=id, query=query)

    def __getattr__(self, name):
        order = {"create": ["body"], "respond": ["body"], "compact": ["body"], "count": ["body"], "embed": ["body"],
                 "update": ["id", "metadata"], "add": ["id", "items"]}.get(name, ["id", "item"])
        return lambda *given: script(SCRIPT).call(name, baseURL=self.url, **dict(zip(order, given)))


@pytest.fixture(params=[Python, Node], ids=["python", "node"])
def sdk(request, everywhere):
    return request.param(everywhere.url + "/v1")


def said(role, text):
    return {"type": "message", "role": role, "content": text}


def text(item):
    return item["content"][0]["text"]


def test_conversations(sdk):
    made = sdk.create({"metadata": {"topic": "birds"}, "items": [said("user", "The code word: heron.")]})
    assert made["object"] == "conversation" and made["id"].startswith("conv_") and made["metadata"] == {"topic": "birds"}, made
    assert sdk.retrieve(made["id"]) == made
    assert sdk.update(made["id"], {"topic": "words"})["metadata"] == {"topic": "words"}
    added = sdk.add(made["id"], [said("user", "My name is Alice."), said("assistant", "Nice to meet you, Alice.")])
    assert [item["role"] for item in added] == ["user", "assistant"]
    answer = sdk.respond({"model": NAMED["responses"], "conversation": made["id"], "input": "What is the code word? Only it."})
    assert answer["conversation"]["id"] == made["id"] and text(answer["output"][0]) == "heron", answer
    held = sdk.items(made["id"], order="asc", limit=2)
    assert [item["role"] for item in held] == ["user", "user", "assistant", "user", "assistant"], "over pages"
    assert sdk.item(made["id"], added[0]["id"]) == added[0]
    sdk.remove(made["id"], added[0]["id"])
    assert len(sdk.items(made["id"])) == 4
    assert sdk.item(made["id"], added[0]["id"])["status"] == 404
    assert sdk.delete(made["id"])["deleted"] is True
    assert sdk.retrieve(made["id"])["status"] == 404
    assert sdk.respond({"model": NAMED["responses"], "conversation": made["id"], "input": "x"})["status"] == 404


def test_input_items(sdk):
    answer = sdk.respond({"model": NAMED["responses"], "input": [said("user", "one"), said("user", "two"), said("user", "three")]})
    assert [text(item) for item in sdk.input_items(answer["id"], limit=1)] == ["three", "two", "one"]
    assert [text(item) for item in sdk.input_items(answer["id"], order="asc")] == ["one", "two", "three"]


def test_compaction(sdk):
    """What is left goes on anywhere: it is readable, and keeps what the user said."""
    history = [said("user", "The code word: heron."), said("assistant", "I will keep it in mind."), said("user", "Good.")]
    compacted = sdk.compact({"model": NAMED["responses"], "input": history})
    assert compacted["object"] == "response.compaction", compacted
    assert "compaction" in [item["type"] for item in compacted["output"]]
    for model in (NAMED["responses"], "messages", "gemini"):
        answer = sdk.respond({"model": model, "input": compacted["output"] + [said("user", "What is the code word? Only it.")]})
        assert text(answer["output"][-1]) == "heron", (model, answer)


def test_counts_of_tokens(sdk):
    body = {"input": "How many tokens is this?", "instructions": "Be brief."}
    counted = sdk.count({"model": "messages", **body})
    assert counted["object"] == "response.input_tokens" and counted["input_tokens"] > 5, counted
    assert sdk.count({"model": "converse-bearer", **body}).get("failed"), "nobody guesses"


def test_embeddings(sdk):
    """Both SDKs ask for base64 unless they are told otherwise, and give back numbers."""
    for more in ({}, {"encoding_format": "float"}):
        made = sdk.embed({"model": "chat", "input": ["one", "two"], **more})
        assert [one["index"] for one in made["data"]] == [0, 1], made
        assert all(isinstance(number, float) for one in made["data"] for number in one["embedding"])
    assert sdk.embed({"model": "messages", "input": "one"}).get("failed"), "it has no such thing"
