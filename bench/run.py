#!/usr/bin/env python3
"""make bench: what Perdure costs, measured side by side in one run.

  journal      sealed, chained appends through the embedded store against raw grouped fdatasync
  stored       p50 of a stored request against one that is not stored, and against one durable append
  scale        requests and memory with 1,000,000 stored sessions against 1,000
  start        cold start to the first answer, idle resident memory

Run from the project's root after `make release` and `cmake --build build/release`. Prints tables; the last line sums up and
says which aims were missed. --write puts the tables into docs/benchmarks.md. Exits 1 when an aim is missed.
"""
import argparse
import http.client
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time

import proxy

MARKS = ("<!-- bench/run.py writes from here -->", "<!-- to here: run -->")
PARTS = ("journal", "routing", "start", "stored")
build = "build/release"


def wait_for_listening(process):
    for raw in process.stderr:
        line = raw.decode()
        if "listening on http://" in line:
            return int(re.search(r"http://[^:/]+:(\d+)", line).group(1))
    raise SystemExit("the process ended before it listened")


def start(*args, **env):
    process = subprocess.Popen([f"{build}/perdure", *args], stderr=subprocess.PIPE, env={**os.environ, **env})
    port = wait_for_listening(process)
    # The pipe must be read on, or the process would block on its log one day.
    threading.Thread(target=lambda: [None for _ in process.stderr], daemon=True).start()
    return process, port


def stop(process):
    process.terminate()
    process.wait(timeout=30)


def resident_mib(pid):
    with open(f"/proc/{pid}/status") as status:
        for line in status:
            if line.startswith("VmRSS"):
                return int(line.split()[1]) / 1024
    return 0.0


def ask(connection, store, text="Say exactly: hello"):
    body = json.dumps({"model": "simulated-1", "input": text, "store": store})
    connection.request("POST", "/v1/responses", body, {"Content-Type": "application/json"})
    reply = connection.getresponse()
    data = reply.read()
    if reply.status != 200:
        raise SystemExit(f"{reply.status}: {data[:300]}")
    return json.loads(data)


def timed(connection, store, count):
    out = []
    for _ in range(count):
        began = time.perf_counter()
        ask(connection, store)
        out.append((time.perf_counter() - began) * 1000)
    return out


class Findings:
    """Rows of a table: what was measured, and what was aimed at."""

    def __init__(self):
        self.rows, self.missed = [], []

    def add(self, what, figure, unit="", aim=None, at_least=False, form="{:.2f}"):
        held = aim is None or (figure >= aim if at_least else figure <= aim)
        told = form.format(figure) + unit
        self.rows.append((what, told, "" if aim is None else f"at {'least' if at_least else 'most'} {aim:g}{unit}", held))
        if not held:
            self.missed.append(f"{what} {told}")

    def table(self):
        lines = ["| | measured | aim |", "| --- | ---: | --- |"]
        return "\n".join(lines + [f"| {what} | {told} | {aim}{'' if held else ' (missed)'} |" for what, told, aim, held in self.rows])


def bench_journal(found, seconds):
    done = subprocess.run([f"{build}/journal_bench", seconds, "build"], stdout=subprocess.PIPE, text=True, check=True)
    print(done.stdout)
    for line in done.stdout.splitlines():
        row = line.split()
        if len(row) != 10 or not row[0].isdigit():
            continue
        sessions, raw, raw_p50, store, store_p50, ratio = row[0], row[1], row[3], row[5], row[7], float(row[9])
        found.add(f"journal, {sessions} session{'s' if sessions != '1' else ''} at once: {store} records a second of 1 KiB, p50 "
                  f"{store_p50} ms; raw grouped `fdatasync` {raw}, {raw_p50} ms: ratio", ratio,
                  aim={"16": 0.5, "256": 0.4}.get(sessions), at_least=True)


def bench_start(found, work, serve):
    """Cold start to the first answer: process start, store open, a request, its reply."""
    starts, idle = [], []
    for i in range(11):
        folder = f"{work}/start{i}"
        os.makedirs(folder)
        began = time.perf_counter()
        server, port = serve(folder)
        connection = http.client.HTTPConnection("127.0.0.1", port)
        ask(connection, True)
        starts.append((time.perf_counter() - began) * 1000)
        stop(server)
    for i in range(3):
        server, port = serve(f"{work}/start{i}")
        time.sleep(1)
        idle.append(resident_mib(server.pid))
        stop(server)
    found.add(f"cold start to the first answer, median of {len(starts)}", statistics.median(starts), " ms", aim=150, form="{:.0f}")
    found.add("resident memory at rest", statistics.median(idle), " MiB", aim=20, form="{:.1f}")


def sync_ms(file):
    began = time.perf_counter()
    file.write(b"x" * 1024)
    file.flush()
    os.fdatasync(file.fileno())
    return (time.perf_counter() - began) * 1000


def bench_stored(found, work, serve, requests, sessions, keep):
    """Stored against not stored, and much stored against little. All take turns, so that what the machine does meanwhile
    happens to all of them."""
    folders = {}
    for name, count in (("few", 1000), ("many", sessions)):
        folders[name] = f"{keep or work}/{count}-sessions"
        if os.path.exists(f"{folders[name]}/filled"):
            continue
        os.makedirs(folders[name])
        began = time.perf_counter()
        subprocess.run([f"{build}/perdure_fill", folders[name], str(count)], check=True)
        print(f"filled {count} sessions in {time.perf_counter() - began:.1f} s", flush=True)
        open(f"{folders[name]}/filled", "w").close()
    servers = {name: serve(folder) for name, folder in folders.items()}
    connections = {name: http.client.HTTPConnection("127.0.0.1", port) for name, (_, port) in servers.items()}
    samples = {("few", True): [], ("few", False): [], ("many", True): [], ("many", False): []}
    sync = []
    with open(f"{work}/sync", "wb") as file:
        for _ in range(max(1, requests // 10)):
            for (name, store), values in samples.items():
                values += timed(connections[name], store, 10)
            sync += [sync_ms(file) for _ in range(10)]
    p50 = {key: statistics.median(values) for key, values in samples.items()}
    commit = statistics.median(sync)
    after = {name: resident_mib(process.pid) for name, (process, _) in servers.items()}
    for process, _ in servers.values():
        stop(process)
    found.add(f"p50 of a request that is stored, {p50['few', True]:.2f} ms, above one that is not, {p50['few', False]:.2f} ms, in durable "
              f"commits (1 KiB appended, `fdatasync`: {commit:.2f} ms)", (p50["few", True] - p50["few", False]) / commit, aim=1.5)
    found.add(f"p50 of a stored request with {sessions:,} sessions, {p50['many', True]:.2f} ms, to that with 1,000",
              p50["many", True] / p50["few", True], aim=1.2)
    found.add(f"resident memory after {requests * 2:,} requests with {sessions:,} sessions, {after['many']:.1f} MiB, above that with 1,000",
              after["many"] - after["few"], " MiB", aim=64, form="{:.1f}")


def main():
    global build
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", default=build)
    parser.add_argument("--parts", default=",".join(PARTS), help="which of them, comma-separated")
    parser.add_argument("--journal-seconds", default="60")
    parser.add_argument("--requests", type=int, default=1000)
    parser.add_argument("--sessions", type=int, default=1_000_000)
    parser.add_argument("--keep", help="a folder for the stores that are filled, used again when they are there")
    parser.add_argument("--write", action="store_true", help="into docs/benchmarks.md")
    options = parser.parse_args()
    build = options.build
    parts = options.parts.split(",")
    if not set(parts) <= set(PARTS):
        parser.error(f"parts are {', '.join(PARTS)}")
    work = tempfile.mkdtemp(prefix="bench-", dir="build")
    found = Findings()
    loads = [os.getloadavg()[0]]
    try:
        if "journal" in parts:
            bench_journal(found, options.journal_seconds)
            loads.append(os.getloadavg()[0])
        if "routing" in parts and os.path.exists(f"{build}/routing_bench"):
            subprocess.run([f"{build}/routing_bench", "--benchmark_min_time=1"], stderr=subprocess.DEVNULL, check=True)
        if "start" in parts or "stored" in parts:
            simulator, upstream = start("simulate", "--listen", "127.0.0.1:0")
            env = {"OPENAI_BASE_URL": f"http://127.0.0.1:{upstream}/v1", "OPENAI_API_KEY": ""}

            def serve(folder):
                return start("serve", "--listen", "127.0.0.1:0", "--data", folder, **env)

            if "start" in parts:
                bench_start(found, work, serve)
            if "stored" in parts:
                bench_stored(found, work, serve, options.requests, options.sessions, options.keep)
            stop(simulator)
            loads.append(os.getloadavg()[0])
    finally:
        shutil.rmtree(work, ignore_errors=True)
    print(found.table())
    if options.write:
        write_down(found, loads, options)
    print(f"bench: {len(found.rows)} figures, {len(found.missed)} aims missed" + "".join(f"; {one}" for one in found.missed))
    return 1 if found.missed else 0


def write_down(found, loads, options):
    with open("docs/benchmarks.md") as file:
        page = file.read()
    begin, end = page.index(MARKS[0]), page.index(MARKS[1])
    text = (f"{MARKS[0]}\n{time.strftime('%Y-%m-%d')}. Machine: {proxy.machine()}; load on it from {min(loads):.0f} to {max(loads):.0f} during the run. "
            f"Command: `python3 bench/run.py --build {options.build} --parts {options.parts} --journal-seconds {options.journal_seconds} "
            f"--requests {options.requests}`.\n\n{found.table()}\n")
    with open("docs/benchmarks.md", "w") as file:
        file.write(page[:begin] + text + page[end:])


if __name__ == "__main__":
    sys.exit(main())
