"""Conversations, compaction, token counts, embeddings and references to items, with the official SDK for Python."""
import openai
import pytest

MODEL = "simulated-1"


@pytest.fixture
def client(shared):
    return shared.client()


def texts(items):
    return [item.content[0].text for item in items if item.type == "message"]


def test_a_conversation_from_its_beginning_to_its_end(client):
    made = client.conversations.create(metadata={"topic": "birds"}, items=[
        {"type": "message", "role": "user", "content": "Remember the code word: heron."}])
    assert made.id.startswith("conv_") and made.metadata == {"topic": "birds"} and made.object == "conversation"
    assert client.conversations.retrieve(made.id) == made
    assert client.conversations.update(made.id, metadata={"topic": "herons"}).metadata == {"topic": "herons"}
    answer = client.responses.create(model=MODEL, conversation=made.id, input="What is the code word? Only the word.")
    assert answer.output_text == "heron." or answer.output_text == "heron"
    assert answer.conversation.id == made.id
    added = client.conversations.items.create(made.id, items=[
        {"type": "message", "role": "user", "content": [{"type": "input_text", "text": f"note {n}"}]} for n in range(20)])
    assert len(added.data) == 20
    listed = list(client.conversations.items.list(made.id, limit=7, order="asc"))
    assert len(listed) == 23 and texts(listed)[0] == "Remember the code word: heron."
    assert texts(listed)[3:] == [f"note {n}" for n in range(20)]
    assert texts(client.conversations.items.list(made.id, limit=1).data) == ["note 19"]
    one = client.conversations.items.retrieve(added.data[4].id, conversation_id=made.id)
    assert one == added.data[4]
    assert client.conversations.items.delete(one.id, conversation_id=made.id).id == made.id
    with pytest.raises(openai.NotFoundError):
        client.conversations.items.retrieve(one.id, conversation_id=made.id)
    assert client.conversations.delete(made.id).deleted
    with pytest.raises(openai.NotFoundError):
        client.conversations.retrieve(made.id)
    with pytest.raises(openai.NotFoundError):
        client.responses.retrieve(answer.id)


def test_what_is_too_much_is_refused(client):
    made = client.conversations.create()
    with pytest.raises(openai.BadRequestError) as refused:
        client.conversations.items.create(made.id, items=[{"role": "user", "content": "x"}] * 21)
    assert refused.value.param == "items"
    with pytest.raises(openai.BadRequestError) as refused:
        client.conversations.create(metadata={str(n): "v" for n in range(17)})
    assert refused.value.param == "metadata"


def test_a_stream_in_a_conversation(client):
    made = client.conversations.create()
    with client.responses.create(model=MODEL, conversation=made.id, input="Count from 1 to 5.", stream=True) as stream:
        final = [event for event in stream][-1].response
    assert texts(client.conversations.items.list(made.id).data) == ["1, 2, 3, 4, 5", "Count from 1 to 5."]
    assert final.conversation.id == made.id


def test_compaction(client):
    compacted = client.responses.compact(model=MODEL, input=[
        {"role": "user", "content": "Remember the code word: slate. Reply with OK."},
        {"role": "assistant", "content": "OK"}])
    assert compacted.object == "response.compaction" and compacted.output[-1].type == "compaction"
    assert compacted.usage.total_tokens > 0
    window = [item.to_dict() for item in compacted.output]
    answer = client.responses.create(model=MODEL, store=False, input=[
        *window, {"role": "user", "content": "What is the code word? Only the word."}])
    assert "slate" in answer.output_text


def test_tokens_are_counted_or_not_at_all(client):
    with pytest.raises(openai.BadRequestError) as refused:
        client.responses.input_tokens.count(model=MODEL, input="x")  # this supplier speaks chat completions
    assert refused.value.code == "cannot_count"


def test_embeddings(client, shared):
    one = client.embeddings.create(model=MODEL, input=["the sea", "the sea", "a ship"])  # the SDK asks for base64
    vectors = [entry.embedding for entry in one.data]
    assert len(vectors[0]) > 100 and vectors[0] == vectors[1] != vectors[2]
    assert one.usage.prompt_tokens > 0


def test_references_to_items(client):
    """As clients do that keep ids instead of texts."""
    first = client.responses.create(model=MODEL, input="My name is Ada.")
    answer = client.responses.create(model=MODEL, input=[
        {"role": "user", "content": "My name is Ada."}, {"type": "item_reference", "id": first.output[-1].id},
        {"role": "user", "content": "What is my name?"}])
    assert "Ada" in answer.output_text
    with pytest.raises(openai.NotFoundError) as lost:
        client.responses.create(model=MODEL, input=[{"type": "item_reference", "id": "msg_unknown"}])
    assert lost.value.code == "item_not_found"


def test_a_model_by_its_name(client):
    assert client.models.retrieve(MODEL).id == MODEL
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve("no-such-model")
