#!/usr/bin/env python3
"""make bench-faults: how many clients get the whole answer when their supplier fails, through Perdure and through others, in one run.

Two simulated suppliers stand behind each gateway: the first one fails as the script says, the second is whole. Each gateway is told, in its own way, to fall back
from the first to the second. The clients ask one after the other, all with the same raw streaming request (Chat Completions); what each of them got is compared
with the supplier's own answer, to the character:

  whole      the whole answer, and a proper ending
  honest     less than that, and the client can tell: an error, or a stream without its ending
  false      another text than the supplier's (lost, doubled, started over) with an ending that says all is well

Run from the project's root: python3 bench/faults.py [--build build/release] [--clients 20] [--write]; bench/peers installs the others.
The last line sums up; --write puts the table into docs/benchmarks.md.
"""
import argparse
import http.client
import json
import pathlib
import sys
import tempfile
import threading

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "bench")]
import processes  # noqa: E402

BIFROST = ROOT / "build/peers/bifrost-door"
LITELLM = ROOT / "build/peers/litellm/bin/litellm"
PORTKEY = ROOT / "build/peers/portkey/node_modules/@portkey-ai/gateway/build/start-server.js"
ASK, LAST = "Count from 1 to 60.", "60"
FAULTS = [
    ("refused before it began (503)", "status=503"),
    ("too many requests (429)", "status=429,retry-after=1"),
    ("connection closed before it answers", "close"),
    ("cut after 1 to 50 tokens", "cut-after-tokens=1..50"),
    ("cut in the middle of a frame", "cut-after-bytes=700..9000"),
    ("an error frame in the stream", "error-after-tokens=20"),
    ("a frame of broken JSON", "malformed-after-tokens=20"),
    ("the stream ends without its ending", "end-after-tokens=20"),
    ("silence after 20 tokens", "stall-after-tokens=20"),
]
# Whether the second supplier takes a prefill makes a difference only where something was shown.
SCRIPT = [(title, fault, prefill) for prefill in (True, False) for title, fault in FAULTS[0 if prefill else 3:]]
FROM, TO = "<!-- bench/faults.py writes from here -->", "<!-- to here faults -->"


class Gateway:
    """Something that listens, with what a client of it must send."""

    def __init__(self, name, port, processes_, headers=None, model="m"):
        self.name, self.port, self.processes, self.headers, self.model = name, port, processes_, headers or {}, model

    def stop(self):
        for process in reversed(self.processes):
            process.stop()


def perdure(folder, first, second, prefill):
    file = folder / "perdure.yaml"
    file.write_text(f"listen: 127.0.0.1:0\ndata: {folder / 'data'}\nlimits: {{stall_time: 3s}}\nrouting: {{stall_floor: 1s, failures: 1000, "
                    "error_percent: 100}\nproviders:\n"
                    f"  - {{name: first, base_url: '{first}/v1', api_key: 'env:BENCH_KEY'}}\n"
                    f"  - {{name: second, base_url: '{second}/v1', api_key: 'env:BENCH_KEY', variant: {{prefill: {'plain' if prefill else 'none'}}}}}\n"
                    "models:\n  - {name: m, provider: first, upstream_model: simulated-1}\n"
                    f"  - {{name: m, provider: second, upstream_model: simulated-1, capabilities: {{prefill: {str(prefill).lower()}}}}}\n")
    server = processes.Process([processes.BINARY, "serve", "--config", file], folder / "perdure.log", env={"BENCH_KEY": "none"})
    return Gateway("Perdure", server.port, [server])


class PrefixTaker(processes.PassThrough):
    """Takes `"prefix": true` out of messages: LiteLLM says so, in Mistral's way, that the last message is a prefill, which the simulated supplier takes without
    being told, and refuses the field."""

    def asked(self, body):
        for message in body.get("messages", []):
            message.pop("prefix", None)


def litellm(folder, first, second, prefill):
    from proxy import free_port, wait_for
    file = folder / "litellm.yaml"
    taker = PrefixTaker(second)
    second = taker.url
    file.write_text(
        "model_list:\n"
        f"  - {{model_name: m, litellm_params: {{model: openai/simulated-1, api_key: none, api_base: '{first}/v1', stream_timeout: 3, timeout: 30}}}}\n"
        f"  - {{model_name: m-second, litellm_params: {{model: openai/simulated-1, api_key: none, api_base: '{second}/v1'}}, "
        f"model_info: {{supports_assistant_prefill: {str(prefill).lower()}}}}}\n"
        "router_settings: {fallbacks: [{m: [m-second]}], enable_mid_stream_fallback_continuation: true, num_retries: 0, allowed_fails: 100000, disable_cooldowns: true}\n")
    port = free_port()
    server = processes.Process([LITELLM, "--config", file, "--port", port, "--num_workers", "1"], folder / "litellm.log",
                               env={"LITELLM_LOG": "ERROR", "LITELLM_LOCAL_MODEL_COST_MAP": "True",
                                    "LITELLM_DANGEROUSLY_PERMIT_WEAK_OR_UNSET_MASTER_KEY": "true"}, wait=False)
    if not wait_for(port, 180):
        server.stop()
        taker.stop()
        print("litellm: skipped, it did not start\n" + server.output()[-2000:].decode(errors="replace"))
        return None
    return Gateway("LiteLLM", port, [taker, server])


def portkey(folder, first, second, _prefill):
    from proxy import free_port, wait_for
    port = free_port()
    server = processes.Process(["node", PORTKEY, f"--port={port}", "--headless"], folder / "portkey.log", wait=False)
    if not wait_for(port, 60):
        server.stop()
        print("portkey: skipped, it did not start")
        return None
    target = [{"provider": "openai", "api_key": "none", "custom_host": f"{url}/v1", "request_timeout": 30000} for url in (first, second)]
    return Gateway("Portkey", port, [server], {"x-portkey-config": json.dumps({"strategy": {"mode": "fallback"}, "targets": target})}, "simulated-1")


def bifrost(folder, first, second, _prefill):
    from proxy import free_port, wait_for
    port = free_port()
    server = processes.Process([BIFROST, port, first, second], folder / "bifrost.log", wait=False)
    if not wait_for(port, 60):
        server.stop()
        print("bifrost: skipped, it did not start")
        return None
    return Gateway("Bifrost", port, [server], model="simulated-1")


def ask(gateway, timeout_s=40):
    """(text, how it ended): one streaming chat completion; `stop` is a proper ending."""
    connection = http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=timeout_s)
    text, ending = "", None
    try:
        connection.request("POST", "/v1/chat/completions",
                           json.dumps({"model": gateway.model, "stream": True, "messages": [{"role": "user", "content": ASK}]}),
                           {"Content-Type": "application/json", "Authorization": "Bearer none"} | gateway.headers)
        reply = connection.getresponse()
        if reply.status != 200:
            return "", f"status {reply.status}"
        for line in reply:
            if not line.startswith(b"data:"):
                continue
            data = line[5:].strip()
            if data == b"[DONE]":
                return text, ending or "no finish_reason"
            frame = json.loads(data)
            if frame.get("error"):
                return text, "error frame"
            for choice in frame.get("choices", []):
                text += choice.get("delta", {}).get("content") or ""
                ending = choice.get("finish_reason") or ending
        return text, "ended without [DONE]"
    except (OSError, http.client.HTTPException, ValueError) as error:
        return text, type(error).__name__
    finally:
        connection.close()


def verdict(text, ending, expected):
    if ending == "stop":
        return "whole" if text == expected else "false"
    return "honest"


def streams(make, folder, prefill):
    """Whether a gateway passes an answer on at all where nothing fails."""
    place = folder / "whole"
    place.mkdir()
    suppliers = [processes.simulate(place / f"{name}.log", "--seed", 1) for name in ("first", "second")]
    gateway = None
    try:
        gateway = make(place, *(supplier.url for supplier in suppliers), prefill)
        return gateway is not None and ask(gateway)[1] == "stop"
    finally:
        for each in (gateway, *suppliers):
            if each is not None:
                each.stop()


def campaign(make, options, expected):
    rows = {}
    for title, fault, prefill in SCRIPT:
        counts = {"whole": 0, "honest": 0, "false": 0}
        with tempfile.TemporaryDirectory() as name:
            folder = pathlib.Path(name)
            first = processes.simulate(folder / "first.log", "--seed", 1, "--fault", fault)
            second = processes.simulate(folder / "second.log", "--seed", 1, "--prefill", "yes" if prefill else "no")
            gateway = None
            try:
                gateway = make(folder, first.url, second.url, prefill)
                if gateway is None:
                    return None
                if not rows and not streams(make, folder, prefill):
                    print(f"{gateway.name}: skipped, it streams nothing here even from suppliers that are whole")
                    return None
                lock = threading.Lock()

                def client(times):
                    for _ in range(times):
                        got = verdict(*ask(gateway), expected)
                        with lock:
                            counts[got] += 1

                threads = [threading.Thread(target=client, args=(options.clients // 4,)) for _ in range(4)]
                for thread in threads:
                    thread.start()
                for thread in threads:
                    thread.join()
            finally:
                for each in (gateway, first, second):
                    if each is not None:
                        each.stop()
        rows[title, prefill] = counts
        print(f"{gateway.name}: {title}, the second one {'takes' if prefill else 'takes no'} prefill: {counts}", flush=True)
    return rows


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", default="build/release")
    parser.add_argument("--clients", type=int, default=20, help="for each fault and gateway; a multiple of 4")
    parser.add_argument("--only", default="", help="of the gateways only these, like Perdure,Bifrost")
    parser.add_argument("--write", action="store_true", help="into docs/benchmarks.md")
    options = parser.parse_args()
    only = options.only.split(",") if options.only else None
    processes.BINARY = ROOT / options.build / "perdure"
    with tempfile.TemporaryDirectory() as name:
        supplier = processes.simulate(pathlib.Path(name) / "supplier.log", "--seed", 1)
        expected, ending = ask(Gateway("direct", supplier.port, [], model="simulated-1"))
        supplier.stop()
    if ending != "stop" or not expected.rstrip(".").endswith(LAST):
        raise SystemExit(f"the supplier itself does not answer: {expected[-80:]!r}, {ending}")
    makers = {"Perdure": perdure}
    for name, make, program in (("LiteLLM", litellm, LITELLM), ("Portkey", portkey, PORTKEY), ("Bifrost", bifrost, BIFROST)):
        if program.exists():
            makers[name] = make
        else:
            print(f"{name}: skipped, bench/peers has not installed it")
    results = {name: campaign(make, options, expected) for name, make in makers.items() if not only or name in only}
    results = {name: rows for name, rows in results.items() if rows is not None}
    lines = ["| what the first supplier does | the second takes a prefill | " + " | ".join(results) + " |", "| --- | --- |" + " --- |" * len(results)]
    for title, fault, prefill in SCRIPT:
        cells = [" / ".join(str(rows[title, prefill][kind]) for kind in ("whole", "honest", "false")) for rows in results.values()]
        lines.append(f"| {title} (`{fault}`) | {'yes' if prefill else 'no'} | " + " | ".join(cells) + " |")
    table = "\n".join(lines)
    print(table)
    if options.write:
        page = ROOT / "docs/benchmarks.md"
        text = page.read_text()
        if FROM not in text:
            raise SystemExit("docs/benchmarks.md has no place for the table")
        head, tail = text.split(FROM)[0], text.split(TO)[1]
        page.write_text(f"{head}{FROM}\n{options.clients} clients for each fault; *whole / honest / false*.\n\n{table}\n{TO}{tail}")
    sums = {name: {kind: sum(row[kind] for row in rows.values()) for kind in ("whole", "honest", "false")} for name, rows in results.items()}
    print("bench-faults: " + "; ".join(f"{name} {s['whole']} whole, {s['honest']} cut honestly, {s['false']} false"
                                       for name, s in sums.items()))
    mine = sums.get("Perdure", {"honest": 0, "false": 0})
    return 0 if mine["honest"] == mine["false"] == 0 else 1


if __name__ == "__main__":
    sys.exit(main())
