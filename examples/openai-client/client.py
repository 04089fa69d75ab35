"""An unchanged OpenAI SDK on Perdure: leaves an answer in its middle, comes back for the rest, goes on from it."""
import os

from openai import OpenAI

client = OpenAI(
    base_url=os.environ.get("PERDURE_URL", "http://127.0.0.1:8080") + "/v1",
    api_key=os.environ.get("PERDURE_API_KEY", "none"),
)
model = os.environ.get("PERDURE_MODEL", "simulated-1")

# Leave the stream after its first piece of text. The response is stored, so it goes on without us.
text = ""
with client.responses.create(model=model, input="Count from 1 to 12.", stream=True) as stream:
    for event in stream:
        if event.type == "response.created":
            response_id = event.response.id
        if event.type == "response.output_text.delta":
            text += event.delta
            last_seen = event.sequence_number
            break

# Come back: the same answer, from the event after the last one that we saw.
with client.responses.retrieve(response_id, stream=True, starting_after=last_seen) as stream:
    for event in stream:
        if event.type == "response.output_text.delta":
            text += event.delta
print(text)
print("stored is the same:", client.responses.retrieve(response_id).output_text == text)

# Go on from a response: the server holds the conversation.
first = client.responses.create(model=model, input="Remember the code word: cobalt. Reply with OK.")
second = client.responses.create(model=model, previous_response_id=first.id,
                                 input="What is the code word? Reply with only the code word.")
print(second.output_text)

for made in (response_id, first.id, second.id):
    client.responses.delete(made)
