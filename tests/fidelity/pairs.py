"""What each of the 15 pairs of client and upstream dialects can do, feature by feature, tried over the real server. A cell is what a try
gave: it works, it is refused by the name of a field, or the client's API has no such thing. Everything else is a difference and fails."""
import base64
import concurrent.futures
import json
import zlib

import httpx

from clients import CLIENTS, Refused

UPSTREAMS = ["chat", "responses", "messages", "converse", "gemini"]
PNG = base64.b64decode("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==")
PDF = b"%PDF-1.4\n%%EOF\n"
CITY = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"], "additionalProperties": False}
PERSON = {"type": "object", "properties": {"name": {"type": "string"}, "age": {"type": "integer"}}, "required": ["name", "age"],
          "additionalProperties": False}
TOOLS = [{"name": "get_weather", "schema": CITY}, {"name": "get_time", "schema": CITY}]


class NotThere(Exception):
    """The client's API has no such thing, or the supplier's model does no such thing."""


def told(answer):
    if answer.error and answer.error.get("code") == "unsupported_parameter":
        raise Failed(answer.error)
    return answer


class Try:
    """One pair, and how a request of it is kept or passed on."""

    def __init__(self, client, upstream, stored, control):
        self.client, self.upstream, self.stored, self.control = client, upstream, stored, control
        self.extra = {"x-perdure-store": "1"} if stored and client.name == "messages" else {}

    def wish(self, wish):
        return {"model": self.upstream, **wish, "more": {**(self.client.kept if self.stored else self.client.unkept), **wish.get("more", {})}}

    def ask(self, wish, headers=None):
        return told(self.client.ask(self.wish(wish), {**self.extra, **(headers or {})}))

    def stream(self, wish, headers=None):
        return told(self.client.stream(self.wish(wish), {**self.extra, **(headers or {})}))

    def both(self, wish, same=("text", "refusal", "calls", "stop")):
        """Whole, and as a stream that says the same."""
        whole, streamed = self.ask(wish), self.stream(wish)
        assert streamed.whole and streamed.starts == 1, (streamed.whole, streamed.starts)
        for name in same:
            one, other = getattr(whole, name), getattr(streamed, name)
            if name == "calls":
                one, other = [[(c["name"], json.loads(c["arguments"])) for c in calls] for calls in (one, other)]
            assert one == other, (name, one, other)
        return whole

    def fresh(self):
        """A deployment that nothing has happened to yet."""
        return {"model": f"{self.upstream}-{next(self.control.numbers[self.upstream])}"}

    def is_(self, *names):
        return self.client.name in names

    def relayed(self):
        return not self.stored and self.client.name == self.upstream


def user(text, **more):
    return {"role": "user", "text": text, **more}


def ask_of(text, **more):
    return {"messages": [user(text)], **more}


def expect(condition, what):
    assert condition, what
    return "works"


FEATURES = []


def feature(title):
    def add(function):
        FEATURES.append((title, function))
        return function
    return add


@feature("text, whole and streamed alike")
def text(t):
    return expect(t.both(ask_of("Say exactly: naïve “日本” 🙂 \\ \"q\"")).text == "naïve “日本” 🙂 \\ \"q\"", "text")


@feature("system prompt")
def system(t):
    a = t.both(ask_of("What is the code word? Only the word.", system="Remember the code word: heron."))
    return expect("heron" in a.text, a.text)


@feature("developer prompt")
def developer(t):
    if t.is_("messages"):
        raise NotThere("the API has no such role")
    a = t.both({"messages": [{"role": "developer", "text": "Remember the code word: heron."}, user("What is the code word? Only the word.")]})
    return expect("heron" in a.text, a.text)


@feature("system prompt amid the conversation")
def system_amid(t):
    if t.is_("messages") and t.relayed():
        raise NotThere("relayed: the supplier's to judge")
    a = t.both({"messages": [user("Hello."), {"role": "assistant", "text": "Hello there."}, {"role": "system", "text": "Remember the code word: heron."},
                             user("What is the code word? Only the word.")]})
    return expect("heron" in a.text, a.text)


@feature("many turns")
def turns(t):
    talk = [user("My name is Ada."), {"role": "assistant", "text": "Nice to meet you, Ada."}, user("What is my name?")]
    return expect(t.both({"messages": talk}).text == "Your name is Ada.", "name")


@feature("going on with what is stored")
def stored(t):
    if not t.is_("responses"):
        raise NotThere("the API has no such thing")
    if not t.stored:
        raise NotThere("nothing is stored")
    first = t.ask(ask_of("My name is Ada."))
    return expect(t.ask(ask_of("What is my name?", previous=first.id)).text == "Your name is Ada.", "name")


def cities(answer):
    return sorted(json.loads(c["arguments"])["city"] for c in answer.calls)


@feature("a tool call")
def one_call(t):
    a = t.both(ask_of("Use get_time in Oslo.", tools=TOOLS))
    return expect([c["name"] for c in a.calls] == ["get_time"] and cities(a) == ["Oslo"] and a.stop in ("tool_calls", "tool_use", "completed"), a.said())


@feature("parallel tool calls, and their results")
def parallel(t):
    prompt = user("What is the weather in Paris and in Rome?")
    a = t.both({"messages": [prompt], "tools": TOOLS})
    assert cities(a) == ["Paris", "Rome"], a.said()
    results = [{"id": c["id"], "text": "It rains in " + json.loads(c["arguments"])["city"]} for c in reversed(a.calls)]
    then = t.both({"messages": [prompt, {"items": a.history}, {"results": results}], "tools": TOOLS})
    return expect("It rains in Paris" in then.text and "It rains in Rome" in then.text, then.text)


@feature("tool calls one after another")
def sequential(t):
    talk = [user("Weather in Rome and Oslo, one after another?")]
    for city in ["Rome", "Oslo"]:
        a = t.ask({"messages": talk, "tools": TOOLS})
        assert cities(a) == [city], a.said()
        talk += [{"items": a.history}, {"results": [{"id": a.calls[0]["id"], "text": "dry in " + city}]}]
    then = t.ask({"messages": talk, "tools": TOOLS})
    return expect("dry in Rome" in then.text and "dry in Oslo" in then.text, then.text)


def history_with(call_id):
    return [user("What is the weather in Paris?"), {"role": "assistant", "calls": [{"id": call_id, "name": "get_weather", "arguments": '{"city":"Paris"}'}]}]


@feature("ids of calls in another alphabet")
def strange_ids(t):
    if t.is_("messages"):
        raise NotThere("the API's ids are plain")
    strange = "functions.get_weather:0/é"
    then = t.ask({"messages": history_with(strange) + [{"results": [{"id": strange, "text": "dry"}]}], "tools": TOOLS})
    return expect("dry" in then.text, then.text)


@feature("ids of calls that are long")
def long_ids(t):
    long = "call_" + "x" * 90
    then = t.ask({"messages": history_with(long) + [{"results": [{"id": long, "text": "dry"}]}], "tools": TOOLS})
    return expect("dry" in then.text, then.text)


@feature("a tool that failed")
def failed(t):
    if not t.is_("messages"):
        raise NotThere("the API has no field for it")
    then = t.ask({"messages": history_with("call_1") + [{"results": [{"id": "call_1", "text": "no such city", "failed": True}]}], "tools": TOOLS})
    assert "no such city" in then.text, then.text
    body = t.control.last_body()
    said = {"messages": '"is_error":true', "converse": '"status":"error"', "gemini": '"error":'}.get(t.upstream, "The tool reports an error")
    return expect(said in body, body)


@feature("images in the result of a tool")
def image_result(t):
    if t.is_("chat"):
        raise NotThere("the API has text only")
    then = t.ask({"messages": history_with("call_1") + [{"results": [{"id": "call_1", "text": "see", "images": [PNG]}]}], "tools": TOOLS})
    assert then.whole
    body = t.control.last_body()
    return expect(base64.b64encode(PNG).decode() in body, "the image did not arrive")


@feature("a forced tool")
def forced(t):
    a = t.both(ask_of("Hello in Oslo", tools=TOOLS, choice="get_time"))
    return expect({c["name"] for c in a.calls} == {"get_time"}, a.said())


@feature("any tool, but one")
def required(t):
    return expect(t.both(ask_of("Hello in Oslo", tools=TOOLS, choice="required")).calls, "no call")


@feature("tools from a list of allowed ones")
def allowed(t):
    if t.is_("messages"):
        raise NotThere("the API has no such choice")
    a = t.both(ask_of("Hello in Oslo", tools=TOOLS, choice=("get_time",)))
    return expect({c["name"] for c in a.calls} == {"get_time"}, a.said())


@feature("no tool")
def no_tool(t):
    a = t.both(ask_of("Use get_time in Oslo.", tools=TOOLS, choice="none"))
    return expect(not a.calls and a.text, a.said())


@feature("one call at a time")
def one_at_a_time(t):
    a = t.ask(ask_of("What is the weather in Paris and in Rome?", tools=TOOLS, one_at_a_time=True))
    return expect(len(a.calls) == 1, a.said())


@feature("structured output")
def structured(t):
    a = t.both(ask_of("Who is it?", schema=PERSON))
    person = json.loads(a.text)
    return expect(isinstance(person["name"], str) and isinstance(person["age"], int), a.text)


@feature("JSON without a schema")
def json_mode(t):
    if t.is_("messages"):
        raise NotThere("the API has no such format")
    a = t.ask(ask_of("Who is it? Answer in JSON.", json_mode=True))
    return expect(isinstance(json.loads(a.text), dict), a.text)


@feature("a strict tool")
def strict_tool(t):
    a = t.ask(ask_of("Use get_time in Oslo.", tools=[{**TOOLS[1], "strict": True}]))
    return expect(cities(a) == ["Oslo"], a.said())


@feature("images, their bytes")
def image(t):
    a = t.both({"messages": [user("What is this?", images=[PNG])]})
    return expect(f"image/png of {len(PNG)} bytes (crc32 {zlib.crc32(PNG):08x})" in a.text, a.text)


@feature("images, their address")
def image_url(t):
    a = t.ask({"messages": [user("What is this?", images=["https://example.com/a.png"])]})
    return expect("image at https://example.com/a.png" in a.text, a.text)


@feature("files, their bytes")
def file(t):
    a = t.ask({"messages": [user("What is this?", files=[PDF])]})
    return expect(f"application/pdf of {len(PDF)} bytes (crc32 {zlib.crc32(PDF):08x})" in a.text, a.text)


@feature("files, their address")
def file_url(t):
    if t.is_("chat"):
        raise NotThere("the API has no such part")
    a = t.ask({"messages": [user("What is this?", files=["https://example.com/a.pdf"])]})
    return expect("file at https://example.com/a.pdf" in a.text, a.text)


THINK = "Think first. What is the weather in Paris?"


@feature("reasoning that is shown")
def shown(t):
    a = t.both(ask_of(THINK, tools=TOOLS, effort="low"), same=("text", "thought", "calls"))
    if t.is_("chat") and t.upstream in ("responses", "gemini"):
        assert not a.thought
        raise NotThere("the supplier shows it where it is asked to, and the API has no word for that")
    return expect(a.thought and cities(a) == ["Paris"], a.said())


def give_back(t, prompt, **more):
    """A tool loop with reasoning in it. The supplier takes back only what it gave, byte for byte."""
    wish = {"messages": [user(prompt)], "tools": TOOLS, "effort": "low", **more}
    a = t.ask(wish)
    assert cities(a) == ["Paris"], a.said()
    then = t.ask({**wish, "messages": [user(prompt), {"items": a.history}, {"results": [{"id": a.calls[0]["id"], "text": "dry"}]}]})
    assert "dry" in then.text, then.text
    return a, t.control.last_body()


@feature("reasoning given back to whom it is from")
def returned(t):
    if t.is_("chat"):
        raise NotThere("the API has no place for what must come back")
    a, body = give_back(t, THINK)
    if t.upstream == "chat":
        raise NotThere("the supplier gives nothing to return")
    assert a.blocks, "nothing to give back"
    return expect(any(word in body for word in ('"signature":"', '"encrypted_content":"', '"thoughtSignature":"')), body[-2000:])


@feature("reasoning that nobody may read")
def redacted(t):
    if t.is_("chat"):
        raise NotThere("the API has no place for what must come back")
    a, body = give_back(t, "Think in secret. What is the weather in Paris?")
    if t.upstream == "chat":
        raise NotThere("the supplier gives nothing to return")
    assert a.blocks and not a.thought, (a.thought, a.blocks)
    word = {"messages": '"redacted_thinking"', "converse": '"redactedContent"', "responses": '"encrypted_content":"', "gemini": '"thoughtSignature":"'}
    return expect(word[t.upstream] in body, body[-2000:])


@feature("reasoning of which only the signature is shown")
def signature_only(t):
    if t.is_("chat"):
        raise NotThere("the API has no place for what must come back")
    a, body = give_back(t, THINK, omit_thoughts=True)
    if t.upstream == "chat":
        raise NotThere("the supplier gives nothing to return")
    word = {"messages": '"signature":"', "converse": '"signature":"', "responses": '"encrypted_content":"', "gemini": '"thoughtSignature":"'}
    assert a.blocks, "nothing to give back"
    return expect(word[t.upstream] in body, body[-2000:])


@feature("reasoning of another supplier, left out")
def foreign(t):
    """A tool loop that another supplier began goes on here. Its reasoning stays away."""
    other = "messages" if t.upstream != "messages" else "converse"
    wish = {"messages": [user(THINK)], "tools": TOOLS, "effort": "low", "model": other}
    a = t.ask(wish)
    assert a.calls, a.said()
    then = t.ask({**wish, "model": t.upstream, "messages": [user(THINK), {"items": a.history}, {"results": [{"id": a.calls[0]["id"], "text": "dry"}]}]})
    assert "dry" in then.text, then.text
    body = t.control.last_body()
    for block in a.blocks:
        assert block not in body, "a block of another"
    return expect('"signature":"' not in body and "redacted" not in body, body[-2000:])


@feature("a refusal")
def refusal(t):
    a = t.both(ask_of("Refuse: I would rather not."))
    assert "I would rather not." in a.text + a.refusal, a.said()
    if t.upstream == "gemini":
        return expect(a.text, a.said())  # Gemini has no word for it
    if t.is_("messages"):
        return expect(a.stop == "refusal", a.said())
    # Where the service declines, in Claude's way, its words are no answer; a model of OpenAI's has a part for it.
    return expect(a.stop == "content_filter" if t.upstream in ("messages", "converse") else a.refusal, a.said())


@feature("an answer that the supplier breaks off for safety")
def safety(t):
    a = t.both(ask_of("Trip the safety filter after: So far"))
    assert a.text == "So far", a.said()
    return expect(a.stop in ("content_filter", "refusal"), a.said())


@feature("a limit that was reached")
def length(t):
    a = t.both(ask_of("Count from 1 to 100.", limit=16))
    return expect(a.stop in ("length", "max_tokens", "max_output_tokens") and a.text.startswith("1, 2"), a.said())


@feature("a stop sequence")
def stop(t):
    if t.is_("responses"):
        raise NotThere("the API has no such field")
    a = t.both(ask_of("Count from 1 to 9.", stop=["5"]))
    return expect(a.text.strip() == "1, 2, 3, 4," and a.stop in ("stop", "stop_sequence", "end_turn"), a.said())


@feature("a temperature")
def temperature(t):
    assert t.ask(ask_of("Say exactly: x", temperature=0.5)).text == "x"
    return expect('"temperature":0.5' in t.control.last_body(), t.control.last_body())


@feature("a seed")
def seed(t):
    if not t.is_("chat"):
        raise NotThere("the API has no such field")
    assert t.ask(ask_of("Say exactly: x", seed=7)).text == "x"
    return expect('"seed":7' in t.control.last_body(), t.control.last_body())


@feature("usage, with reads of a cache")
def usage(t):
    wish = ask_of("Say exactly: counted", system=f"Be kind to {t.client.name} {t.upstream} {t.stored}. " * 100)
    if t.is_("messages"):
        wish["more"] = {"cache_control": {"type": "ephemeral"}}
    first, second, streamed = t.ask(wish), t.ask(wish), t.stream(wish)
    assert first.usage["input"] > 400 and first.usage["output"] >= 1, first.usage
    assert "total" not in first.usage or first.usage["total"] == first.usage["input"] + first.usage["output"]
    assert second.usage["input"] == first.usage["input"] == streamed.usage["input"], (first.usage, second.usage, streamed.usage)
    if t.upstream in ("messages", "converse") and not t.is_("messages"):
        raise NotThere("the supplier caches where it is marked, and the API has no marks")
    assert first.usage["cached"] == 0, first.usage
    return expect(400 < second.usage["cached"] <= second.usage["input"] and streamed.usage["cached"] == second.usage["cached"], second.usage)


@feature("usage, with writes of a cache")
def cache_writes(t):
    if not t.is_("messages"):
        raise NotThere("the API has no marks")
    wish = ask_of("Say exactly: counted", system=[{"type": "text", "text": f"Be good to {t.client.name} {t.upstream} {t.stored}. " * 100,
                                                   "cache_control": {"type": "ephemeral"}}])
    first = t.ask(wish)
    if t.upstream not in ("messages", "converse"):
        assert first.usage["written"] == 0
        raise NotThere("the supplier caches by itself and reports no writes")
    return expect(first.usage["written"] > 400, first.usage)


@feature("an error before the first byte")
def error_before(t):
    with t.control.faults("status=400"):
        for ask in (t.ask, t.stream):
            try:
                a = ask(ask_of("Say exactly: x", **t.fresh()))
                assert a.error and not a.text and t.is_("responses"), a.said()
            except Refused as refused:
                assert 400 <= refused.status < 600 and refused.error["message"], refused
    return "works"


@feature("a rate limit before the first byte")
def rate_limit(t):
    with t.control.faults("status=429,retry-after=30"):
        try:
            a = t.ask(ask_of("Say exactly: x", **t.fresh()))
            assert a.error and t.is_("responses"), a.said()
        except Refused as refused:
            assert refused.status in (429, 503, 529), refused
    return "works"


@feature("an error after the first byte")
def error_after(t):
    with t.control.faults("error-after-tokens=4"):
        a = t.stream(ask_of("Count from 1 to 50.", **t.fresh()))
    assert a.starts == 1 and (a.stop == "interrupted" if t.is_("responses") else a.error and not a.whole), a.said()
    return expect(not a.text or a.text.startswith("1, 2"), a.said())


@feature("a stream that dies is gone on with, or ends without an ending")
def cut(t):
    with t.control.faults("times=1:cut-after-tokens=9"):
        try:
            a = t.stream(ask_of("Count from 1 to 50.", **t.fresh()))
        except httpx.TransportError as broken:  # the connection is cut, as the supplier's was
            return expect("peer closed" in str(broken) or "incomplete" in str(broken) or "reset" in str(broken), repr(broken))
    whole = ", ".join(str(n) for n in range(1, 51))
    assert a.starts == 1, a.said()
    if a.whole:
        return expect(a.text == whole, a.text)
    return expect(a.error and whole.startswith(a.text), a.said())


@feature("tools that the supplier would run")
def hosted(t):
    more = {"responses": {"tools": [{"type": "web_search"}]}, "chat": {"web_search_options": {}},
            "messages": {"tools": [{"type": "web_search_20250305", "name": "web_search"}]}}[t.client.name]
    if t.relayed():
        raise NotThere("relayed: the supplier's to judge")
    t.ask(ask_of("What is new?", more=more))
    return "works"


@feature("an answer that the client began")
def begun(t):
    if not t.is_("messages"):
        raise NotThere("the API has no such thing")
    a = t.ask({"messages": [user("Count from 1 to 9."), {"role": "assistant", "text": "1, 2, 3"}]})
    return expect(a.text == ", 4, 5, 6, 7, 8, 9", a.text)


@feature("counting tokens")
def count(t):
    if not t.is_("messages"):
        raise NotThere("the API has no such call")
    reply = t.client.http.post("/v1/messages/count_tokens", headers=t.client.headers,
                               json={"model": t.upstream, "messages": [{"role": "user", "content": "Count me, please."}]})
    if reply.status_code != 200:
        raise Refused(reply.status_code, reply.text, reply.headers)
    return expect(reply.json()["input_tokens"] > 3, reply.text)


@feature("lenient: what has no place is left out and named")
def lenient(t):
    more = {"responses": {"presence_penalty": 0.5}, "chat": {"seed": 1, "top_k": 4, "logit_bias": {"1": 1}}, "messages": {"top_k": 4}}[t.client.name]
    if t.relayed():
        raise NotThere("relayed: the supplier's to judge")
    wish = ask_of("Say exactly: x", more=more)
    try:
        t.ask(wish)
        refused = None
    except (Refused, Failed) as error:
        refused = error.field()
    a = t.ask(wish, headers={"x-perdure-lenient": "1"})
    dropped = [one for one in t.client.last.headers.get("x-perdure-dropped", "").split(", ") if one]
    assert a.text == "x" and all(one in more for one in dropped), (a.text, dropped)
    assert (refused in dropped) if refused else not dropped, (refused, dropped)
    return "works: " + (", ".join(f"`{one}`" for one in dropped) or "nothing") + " left out"


class Failed(Exception):
    """A response that ended failed since it holds what the supplier cannot be given: in that API with status 200."""

    def __init__(self, error):
        super().__init__(str(error))
        self.error = error

    def field(self):
        field, colon, _ = self.error["message"].partition(": ")
        assert colon and " " not in field, self.error
        return field


def tried(client, upstream, stored, function, control):
    t = Try(client, upstream, stored, control)
    try:
        return function(t)
    except Failed as failed:
        return f"refused: `{failed.field()}`"
    except NotThere as why:
        return f"n/a: {why}"
    except Refused as refused:
        assert refused.status == 400, refused
        return f"refused: `{refused.field()}`"


def cell(client, upstream, function, control, differ, title):
    said = {}
    for stored in (False, True):
        try:
            said[stored] = tried(client, upstream, stored, function, control)
        except Exception as error:
            said[stored] = "DIFFERS"
            differ.append(f"{client.name} -> {upstream}, {'stored' if stored else 'not stored'}: {title}: {type(error).__name__}: {str(error)[:700]}")
    if said[False] == said[True]:
        return said[True]
    if said[False].startswith("n/a"):
        return said[True]
    return f"stored {said[True]}; not stored {said[False]}"


def column(make, http, control):
    """What one client can do: title -> {upstream -> cell}, and what differs."""
    table, differ = {}, []
    for title, function in FEATURES:
        table[title] = {u: cell(make(http), u, function, control, differ, title) for u in UPSTREAMS}
    return table, differ


def run(stages):
    """title -> {client -> {upstream -> cell}}, and what differs. Each client has a stage of its own, and they run beside each other: most of the
    time they wait for suppliers that have failed."""
    with concurrent.futures.ThreadPoolExecutor() as pool:
        columns = list(pool.map(lambda make, stage: column(make, stage.http, stage.control), CLIENTS, stages))
    table = {title: {make.name: of[title] for make, (of, _) in zip(CLIENTS, columns)} for title, _ in FEATURES}
    return table, [one for _, differ in columns for one in differ]


def render(table):
    lines = []
    for make in CLIENTS:
        lines += [f"### Clients of {dict(responses='OpenAI Responses', chat='OpenAI Chat Completions', messages='Anthropic Messages')[make.name]}", "",
                  "| | " + " | ".join(UPSTREAMS) + " |", "| --- " * (len(UPSTREAMS) + 1) + "|"]
        for title, rows in table.items():
            cells = [rows[make.name][u] for u in UPSTREAMS]
            lines.append(f"| {title} | " + " | ".join(cells) + " |")
        lines.append("")
    return "\n".join(lines)
