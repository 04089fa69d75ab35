#!/usr/bin/env python3
"""make bench-pairs: what translating between dialects costs, beside relaying, in one run.

Fifteen pairs: three dialects of clients, five of suppliers. Where both are the same a request is relayed, else it is
translated. Nothing is stored. The supplier (fixed_upstream) has its answers made in advance; one core, plain HTTP.

  request   CPU of perdure for a JSON request of about 1 KB and an answer of about 1 KB, 16 connections
  stream    a stream of 500 chunks that come all at once, 4 connections: chunks a second, CPU for each
  context   CPU for a request with a context of 500 KB
  memory    growth of the resident memory for each of 200 open streams, without the text of their answers
  many      CPU for a relayed request with 1,000 deployments configured, beside one with 10, five for each model

Aims: a translated request at most 2 x the CPU of a relayed one of the same client, a translated stream at least 0.5 x its
chunks a second, a context of 500 KB at most 3 ms, memory at most 64 KiB, a thousand deployments at most 1.5 x ten.

Run from the project's root: python3 bench/pairs.py [--build build/release]; --write puts the table into docs/benchmarks.md.
"""
import argparse
import atexit
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time

import proxy

CLIENTS = ("chat", "responses", "messages")
UPSTREAMS = ("chat", "responses", "messages", "converse", "gemini")
CHUNKS = 500
MARKS = ("<!-- bench/pairs.py writes from here -->", "<!-- to here: pairs -->")


def serve(build, work, config):
    os.makedirs(work, exist_ok=True)
    with open(f"{work}/perdure.yaml", "w") as file:
        file.write(f"listen: 127.0.0.1:0\ndata: {work}/data\ncores: 1\nlog: {{level: warn}}\n{config}")
    made = subprocess.run([f"{build}/perdure", "keys", "create", "--data", f"{work}/data", "--name", "bench", "--json"],
                          check=True, stdout=subprocess.PIPE, text=True)
    process = proxy.run_quietly([f"{build}/perdure", "serve", "--config", f"{work}/perdure.yaml"], stderr=subprocess.PIPE,
                                env={**os.environ, "BENCH_UPSTREAM_KEY": "upstream-key"})
    return proxy.Proxy("perdure", proxy.listening(process), process.pid, json.loads(made.stdout)["key"])


def start_with_deployments(build, work, upstream, count):
    config = (f"providers:\n  - {{name: fixed, base_url: http://127.0.0.1:{upstream}/v1, dialect: chat, "
              "api_key: env:BENCH_UPSTREAM_KEY}\nmodels:\n")
    for i in range(count):
        config += f"  - {{name: model-{i // 5}, provider: fixed, upstream_model: fixed, deployment: d{i}}}\n"
    return serve(build, f"{work}/many{count}", config)


def start_perdure(build, work, upstream):
    base = f"http://127.0.0.1:{upstream}"
    providers = {
        "chat": f"base_url: {base}/v1, dialect: chat, api_key: env:BENCH_UPSTREAM_KEY",
        "responses": f"base_url: {base}/v1, dialect: responses, api_key: env:BENCH_UPSTREAM_KEY",
        "messages": f"base_url: {base}/v1, dialect: messages, api_key: env:BENCH_UPSTREAM_KEY",
        "converse": f"base_url: {base}, dialect: converse, aws: {{bearer: env:BENCH_UPSTREAM_KEY}}",
        "gemini": f"base_url: {base}/v1beta, dialect: gemini, api_key: env:BENCH_UPSTREAM_KEY",
    }
    config = "providers:\n" + "".join(f"  - {{name: {name}, {rest}}}\n" for name, rest in providers.items()) + "models:\n"
    for name in UPSTREAMS:
        config += (f"  - {{name: {name}-request, provider: {name}, upstream_model: fixed}}\n"
                   f"  - {{name: {name}-stream, provider: {name}, upstream_model: stream-{CHUNKS}-0}}\n"
                   f"  - {{name: {name}-slow, provider: {name}, upstream_model: stream-100-30}}\n")
    return serve(build, f"{work}/pairs", config)


class Pairs:
    def __init__(self, options, server):
        self.options, self.server, self.samples = options, server, {}

    def ask(self, client, model, stream, size, seconds, connections, server=None):
        server = server or self.server
        before = proxy.cpu_seconds(server.pid)
        done = subprocess.run([f"{self.options.build}/load", "ask", str(server.port), str(connections), client, model,
                               str(int(stream)), str(size), str(seconds), server.key], stdout=subprocess.PIPE, text=True,
                              check=True)
        return json.loads(done.stdout), proxy.cpu_seconds(server.pid) - before

    def note(self, client, upstream, what, value):
        self.samples.setdefault((client, upstream, what), []).append(value)

    def median(self, client, upstream, what):
        return statistics.median(self.samples[(client, upstream, what)])

    def round(self):
        seconds = self.options.seconds
        for client in CLIENTS:
            for upstream in UPSTREAMS:
                result, cpu = self.ask(client, f"{upstream}-request", False, 900, seconds, 16)
                self.note(client, upstream, "request", cpu / result["requests"] * 1e6)
                result, cpu = self.ask(client, f"{upstream}-stream", True, 900, seconds, 4)
                chunks = result["requests"] * CHUNKS
                self.note(client, upstream, "chunk", cpu / chunks * 1e6)
                self.note(client, upstream, "rate", chunks / result["seconds"])
                result, cpu = self.ask(client, f"{upstream}-request", False, 500_000, seconds, 2)
                self.note(client, upstream, "context", cpu / result["requests"] * 1e3)

    def many(self, servers):
        for count, server in servers.items():
            model = f"model-{count // 10}"
            result, cpu = self.ask("chat", model, False, 900, self.options.seconds, 16, server)
            self.note("chat", "chat", count, cpu / result["requests"] * 1e6)

    def memory(self):
        """Of one pair after the other, the largest that was seen while its streams were open."""
        for client in CLIENTS:
            for upstream in UPSTREAMS:
                self.ask(client, f"{upstream}-slow", True, 900, 0, 8)
                before, most, over = proxy.resident_bytes(self.server.pid), 0, threading.Event()

                def watch():
                    nonlocal most
                    while not over.is_set():
                        most = max(most, proxy.resident_bytes(self.server.pid))
                        time.sleep(0.05)

                watcher = threading.Thread(target=watch)
                watcher.start()
                self.ask(client, f"{upstream}-slow", True, 900, 0, 200)
                over.set()
                watcher.join()
                text = 100 * len(" word")
                self.note(client, upstream, "memory", max(0, (most - before) / 200 - text) / 1024)


def table(pairs):
    lines = ["| client -> supplier | | CPU for a request, us | x relayed | chunks a second | x relayed | CPU for a chunk, us | "
             "500 KB, ms | memory of a stream, KiB |", "| --- | --- |" + " ---: |" * 7]
    for client in CLIENTS:
        relayed = {what: pairs.median(client, client, what) for what in ("request", "rate")}
        for upstream in UPSTREAMS:
            get = lambda what: pairs.median(client, upstream, what)  # noqa: E731
            lines.append(f"| {client} -> {upstream} | {'relayed' if client == upstream else 'translated'} | {get('request'):.1f} | "
                         f"{get('request') / relayed['request']:.2f} | {get('rate'):,.0f} | {get('rate') / relayed['rate']:.2f} | "
                         f"{get('chunk'):.2f} | {get('context'):.2f} | {get('memory'):.1f} |")
    return "\n".join(lines)


def deployments_line(pairs):
    few, many = pairs.median("chat", "chat", 10), pairs.median("chat", "chat", 1000)
    return f"A relayed request with 1,000 deployments: {many:.1f} us of CPU, with 10: {few:.1f} us, {many / few:.2f} x."


def write_down(pairs, loads, options):
    command = f"python3 bench/pairs.py --rounds {options.rounds} --seconds {options.seconds:g}"
    with open("docs/benchmarks.md") as file:
        page = file.read()
    begin, end = page.find(MARKS[0]), page.find(MARKS[1])
    if begin < 0 or end < begin:
        raise SystemExit("docs/benchmarks.md has no place for the table")
    text = (f"{MARKS[0]}\nMachine: {proxy.machine()}; load on it from {min(loads):.0f} to {max(loads):.0f} during the run. "
            f"Command: `{command}`; medians.\n\n{table(pairs)}\n\n{deployments_line(pairs)}\n")
    with open("docs/benchmarks.md", "w") as file:
        file.write(page[:begin] + text + page[end:])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", default="build/release")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=1)
    parser.add_argument("--write", action="store_true", help="into docs/benchmarks.md")
    options = parser.parse_args()
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    work = tempfile.mkdtemp(prefix="bench-pairs-")
    atexit.register(shutil.rmtree, work, True)
    process = proxy.run_quietly([f"{options.build}/fixed_upstream"], stderr=subprocess.PIPE)
    upstream = proxy.listening(process)
    pairs = Pairs(options, start_perdure(options.build, work, upstream))
    servers = {count: start_with_deployments(options.build, work, upstream, count) for count in (10, 1000)}
    pairs.memory()  # first, while the process is small
    loads = [os.getloadavg()[0]]
    for number in range(options.rounds):
        pairs.round()
        pairs.many(servers if number % 2 == 0 else dict(reversed(servers.items())))
        loads.append(os.getloadavg()[0])
        print(f"round {number + 1} of {options.rounds}, load {loads[-1]:.1f}", flush=True)
    print(table(pairs))
    print(deployments_line(pairs))
    if options.write:
        write_down(pairs, loads, options)
    translated = [(c, u) for c in CLIENTS for u in UPSTREAMS if c != u]
    requests = max(pairs.median(c, u, "request") / pairs.median(c, c, "request") for c, u in translated)
    rates = min(pairs.median(c, u, "rate") / pairs.median(c, c, "rate") for c, u in translated)
    every = [(c, u) for c in CLIENTS for u in UPSTREAMS]
    context = max(pairs.median(c, u, "context") for c, u in every)
    memory = max(pairs.median(c, u, "memory") for c, u in every)
    print(f"bench-pairs: request at most {requests:.2f} x relayed (aim 2); chunks a second at least {rates:.2f} x (aim 0.5); "
          f"500 KB at most {context:.2f} ms (aim 3); memory of a stream at most {memory:.0f} KiB (aim 64); 1,000 deployments "
          f"{pairs.median('chat', 'chat', 1000) / pairs.median('chat', 'chat', 10):.2f} x 10 (aim 1.5)")


if __name__ == "__main__":
    sys.exit(main())
