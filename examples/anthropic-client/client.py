import os

import anthropic

client = anthropic.Anthropic(
    base_url=os.environ.get("PERDURE_URL", "http://127.0.0.1:8080"),
    api_key=os.environ.get("PERDURE_API_KEY", "none"),
)
model = os.environ.get("PERDURE_MODEL", "simulated-1")

# A streamed message, whoever the supplier is.
with client.messages.stream(
    model=model, max_tokens=1024, messages=[{"role": "user", "content": "Count from 1 to 12."}]
) as stream:
    print("".join(stream.text_stream))

# A conversation that the server keeps: each turn sends what is new.
thread = client.beta.messages.thread(model=model, max_tokens=1024, system="Be brief.")
thread.send({"role": "user", "content": "Remember the code word: heron. Reply with OK."})
answer = thread.send({"role": "user", "content": "What is the code word?"})
print(answer.content[0].text)


@anthropic.beta_tool
def get_weather(location: str) -> str:
    """The weather in a city"""
    return f"18 degrees in {location}"


# The SDK calls the tool and hands its result back until there is an answer.
runner = client.beta.messages.tool_runner(
    model=model, max_tokens=1024, tools=[get_weather],
    messages=[{"role": "user", "content": "What's the weather like in Paris?"}],
)
print(runner.until_done().content[0].text)
