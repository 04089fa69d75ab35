#!/usr/bin/env python3
"""Kills the server with SIGKILL, again and again, and looks for what a client saw and the server forgot.

Each cycle opens answers on a running server, kills it at a chosen position, starts it on the same data and asks for the
rest. Every response must end `completed`, with the text that the simulated supplier gives when nothing is cut; every event
that a client saw must be in the resumed stream's past and in the full replay, byte for byte; `perdure journal verify` must
hold. The positions, by quota:

  before-created   right after the request was sent, before any event is seen
  between-deltas   after a random delta
  in-commit        a random time of at most 3 ms after an event, while the next ones are being made durable
  after-last       after the last delta, before the answer has ended
  in-recovery      between deltas, and once more while the answer is being recovered

Two file layers, half of the cycles each: `plain` (what was written is there again) and `lossy` (what was not synced is gone,
see lossy_files.cc). --plant NAME runs on a server with a planted bug and succeeds only if the campaign notices.
"""
import argparse
import http.client
import json
import os
import pathlib
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
import processes  # noqa: E402

POSITIONS = ["before-created", "between-deltas", "in-commit", "after-last", "in-recovery"]
END_TYPES = ("response.completed", "response.failed", "response.incomplete")
FINISH_TIMEOUT_S = 60
TERMINAL = ("completed", "failed", "incomplete", "cancelled")


def prompts(rng):
    """Prompts whose answers are fixed by the prompt alone and repeat no longer run of characters."""
    words = [f"{rng.choice('bcdfghklmnprstvz')}{rng.choice('aeiou')}{rng.choice('lmnrst')}{n}" for n in range(rng.randint(90, 160))]
    exact = " ".join(words)
    return rng.choice([f"Say exactly: {exact}", f"Count from 1 to {rng.randint(100, 160)}."])


class Ask:
    """One create and what its client saw of it."""

    def __init__(self, prompt, key, mode, expected):
        self.prompt, self.key, self.mode, self.expected = prompt, key, mode, expected
        self.id = None
        self.events = {}  # sequence number -> data, as received
        self.gapless = True
        self.ended = None
        self.answer = None  # of a create without a stream

    def body(self):
        return json.dumps({"model": "simulated-1", "input": self.prompt, "temperature": 0, "stream": self.mode == "stream",
                           "background": self.mode == "background"}).encode()

    @property
    def last(self):
        return max(self.events, default=-1)

    def text(self):
        events = [json.loads(self.events[n]) for n in sorted(self.events)]
        return "".join(e["delta"] for e in events if e["type"] == "response.output_text.delta")


def connect(port, timeout=FINISH_TIMEOUT_S):
    return http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)


def read_events(reply, into, watch=None):
    """Whole events until the stream ends or breaks. Returns True if it ended with [DONE]."""
    held = b""
    try:
        while True:
            chunk = reply.read1(65536)
            if not chunk:
                return False
            held += chunk
            while b"\n\n" in held:
                frame, held = held.split(b"\n\n", 1)
                lines = [line[6:] for line in frame.split(b"\n") if line.startswith(b"data: ")]
                if not lines:
                    continue
                if lines[0] == b"[DONE]":
                    return True
                number = json.loads(lines[0])["sequence_number"]
                into.append((number, lines[0].decode()))
                if watch:
                    watch(json.loads(lines[0]))
    except (OSError, http.client.HTTPException):
        return False


def create(port, ask, watch=None):
    """Sends the create; takes in what comes until it ends or the server is gone."""
    seen = []
    connection = connect(port)
    try:
        connection.request("POST", "/v1/responses", ask.body(), {"Content-Type": "application/json", "Idempotency-Key": ask.key})
        if watch:
            watch({"type": "sent"})
        reply = connection.getresponse()
        ask.id = reply.getheader("x-perdure-response-id") or ask.id
        if reply.status != 200:
            raise RuntimeError(f"create: {reply.status} {reply.read(2000)!r}")
        if ask.mode == "stream":
            def note(event):
                if event["type"] == "response.created":
                    ask.id = event["response"]["id"]
                if watch:
                    watch(event)
            if read_events(reply, seen, note):
                ask.ended = True
        else:
            ask.answer = json.loads(reply.read())
            ask.id = ask.answer["id"]
    except (OSError, http.client.HTTPException, json.JSONDecodeError):
        pass
    finally:
        connection.close()
    return seen


def fetch_stream(port, ask, after):
    connection = connect(port)
    seen = []
    try:
        query = "" if after is None else f"&starting_after={after}"
        connection.request("GET", f"/v1/responses/{ask.id}?stream=true{query}")
        reply = connection.getresponse()
        if reply.status != 200:
            return reply.status, seen, False
        done = read_events(reply, seen)
        return 200, seen, done
    finally:
        connection.close()


def fetch(port, response_id):
    connection = connect(port)
    try:
        connection.request("GET", f"/v1/responses/{response_id}")
        reply = connection.getresponse()
        return reply.status, json.loads(reply.read())
    finally:
        connection.close()


def output_text(response):
    return "".join(part.get("text", "") for item in response.get("output", []) if item["type"] == "message"
                   for part in item["content"])


class Campaign:
    def __init__(self, options):
        self.options = options
        self.rng = random.Random(options.seed)
        self.work = pathlib.Path(tempfile.mkdtemp(prefix="perdure-crash-"))
        self.kills = {position: 0 for position in POSITIONS}
        self.lost = self.stuck = self.wrong = self.responses = self.verify_failures = 0
        self.upstream = processes.simulate(self.work / "simulate.log", "--seed", options.seed, "--tokens-per-second",
                                           options.tokens_per_second, "--continuation", "mixed")
        self.oracle = processes.simulate(self.work / "oracle.log", "--seed", options.seed)
        self.layers = {"plain": ["plain"], "lossy": ["lossy"], "both": ["plain", "lossy"]}[options.layer]
        self.server = None
        self.serial = 0

    @property
    def total_kills(self):
        return sum(self.kills.values())

    @property
    def sound(self):
        return not (self.lost or self.stuck or self.wrong or self.verify_failures)

    def data(self, layer):
        return self.work / f"data-{layer}"

    def start(self, layer, wait=True):
        env = {}
        if self.options.plant:
            env["PERDURE_PLANT"] = self.options.plant
        if layer == "lossy":
            env |= {"LD_PRELOAD": processes.BINARY.parent / "lossy_files.so", "LOSSY_ROOT": self.data(layer),
                    "LOSSY_MIRROR": self.work / "mirror", "LOSSY_SYNC_DELAY_US": self.rng.choice([0, 0, 500, 3000])}
        self.server = processes.serve(self.data(layer), self.work / f"serve-{layer}.log", self.upstream.url, env=env, wait=wait)

    def after_kill(self, layer):
        """What the machine finds when it comes up again."""
        if layer == "lossy":
            shutil.rmtree(self.data(layer), ignore_errors=True)
            if (self.work / "mirror").exists():
                shutil.copytree(self.work / "mirror", self.data(layer))

    def uncut(self, prompt):
        connection = connect(self.oracle.port)
        connection.request("POST", "/v1/chat/completions", json.dumps({
            "model": "simulated-1", "temperature": 0, "messages": [{"role": "user", "content": prompt}]}),
            {"Content-Type": "application/json"})
        return json.loads(connection.getresponse().read())["choices"][0]["message"]["content"]

    def fail(self, kind, ask, what):
        setattr(self, kind, getattr(self, kind) + 1)
        if not self.options.plant or self.options.verbose:
            print(f"  {kind}: {ask.id if ask else ''} {ask.mode if ask else ''}: {what}", flush=True)

    def run(self):
        position = 0
        while self.total_kills < self.options.cycles:
            self.cycle(POSITIONS[position % len(POSITIONS)], self.layers[(position // len(POSITIONS)) % len(self.layers)])
            position += 1
            if self.options.plant and not self.sound:
                break
            if position % 10 == 0:
                print(f"  {self.total_kills} kills, {self.responses} responses, {self.lost} lost, {self.stuck} stuck", flush=True)

    def cycle(self, position, layer):
        rng = self.rng
        if self.server is None or not self.server.alive():
            self.start(layer)
        asks = []
        for mode in ["stream", "stream", rng.choice(["stream", "background", "json"])]:
            prompt = prompts(rng)
            self.serial += 1
            asks.append(Ask(prompt, f"crash-{self.options.seed}-{self.serial}", mode, self.uncut(prompt)))
        self.responses += len(asks)

        killed = threading.Event()
        pid = self.server.popen.pid

        def kill(delay_s=0.0):
            if delay_s > 0:
                until = time.perf_counter() + delay_s
                while time.perf_counter() < until:
                    pass
            if not killed.is_set():
                killed.set()
                os.kill(pid, signal.SIGKILL)

        deltas = 0
        at_delta = rng.randint(1, 60)
        chosen = asks[0]

        def watch(event):
            nonlocal deltas
            if killed.is_set():
                return
            if position == "before-created":
                if event["type"] == "sent":
                    kill(rng.uniform(0, 0.004))
            elif position == "after-last":
                if event["type"] == "response.output_text.delta":
                    chosen_text.append(event["delta"])
                    if "".join(chosen_text) == chosen.expected:
                        kill(rng.choice([0, rng.uniform(0, 0.0005)]))
                elif event["type"] == "response.output_text.done":
                    kill()
            elif event["type"] == "response.output_text.delta":
                deltas += 1
                if deltas == at_delta:
                    kill(rng.uniform(0, 0.003) if position == "in-commit" else 0)
            if event["type"] in END_TYPES:
                kill()  # the answer was shorter than the position wanted

        chosen_text = []
        seen = {}

        def client(ask, watching):
            for number, data in create(self.server.port, ask, watching):
                if number in seen[ask.key] and seen[ask.key][number] != data:
                    self.fail("lost", ask, f"event {number} came twice and differs")
                seen[ask.key][number] = data

        threads = []
        for ask in asks:
            seen[ask.key] = ask.events
            threads.append(threading.Thread(target=client, args=(ask, watch if ask is chosen else None)))
        for thread in reversed(threads):
            thread.start()
        for thread in threads:
            thread.join(FINISH_TIMEOUT_S)
        kill()
        self.server.popen.wait()
        self.kills["between-deltas" if position == "in-recovery" else position] += 1
        self.after_kill(layer)

        if position == "in-recovery" and self.total_kills < self.options.cycles:
            self.start(layer, wait=False)
            if rng.random() < 0.7:
                self.server.wait_until_listening()
            time.sleep(rng.uniform(0, 0.25))
            self.server.kill()
            self.kills["in-recovery"] += 1
            self.after_kill(layer)

        try:
            self.start(layer)
        except RuntimeError as error:
            self.fail("stuck", None, f"the server does not start again: {error}")
            shutil.rmtree(self.data(layer), ignore_errors=True)
            shutil.rmtree(self.work / "mirror", ignore_errors=True)
            return
        for ask in asks:
            self.check(ask)
        # The next cycle begins on a server that was ended as an operator ends it, now and then, else on this one's data.
        if rng.random() < 0.3:
            self.server.stop()
            if layer == "lossy":
                self.after_kill(layer)
        else:
            self.server.kill()
            self.after_kill(layer)
        verify = subprocess.run([processes.BINARY, "journal", "verify", "--data", self.data(layer)], capture_output=True, text=True,
                                env=processes.environment(), timeout=300)
        if verify.returncode != 0:
            self.fail("verify_failures", None, f"journal verify: {verify.stdout[-500:]}{verify.stderr[-500:]}")
        self.server = None

    def check(self, ask):
        port = self.server.port
        try:
            if ask.id is None or (ask.mode == "json" and ask.answer is None):
                # Its reply was lost: the client sends the same request again.
                known = ask.id
                for number, data in create(port, ask):
                    ask.events[number] = data
                if known is not None and ask.id != known:
                    self.fail("lost", ask, f"the repeat made another response than {known}")
            elif ask.mode == "stream":
                status, rest, done = fetch_stream(port, ask, ask.last if ask.events else None)
                if status != 200:
                    self.fail("lost", ask, f"resume after {ask.last}: status {status}")
                    self.lost += max(0, len(ask.events) - 1)
                    return
                want = ask.last + 1
                for number, data in rest:
                    if number != want:
                        self.fail("lost", ask, f"resumed at {number}, wanted {want}")
                        break
                    ask.events[number] = data
                    want += 1
                if not done:
                    self.fail("stuck", ask, "the resumed stream does not end")
                    return
            if ask.id is None:
                self.fail("stuck", ask, "no response, not even on a repeat")
                return
            deadline = time.monotonic() + FINISH_TIMEOUT_S
            while True:
                status, response = fetch(port, ask.id)
                if status != 200:
                    self.fail("lost", ask, f"fetch: status {status}")
                    return
                if response["status"] in TERMINAL:
                    break
                if time.monotonic() > deadline:
                    self.fail("stuck", ask, f"still {response['status']}")
                    return
                time.sleep(0.02)
            if response["status"] != "completed":
                self.fail("stuck", ask, f"ended {response['status']}: {response.get('error')} {response.get('incomplete_details')}")
                return
            if output_text(response) != ask.expected:
                self.fail("wrong", ask, f"text differs: {output_text(response)[-200:]!r} instead of {ask.expected[-200:]!r}")
            status, replay, done = fetch_stream(port, ask, None)
            replayed = dict(replay)
            if status != 200 or not done:
                self.fail("stuck", ask, f"the replay does not end: status {status}, {len(replay)} events")
                return
            if [number for number, _ in replay] != list(range(len(replay))):
                self.fail("lost", ask, "the replay has gaps")
            for number, data in sorted(ask.events.items()):
                if replayed.get(number) != data:
                    self.fail("lost", ask, f"event {number} was {data[:300]} and is {str(replayed.get(number))[:300]}")
            last = json.loads(replay[-1][1])
            if last["type"] != "response.completed":
                self.fail("wrong", ask, f"the replay ends with {last['type']}")
            elif last["response"] != response:
                self.fail("wrong", ask, f"streamed and fetched differ: {diff(last['response'], response)}")
            text = "".join(json.loads(d)["delta"] for _, d in replay if '"response.output_text.delta"' in d)
            if text != ask.expected:
                self.fail("wrong", ask, "the replayed deltas are not the answer")
        except (OSError, http.client.HTTPException, RuntimeError) as error:
            self.fail("stuck", ask, f"{type(error).__name__}: {error}")

    def close(self):
        for process in (self.server, self.upstream, self.oracle):
            if process is not None and process.alive():
                process.kill()
        if self.sound or self.options.plant:
            shutil.rmtree(self.work, ignore_errors=True)
        else:
            print(f"data and logs are in {self.work}")


def diff(a, b):
    return {k: (a.get(k), b.get(k)) for k in sorted(set(a) | set(b)) if a.get(k) != b.get(k)}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cycles", type=int, default=20, help="how many kills")
    parser.add_argument("--layer", choices=["plain", "lossy", "both"], default="both")
    parser.add_argument("--plant", metavar="NAME", help="a planted bug that must be caught: sync-off or send-before-commit")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 31))
    parser.add_argument("--tokens-per-second", type=int, default=300)
    parser.add_argument("--verbose", action="store_true", help="with --plant, say what was noticed")
    options = parser.parse_args()
    if options.plant and options.layer == "both":
        options.layer = "lossy"
    lossy = processes.BINARY.parent / "lossy_files.so"
    if options.layer != "plain" and not lossy.exists():  # the loader would only grumble, and nothing would be forgotten
        parser.error(f"{lossy} is missing: cmake --build {processes.BINARY.parent} --target lossy_files (or --layer plain)")
    layer = "" if options.layer == "both" else f" --layer {options.layer}"
    plant = f" --plant {options.plant}" if options.plant else ""
    print(f"crash.py --cycles {options.cycles} --seed {options.seed}{layer}{plant}", flush=True)
    campaign = Campaign(options)
    try:
        campaign.run()
    finally:
        campaign.close()
    kills = ", ".join(f"{position} {count}" for position, count in campaign.kills.items())
    print(f"kills: {kills}; {campaign.responses} responses")
    if options.plant:
        verdict = "not caught" if campaign.sound else "caught"
        print(f"crash: planted {options.plant} {verdict} after {campaign.total_kills} kills ({campaign.lost} events lost)")
        return 1 if campaign.sound else 0
    more = f", {campaign.wrong} answers wrong" if campaign.wrong else ""
    more += f", {campaign.verify_failures} journals broken" if campaign.verify_failures else ""
    print(f"crash: {campaign.total_kills} kills, {campaign.lost} events lost, {campaign.stuck} responses stuck{more}")
    return 0 if campaign.sound else 1


if __name__ == "__main__":
    sys.exit(main())
