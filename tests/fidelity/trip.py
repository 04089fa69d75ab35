"""A conversation of an agent, fifty turns with parallel tools, images and reasoning, that changes its supplier at every turn: what is said is
what one supplier alone would have said. In each client dialect, whole and streamed by turns."""
import concurrent.futures
import json

from clients import CLIENTS
from pairs import PNG, UPSTREAMS

TURNS = 50
TOOLS = [{"name": "get_weather", "schema": {"type": "object", "properties": {
    "city": {"type": "string"}, "days": {"type": "integer", "minimum": 1, "maximum": 9}, "unit": {"type": "string", "enum": ["celsius", "fahrenheit"]}},
    "required": ["city", "days", "unit"], "additionalProperties": False}},
    {"name": "get_time", "schema": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"], "additionalProperties": False}}]
PROMPTS = ["What is the weather in Paris and in New York?", "Use get_time in Oslo.",
           "Think first. First say: I will look it up.\nWhat about both tools?", "Weather in Rome, Oslo and Bern, one after another?",
           "Remember the code word: heron-42. Look at get_time in Köln.", "Think in secret. How warm is it in São Paulo for 3 days?",
           "What do you see? Use get_weather in Tromsø.", "Say exactly: naïve \"quotes\" and 日本 in Kyoto"]


def transcript(client, choose):
    """What was said, and how many requests, parallel calls and blocks of reasoning it took. `choose(n)` is who answers request n."""
    talk, previous, said, n, parallel, blocks = [], None, [], 0, 0, 0
    stored = client.name == "responses"

    def step(messages):
        nonlocal talk, previous, n, parallel, blocks
        talk += messages
        wish = {"model": choose(n), "messages": messages if stored else talk, "previous": previous, "tools": TOOLS, "effort": "low",
                "more": client.kept if stored else client.unkept}
        answer = client.stream(wish) if n % 2 else client.ask(wish)
        assert answer.whole and answer.starts == 1 and not answer.error, (client.name, choose(n), n, answer.said(), answer.error)
        n, previous = n + 1, answer.id if stored else None
        talk.append({"items": answer.history})
        parallel += len(answer.calls) > 1
        blocks += len(answer.blocks) + bool(answer.thought)
        said.append([answer.text, [[c["name"], json.loads(c["arguments"])] for c in answer.calls]])
        return answer

    for turn in range(TURNS):
        prompt = {"role": "user", "text": f"{PROMPTS[turn % len(PROMPTS)]} ({turn})"}
        if "see" in prompt["text"]:
            prompt["images"] = [PNG]
        answer = step([prompt])
        while answer.calls:
            results = [{"id": c["id"], "text": f"result {n}.{i}"} for i, c in enumerate(answer.calls)]
            answer = step([{"results": results}])
    return said, n, parallel, blocks


def tour(make, http):
    """What one supplier alone says to this client, the count of requests, and what differs."""
    differ = []
    alone, requests, parallel, blocks = transcript(make(http), lambda _: UPSTREAMS[1])
    if requests <= 2 * TURNS or parallel < 10 or (blocks < 50 and make.name != "chat"):
        differ.append(f"{make.name}: too little happened: {requests} requests, {parallel} of them parallel calls, {blocks} pieces of reasoning")
    for stride in (1, 2):
        said, n, _, _ = transcript(make(http), lambda i: UPSTREAMS[i * stride % len(UPSTREAMS)])
        requests += n
        for i, (one, other) in enumerate(zip(said, alone)):
            if one != other:
                differ.append(f"{make.name}, every {stride}: answer {i} by {UPSTREAMS[i * stride % len(UPSTREAMS)]} is {one}, not {other}")
                break
        else:
            if len(said) != len(alone):
                differ.append(f"{make.name}, every {stride}: {len(said)} answers, not {len(alone)}")
    return alone, requests, differ


def run(http):
    """The count of requests, and what differs. The clients run beside each other."""
    with concurrent.futures.ThreadPoolExecutor() as pool:
        tours = list(pool.map(lambda make: tour(make, http), CLIENTS))
    differ = [one for _, _, found in tours for one in found]
    differ += [f"{make.name}: not what other clients are told" for make, (alone, _, _) in zip(CLIENTS, tours) if alone != tours[0][0]]
    return sum(requests for _, requests, _ in tours), differ
