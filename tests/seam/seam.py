#!/usr/bin/env python3
"""make seam: what real models make of a broken answer, at temperature 0.

Two different real models (examples/local-model). The first one's answer is cut after some pieces of text, and Perdure goes on with the second one, or with
the first one again:

  prefill  the second is given the beginning as its own. The whole must be equal, to the character, to asking that server directly with the same
           beginning. Equality with the uncut answer is reported besides.
  words    the second is asked in words to go on. What a reader would hold against the seam is counted: judge.py.

Prints a table; the last line sums up. Exits with 1 when a prefill differs or when something that was shown is lost; what models do in words is evidence, not
an error. --write puts the tables and the failed seams into docs/seams.md. Exits with 0 and says so where the models cannot be fetched.
"""
import argparse
import collections
import json
import pathlib
import subprocess
import sys
import tempfile
import urllib.request

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent)]
import cutter  # noqa: E402
import judge  # noqa: E402
import processes  # noqa: E402

LOCAL = processes.ROOT / "examples/local-model"
MODELS = {"gemma": "Gemma 3 270M (base)", "smollm2": "SmolLM2 135M (instruct)"}
DOCUMENT = processes.ROOT / "docs/seams.md"
FROM, TO = "<!-- tests/seam/seam.py writes from here -->", "<!-- to here -->"


def post(url, body):
    request = urllib.request.Request(url, json.dumps(body).encode(), {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=900) as reply:
        return json.load(reply)


class Bench:
    def __init__(self, folder, tokens, cuts):
        self.folder, self.tokens, self.cuts = folder, tokens, cuts
        self.servers = {name: processes.Process([LOCAL / "run", name, "--obey", "words"], folder / f"{name}.log", wait=False)
                        for name in MODELS}
        self.perdure, self.cutters = None, {}
        try:
            self.start(folder, cuts)
        except BaseException:
            self.stop()
            raise

    def start(self, folder, cuts):
        for server in self.servers.values():
            server.wait_until_listening(timeout_s=300)
        self.cutters = {name: cutter.Cutter(server.url) for name, server in self.servers.items()}
        config = ["listen: 127.0.0.1:0", f"data: {folder / 'data'}", "routing: {failures: 1000, error_percent: 100}",
                  "limits: {first_byte_time: 10m, stall_time: 5m}", "providers:"]
        for name in MODELS:
            config += [f"  - {{name: {name}, base_url: '{self.servers[name].url}/v1', variant: {{prefill: plain}}}}",
                       f"  - {{name: cut-{name}, base_url: '{self.cutters[name].url}/v1'}}"]
        config.append("models:")
        for first in MODELS:
            for second in MODELS:
                for how in ("prefill", "words"):
                    for cut in cuts:
                        name = self.name(first, second, how, cut)
                        config += [
                            f"  - {{name: {name}, provider: cut-{first}, upstream_model: '{first}:{cut}', deployment: {name}-cut}}",
                            f"  - {{name: {name}, provider: {second}, upstream_model: {second}, deployment: {name}-on, "
                            f"capabilities: {{prefill: {str(how == 'prefill').lower()}}}}}"]
        file = folder / "perdure.yaml"
        file.write_text("\n".join(config) + "\n")
        self.perdure = processes.Process([processes.BINARY, "serve", "--config", file], folder / "serve.log")

    @staticmethod
    def name(first, second, how, cut):
        return f"{first}-{second}-{how}-{cut}"

    def stop(self):
        for each in (self.perdure, *self.cutters.values(), *self.servers.values()):
            if each is not None:
                each.stop()

    def direct(self, model, ask, begun=None, tokens=None):
        messages = [{"role": "user", "content": ask}]
        if begun is not None:
            messages.append({"role": "assistant", "content": begun})
        reply = post(f"{self.servers[model].url}/v1/chat/completions",
                     {"model": model, "messages": messages, "temperature": 0,
                      "max_tokens": tokens or self.tokens})
        return reply["choices"][0]["message"]["content"]

    def through(self, first, second, how, cut, ask):
        """(text, status, what the account says of the seams) of an answer that is cut and gone on with."""
        name = self.name(first, second, how, cut)
        reply = post(f"{self.perdure.url}/v1/responses", {"model": name, "input": ask, "temperature": 0, "max_output_tokens": self.tokens})
        text = "".join(part.get("text", "") for item in reply["output"] if item["type"] == "message" for part in item["content"])
        with urllib.request.urlopen(f"{self.perdure.url}/v1/x/responses/{reply['id']}", timeout=60) as account:
            placements = json.load(account)["placements"]
        status = (reply["incomplete_details"] or {}).get("reason", reply["status"])
        return text, status, placements, self.cutters[first].held.pop(f"{first}:{cut}", "")


def run(options):
    setup = subprocess.run([LOCAL / "setup"], capture_output=True, text=True)
    if setup.returncode != 0:
        print(setup.stdout[-500:] + setup.stderr[-500:])
        print("seam: skipped: the real models cannot be fetched here")
        return 0
    prompts = json.loads((HERE / "prompts.json").read_text())[:options.prompts or None]
    counts, failed, wrong = collections.Counter(), [], 0
    prefill = collections.Counter()
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(pathlib.Path(folder), options.tokens, options.cuts)
        try:
            uncut = {(model, p["name"]): bench.direct(model, p["ask"]) for model in MODELS for p in prompts}
            for first in MODELS:
                for second in MODELS:
                    for prompt in prompts:
                        for cut in options.cuts:
                            for how in ("prefill", "words"):
                                whole, status, placements, held = bench.through(first, second, how, cut, prompt["ask"])
                                if not held or len(placements) < 2:
                                    counts[(first, second, how, "too short to be cut")] += 1
                                    continue
                                if how == "prefill":
                                    begun = held.rstrip()
                                    rest = bench.direct(second, prompt["ask"], begun, options.tokens - cut)
                                    # White space at the seam was shown already and is not shown twice.
                                    expected = held + rest[len(held) - len(begun):] if rest.startswith(held[len(begun):]) else None
                                    equal = whole.startswith(held) and (
                                        whole == expected or (expected is None and whole == held + rest.lstrip()))
                                    prefill["all"] += 1
                                    prefill["equal"] += equal
                                    prefill["same as uncut"] += first == second and whole.startswith(uncut[(first, prompt["name"])][:len(whole)])
                                    prefill["of the same model"] += first == second
                                    if not equal:
                                        wrong += 1
                                        failed.append((first, second, how, prompt, cut, held, whole, ["differs"], status))
                                        print(f"DIFFERS {first} -> {second} {prompt['name']} cut {cut}\n  held {held!r}\n"
                                              f"  whole {whole!r}\n  rest {rest!r}", flush=True)
                                    continue
                                found = judge.faults(prompt["kind"], held, whole, uncut[(first, prompt["name"])],
                                                     prompt.get("language"), prompt.get("keys", ()))
                                counts[(first, second, how, "all")] += 1
                                counts[(first, second, how, "good")] += not found
                                if found == ["ended"] and status == "completed":
                                    found = ["stopped"]  # the second model had no more to say
                                for fault in found:
                                    counts[(first, second, how, fault)] += 1
                                wrong += "lost" in found
                                if found:
                                    failed.append((first, second, how, prompt, cut, held, whole, found, status))
                        print(f"{first} -> {second}: {prompt['name']}", flush=True)
        finally:
            bench.stop()
    table = render(counts, prefill, options)
    print(table)
    if options.write:
        write(table, failed)
    words, good, ended, lost = (sum(n for key, n in counts.items() if key[3] == name) for name in ("all", "good", "ended", "lost"))
    print(f"seam: prefill {prefill['equal']} of {prefill['all']} equal to the server's own; words {good} of {words} seams without a fault, "
          f"{ended} ended as unfinished, {words - good - ended} with a fault that was not noticed, {lost} lost text that was shown")
    return 1 if wrong else 0


def render(counts, prefill, options):
    lines = [f"Temperature 0, answers of up to {options.tokens} tokens, cut after {', '.join(map(str, options.cuts))} pieces of text.", "",
             f"**Prefill**: {prefill['equal']} of {prefill['all']} equal, to the character, to asking that server directly with the same beginning. Of "
             f"{prefill['of the same model']} that went on at the same model, {prefill['same as uncut']} are also equal to the uncut answer, as far as both go.", "",
             "**Words**:", ""]
    faults = sorted({key[3] for key in counts if key[2] == "words"} - {"all", "good", "ended"})
    lines += ["| begun by | gone on with by | " + " | ".join(["seams", "without a fault", "ended as unfinished", *faults]) + " |",
              "| --- | --- " + "| --- " * (len(faults) + 3) + "|"]
    for first in MODELS:
        for second in MODELS:
            row = [str(counts[(first, second, "words", name)]) for name in ("all", "good", "ended", *faults)]
            lines.append(f"| {MODELS[first]} | {MODELS[second]} | " + " | ".join(row) + " |")
    return "\n".join(lines)


def write(table, failed):
    lines = [table, "", "### Failed seams", "", "`‖` is where the first model's text ends.", ""]
    for first, second, how, prompt, cut, held, whole, found, status in failed:
        shown = held[-160:].replace("\n", "⏎") + " ‖ " + whole[len(held):][:200].replace("\n", "⏎")
        shown = shown.replace("`", "'")
        lines.append(f"- {first} → {second}, {how}, *{prompt['name']}* after {cut}: **{', '.join(found)}** (ended {status})<br>`…{shown}…`")
    text = DOCUMENT.read_text()
    head, _, rest = text.partition(FROM)
    tail = rest.partition(TO)[2]
    DOCUMENT.write_text(head + FROM + "\n" + "\n".join(lines) + "\n" + TO + tail)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tokens", type=int, default=96, help="of an answer, at most")
    parser.add_argument("--cuts", type=lambda text: [int(n) for n in text.split(",")], default=[7, 19, 41])
    parser.add_argument("--prompts", type=int, default=0, help="only the first N")
    parser.add_argument("--write", action="store_true", help="put the result into docs/seams.md")
    sys.exit(run(parser.parse_args()))
