#!/usr/bin/env python3
"""Withdraws a supplier while many answers are in flight, and looks at what their clients got.

The real binary stands between its clients and two simulated suppliers, A and B, each a process of its own. The clients speak
Responses (stored), Chat Completions (relayed byte for byte) and Messages (translated), most of them over plain sockets, a few
through the official SDKs. In the middle of all answers an operator types `perdure withdraw`:

  cut         --cut of the provider A: every answer goes on at B, half of them by prefill and half asked in words
  drain       --drain of A: what runs there ends there, what begins then is B's
  region      --cut of A's region
  party       --cut of A's party
  deployment  --cut of one of A's two deployments: the answers of the other stay where they are

Each client must get the whole answer, to the character, in one stream without an error; A must get no request after the
withdrawal; and the account of every stored answer must tell who wrote it. The pause is the longest silence that a client saw
from the order on. It is compared with B's own time to its first token under the same burst, measured in the same run by
sending the same requests directly to it: on new connections, as the server has none to B, and all at once, as the server has them
all at once. A part of each pause is no work of the withdrawal: it begins with the last word that A has written, and A
would have been silent for up to one token's time. The streams keep step, so that this part differs from run to run. What came after
the last word that anybody got of A, at the cut or a little later, is reported as well. Times are reported and not judged.

--plant NAME runs on a server with a planted bug and succeeds only if it is noticed.
"""
import argparse
import difflib
import http.client
import json
import pathlib
import random
import shutil
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
import processes  # noqa: E402
from crowd import Crowd, Seen, Stream, body_of, first_piece  # noqa: E402

FORMS = ["cut", "drain", "region", "party", "deployment"]
DIALECTS = ["responses", "responses", "chat", "messages"]
MODELS = ["words", "prefill"]  # how their answers are gone on with
FINISH_S = 180

CONFIG = """providers:
  - {{name: A, base_url: "{A}/v1", party: Acme, region: eu}}
  - {{name: B, base_url: "{B}/v1", party: Bolt, region: us, variant: {{prefill: plain}}}}
models:
  - {{name: words, provider: A, upstream_model: simulated-1, capabilities: {{prefill: false}}}}
  - {{name: words, provider: B, upstream_model: simulated-1, capabilities: {{prefill: false}}}}
  - {{name: prefill, provider: A, upstream_model: simulated-1, capabilities: {{prefill: true}}}}
  - {{name: prefill, provider: B, upstream_model: simulated-1, capabilities: {{prefill: true}}}}
"""


def prompt_of(number, words):
    """A prompt and its answer; no two alike, and in none does a run of characters come twice."""
    rng = random.Random(number)
    text = " ".join(f"{rng.choice('bcdfghklmnprstvz')}{rng.choice('aeiou')}{rng.choice('lmnrst')}{n}{rng.choice(['', '', '', ',', '.'])}"
                    for n in range(100, 100 + words))
    return f"Say exactly: {text}", text


def percentile(values, share):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0.0


def call(port, method, path, body=None):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request(method, path, json.dumps(body) if body is not None else None, {"Content-Type": "application/json"})
        reply = connection.getresponse()
        return reply.status, json.loads(reply.read())
    finally:
        connection.close()


def lost_or_doubled(got, want):
    if got == want:
        return 0
    return sum(max(b - a, d - c) for kind, a, b, c, d in difflib.SequenceMatcher(None, want, got, False).get_opcodes() if kind != "equal")


class SdkStream:
    """The same through an official SDK, on a thread. Has what the checks ask of a Stream and of a Seen."""

    def __init__(self, port, dialect, model, prompt, expected):
        self.dialect, self.model, self.prompt, self.expected = dialect, model, prompt, expected
        self.text, self.pieces, self.problems, self.id, self.marks = "", [], [], None, 0
        self.port = port
        self.thread = threading.Thread(target=self.run, daemon=True)

    def add(self, text):
        if text:
            self.text += text
            self.pieces.append((time.monotonic(), text))
            self.marks += 1

    def run(self):
        try:
            getattr(self, self.dialect)()
        except Exception as error:  # whatever an SDK makes of it is the client's error
            self.problems.append(f"{type(error).__name__}: {error}")

    def openai(self):
        import openai
        return openai.OpenAI(base_url=f"http://127.0.0.1:{self.port}/v1", api_key="unused", max_retries=0)

    def responses(self):
        with self.openai().responses.create(model=self.model, input=self.prompt, stream=True) as stream:
            for event in stream:
                if event.type == "response.created":
                    self.id = event.response.id
                elif event.type == "response.output_text.delta":
                    self.add(event.delta)
                elif event.type == "response.completed" and event.response.output_text != self.text:
                    self.problems.append("response.completed is not the sum of the deltas")
        if event.type != "response.completed":
            self.problems.append(f"ended {event.type}")

    def chat(self):
        finish = None
        for chunk in self.openai().chat.completions.create(model=self.model, stream=True,
                                                           messages=[{"role": "user", "content": self.prompt}]):
            for choice in chunk.choices:
                self.add(choice.delta.content)
                finish = choice.finish_reason or finish
        if finish != "stop":
            self.problems.append(f"ended {finish}")

    def messages(self):
        import anthropic
        client = anthropic.Anthropic(base_url=f"http://127.0.0.1:{self.port}", api_key="unused", max_retries=0)
        with client.messages.stream(model=self.model, max_tokens=10_000,
                                    messages=[{"role": "user", "content": self.prompt}]) as stream:
            for text in stream.text_stream:
                self.add(text)
            if stream.get_final_message().stop_reason != "end_turn":
                self.problems.append(f"ended {stream.get_final_message().stop_reason}")


class Campaign:
    def __init__(self, options):
        self.options = options
        self.work = pathlib.Path(tempfile.mkdtemp(prefix="perdure-withdraw-"))
        pace = ["--tokens-per-second", options.tokens_per_second, "--first-token", f"{options.first_token_ms}ms"]
        self.suppliers = {name: processes.simulate(self.work / f"{name}.log", "--account", name, "--seam", options.seam, *pace)
                          for name in "AB"}
        config = self.work / "perdure.yaml"
        config.write_text(CONFIG.format(**{name: process.url.removesuffix("/v1") for name, process in self.suppliers.items()}))
        env = {"PERDURE_PLANT": options.plant} if options.plant else None
        self.server = processes.Process([processes.BINARY, "serve", "--config", config, "--listen", "127.0.0.1:0", "--data",
                                         self.work / "data"], self.work / "serve.log", env)
        self.serial = 0
        self.whole = self.errors = self.characters = self.streams = self.wrong = 0
        self.said = 0
        self.main = None  # what the first form counted

    def close(self):
        for process in (self.server, *self.suppliers.values()):
            process.stop()
        if self.sound or self.options.plant:
            shutil.rmtree(self.work, ignore_errors=True)
        else:
            print(f"logs are in {self.work}")

    @property
    def sound(self):
        return self.whole == self.streams and not (self.errors or self.characters or self.wrong)

    def complain(self, what):
        self.said += 1
        if self.said <= 20 and not (self.options.plant and not self.options.verbose):
            print(f"  {what}", flush=True)

    def expect(self, true, what):
        if not true:
            self.wrong += 1
            self.complain(what)

    # ------------------------------------------------------------------------------------------------------ the pieces

    def streams_of(self, count, sdk=0):
        made = []
        for n in range(count):
            self.serial += 1
            dialect, model = DIALECTS[n % len(DIALECTS)], MODELS[n // len(DIALECTS) % 2]
            prompt, text = prompt_of(self.serial, self.options.words)
            if n < sdk:
                made.append(SdkStream(self.server.port, dialect, model, prompt, text))
            else:
                made.append(Stream(self.server.port, dialect, body_of(dialect, model, prompt), prompt, text))
                made[-1].model = model
        return made

    def stats(self, name):
        return call(self.suppliers[name].port, "GET", "/__stats")[1]

    def perdure(self, *words):
        done = subprocess.run([processes.BINARY, *words], capture_output=True, text=True, timeout=60,
                              env=processes.environment({"PERDURE_URL": self.server.url}))
        self.expect(done.returncode == 0, f"perdure {' '.join(words)}: {done.returncode} {done.stdout}{done.stderr}")
        return done.stdout

    def begin(self, crowd, streams):
        for stream in streams:
            if isinstance(stream, SdkStream):
                stream.thread.start()
        crowd.add([stream for stream in streams if isinstance(stream, Stream)])

    def order(self, crowd, *words):
        """Types a command while the streams go on. The time when it was given, and its output."""
        given = time.monotonic()
        out = []
        operator = threading.Thread(target=lambda: out.append(self.perdure(*words)))
        operator.start()
        crowd.until(lambda: not operator.is_alive(), 60)
        return given, out[0] if out else ""

    def end(self, crowd, streams):
        self.expect(crowd.finish(FINISH_S), "some streams do not end")
        for stream in streams:
            if isinstance(stream, SdkStream):
                stream.thread.join(FINISH_S)
                self.expect(not stream.thread.is_alive(), "an SDK's stream does not end")

    def judge(self, streams, form):
        """Each answer against what it should be. Returns what was seen."""
        out = []
        for stream in streams:
            seen = stream if isinstance(stream, SdkStream) else Seen(stream)
            out.append(seen)
            self.streams += 1
            wrong = lost_or_doubled(seen.text, stream.expected)
            self.characters += wrong
            self.errors += bool(seen.problems)
            if wrong or seen.problems:
                self.complain(f"{form}, {stream.dialect}, {stream.model}: {wrong} characters, {seen.problems[:3]} {seen.id}")
            else:
                self.whole += 1
        return out

    def account(self, seen):
        status, account = call(self.server.port, "GET", f"/v1/x/responses/{seen.id}")
        if status != 200:
            self.expect(False, f"no account of {seen.id}: {status}")
            return []
        return [(p["provider"], p["outcome"]) for p in account["placements"]]

    # ------------------------------------------------------------------------------------------------------- the forms

    def baseline(self, count):
        """B's own time to the first token, for the requests that it gets when A is cut, sent to it all at once."""
        streams = []
        for n in range(count):
            prompt, text = prompt_of(1_000_000 + n, self.options.words)
            messages = [{"role": "user", "content": prompt}, {"role": "assistant", "content": text[:len(text) // 3].rstrip()}]
            if n % 2:
                messages.append({"role": "user", "content": "Go on from exactly where it stopped."})
            streams.append(Stream(self.suppliers["B"].port, "chat", {"model": "simulated-1", "messages": messages, "stream": True}))
        with Crowd() as crowd:
            crowd.burst(streams)
            self.expect(crowd.until(lambda: all(s.marks > 1 for s in streams), 60), "B does not answer the burst")
        return [first_piece(stream) or 60.0 for stream in streams]

    def cut(self, form, count, *words, sdk=0):
        """Cuts A off in the middle of `count` answers. Returns the clients' pauses: whole, and from A's last word to anybody on."""
        streams = self.streams_of(count, sdk)
        only = words[1].removesuffix("@A") if form == "deployment" else None
        with Crowd() as crowd:
            self.begin(crowd, streams)
            if not crowd.until(lambda: all(s.marks >= self.options.words // 4 for s in streams), FINISH_S):
                self.expect(False, f"{form}: not all answers begin")
            before = self.stats("A")["requests"]
            running = len([s for s in streams if only in (None, s.model)])
            preview = json.loads(self.perdure(*words, "--preview", "--json"))
            self.expect(preview["touches"]["running"] == running, f"{form}: the preview touches {preview['touches']['running']}")
            given, _ = self.order(crowd, *words, "--reason", "an exercise")
            self.end(crowd, streams)
        self.expect(self.stats("A")["requests"] == before, f"{form}: A was asked after it was withdrawn")
        silences = []
        for stream, seen in zip(streams, self.judge(streams, form)):
            touched = only in (None, stream.model)
            after = [n for n, (at, _) in enumerate(seen.pieces) if at > given and n > 0]
            if touched and after:
                n = max(after, key=lambda n: seen.pieces[n][0] - seen.pieces[n - 1][0])
                silences.append((seen.pieces[n - 1][0], seen.pieces[n][0]))
            if stream.dialect == "responses" and seen.id:
                want = [("A", "withdrawn"), ("B", "completed")] if touched else [("A", "completed")]
                self.expect(self.account(seen) == want, f"{form}: the account of {seen.id} says {self.account(seen)}")
        self.perdure("restore", *[word for word in words[1:] if word != "--cut"])
        cut = max((begun for begun, _ in silences), default=0)
        pauses = [(end - begun, end - cut) for begun, end in silences]
        return pauses

    def drain(self, count):
        first, second = self.streams_of(count), self.streams_of(count)
        with Crowd() as crowd:
            self.begin(crowd, first)
            self.expect(crowd.until(lambda: all(s.marks >= 5 for s in first), FINISH_S), "drain: not all answers begin")
            before = self.stats("A")["requests"]
            self.order(crowd, "withdraw", "A")
            self.begin(crowd, second)
            self.end(crowd, first + second)
        self.expect(self.stats("A")["requests"] == before, "drain: A was asked after it was withdrawn")
        for streams, name in ((first, "A"), (second, "B")):
            for seen, stream in zip(self.judge(streams, "drain"), streams):
                if stream.dialect == "responses" and seen.id:
                    self.expect(self.account(seen) == [(name, "completed")], f"drain: the account of {seen.id} says {self.account(seen)}")
        self.perdure("restore", "A")

    def run(self):
        count, few = self.options.streams, min(self.options.streams, 40)
        own, pauses = [], []
        for form in self.options.forms:
            began = time.monotonic()
            streams = self.streams
            if form == "cut":
                own = self.baseline(count)
                pauses = self.cut("cut", count, "withdraw", "A", "--cut", sdk=0 if self.options.no_sdk else min(8, count))
                self.main = {"streams": self.streams, "whole": self.whole, "errors": self.errors, "characters": self.characters}
            elif form == "drain":
                self.drain(few)
            elif form == "region":
                self.cut(form, few, "withdraw", "eu", "--region", "--cut")
            elif form == "party":
                self.cut(form, few, "withdraw", "Acme", "--party", "--cut")
            elif form == "deployment":
                self.cut(form, few, "withdraw", "words@A", "--deployment", "--cut")
            print(f"  {form}: {self.streams - streams} streams in {time.monotonic() - began:.0f} s, "
                  f"{'sound' if self.sound else 'NOT SOUND'}", flush=True)
        return own, pauses


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--streams", type=int, default=100, help="answers in flight when A is cut off (default 100)")
    parser.add_argument("--forms", default=",".join(FORMS), help="which of " + ", ".join(FORMS))
    parser.add_argument("--words", type=int, default=80, help="of an answer, two or three tokens each (default 80)")
    parser.add_argument("--tokens-per-second", type=int, default=20)
    parser.add_argument("--first-token-ms", type=int, default=500, help="that the suppliers take for a first token")
    parser.add_argument("--seam", default="exact", help="how they go on when asked in words (perdure simulate --help)")
    parser.add_argument("--no-sdk", action="store_true", help="plain sockets only")
    parser.add_argument("--plant", metavar="NAME", help="a planted bug that must be noticed: double-overlap (with --seam overlap)")
    parser.add_argument("--verbose", action="store_true")
    options = parser.parse_args()
    options.forms = options.forms.split(",")
    if not options.no_sdk:
        try:
            import anthropic  # noqa: F401
            import openai  # noqa: F401
        except ImportError:
            print("  no official SDKs here: plain sockets only (tools/bootstrap --e2e sets them up)")
            options.no_sdk = True
    campaign = Campaign(options)
    try:
        own, pauses = campaign.run()
    finally:
        campaign.close()
    if options.plant:
        print(f"withdraw: planted {options.plant} {'not caught' if campaign.sound else 'caught'}")
        return 1 if campaign.sound else 0
    if campaign.wrong:
        print(f"withdraw: {campaign.wrong} other things were wrong")
    count = {"streams": campaign.streams, "whole": campaign.whole, "errors": campaign.errors, "characters": campaign.characters}
    if campaign.main and len(options.forms) > 1:
        others = {name: value - campaign.main[name] for name, value in count.items()}
        print(f"  {', '.join(options.forms[1:])}: {others['streams']} streams, {others['whole']} whole, {others['errors']} errors, "
              f"{others['characters']} characters lost or doubled")
        count = campaign.main
    line = (f"withdraw: {count['streams']} streams, {count['whole']} whole, {count['errors']} errors, "
            f"{count['characters']} characters lost or doubled")
    if pauses:
        whole, late = [pause for pause, _ in pauses], [late for _, late in pauses]
        p50, p99, own50, own99 = percentile(whole, .5), percentile(whole, .99), percentile(own, .5), percentile(own, .99)
        late50, late99 = percentile(late, .5), percentile(late, .99)
        print(f"  from the last word of A that anybody got: p50 {late50:.3f} s p99 {late99:.3f} s ({late50 / own50:.2f}x and {late99 / own99:.2f}x)")
        print(f"  B's own time to a first token under the same burst of {len(own)}: p50 {own50:.3f} s p99 {own99:.3f} s")
        line += f", pause p50 {p50:.3f} s p99 {p99:.3f} s ({p50 / own50:.2f}x and {p99 / own99:.2f}x of the supplier's own)"
    print(line)
    return 0 if campaign.sound else 1


if __name__ == "__main__":
    sys.exit(main())
