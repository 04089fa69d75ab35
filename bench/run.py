#!/usr/bin/env python3
"""make bench: what Perdure costs, measured side by side in one run.

  journal      sealed, chained appends through the embedded store against raw grouped fdatasync
  stored       p50 of a stored request against one that is not stored, and against one durable append
  scale        requests and memory with 1,000,000 stored sessions against 1,000
  start        cold start to the first answer, idle resident memory

Run from the project's root after `make release` and `cmake --build build/release`. Prints tables; the last line sums up.
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
import time

BUILD = "build/release"
PERDURE = f"{BUILD}/perdure"


def wait_for_listening(process):
    for raw in process.stderr:
        line = raw.decode()
        if "listening on http://" in line:
            return int(re.search(r"http://[^:/]+:(\d+)", line).group(1))
    raise SystemExit("the process ended before it listened")


def start(*args, **env):
    process = subprocess.Popen([PERDURE, *args], stderr=subprocess.PIPE, env={**os.environ, **env})
    port = wait_for_listening(process)
    # The pipe must be read on, or the process would block on its log one day.
    import threading
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


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--journal-seconds", default="60")
    parser.add_argument("--requests", type=int, default=300)
    parser.add_argument("--sessions", type=int, default=1_000_000)
    options = parser.parse_args()
    work = tempfile.mkdtemp(prefix="bench-", dir="build")
    summary = []
    try:
        if os.path.exists(f"{BUILD}/journal_bench"):
            done = subprocess.run([f"{BUILD}/journal_bench", options.journal_seconds], stdout=subprocess.PIPE, text=True)
            print(done.stdout)
            summary.append(done.stdout.strip().splitlines()[-1])
        if os.path.exists(f"{BUILD}/routing_bench"):
            subprocess.run([f"{BUILD}/routing_bench", "--benchmark_min_time=1"], stderr=subprocess.DEVNULL, check=True)
        simulator, upstream = start("simulate", "--listen", "127.0.0.1:0")
        env = {"OPENAI_BASE_URL": f"http://127.0.0.1:{upstream}/v1", "OPENAI_API_KEY": ""}

        def serve(folder):
            return start("serve", "--listen", "127.0.0.1:0", "--data", folder, **env)

        # Cold start to the first answer: process start, store open, a request, its reply.
        starts = []
        for i in range(7):
            folder = f"{work}/start{i}"
            os.makedirs(folder)
            began = time.perf_counter()
            server, port = serve(folder)
            connection = http.client.HTTPConnection("127.0.0.1", port)
            ask(connection, True)
            starts.append((time.perf_counter() - began) * 1000)
            stop(server)
        server, port = serve(f"{work}/start0")
        time.sleep(1)
        idle = resident_mib(server.pid)
        stop(server)
        print(f"cold start to first answer  p50 {statistics.median(starts):.0f} ms    idle resident {idle:.1f} MiB")
        summary.append(f"start {statistics.median(starts):.0f} ms, idle {idle:.1f} MiB")

        # Stored against unstored, interleaved.
        folders = {"few": f"{work}/few", "many": f"{work}/many"}
        for name, sessions in (("few", 1000), ("many", options.sessions)):
            os.makedirs(folders[name])
            began = time.perf_counter()
            subprocess.run([f"{BUILD}/perdure_fill", folders[name], str(sessions)], check=True)
            print(f"filled {sessions} sessions in {time.perf_counter() - began:.1f} s")
        servers = {name: serve(folder) for name, folder in folders.items()}
        connections = {name: http.client.HTTPConnection("127.0.0.1", port) for name, (_, port) in servers.items()}
        before = {name: resident_mib(process.pid) for name, (process, _) in servers.items()}
        samples = {("few", True): [], ("few", False): [], ("many", True): [], ("many", False): []}
        for _ in range(10):
            for (name, store), values in samples.items():
                values += timed(connections[name], store, max(1, options.requests // 10))
        p50 = {key: statistics.median(values) for key, values in samples.items()}
        sync = []
        with open(f"{work}/sync", "wb") as file:
            for _ in range(300):
                began = time.perf_counter()
                file.write(b"x" * 1024)
                file.flush()
                os.fdatasync(file.fileno())
                sync.append((time.perf_counter() - began) * 1000)
        commit = statistics.median(sync)
        commits = (p50["few", True] - p50["few", False]) / commit
        after = {name: resident_mib(process.pid) for name, (process, _) in servers.items()}
        for process, _ in servers.values():
            stop(process)
        stop(simulator)
        print(f"p50 of a request, ms        not stored {p50['few', False]:.2f}   stored {p50['few', True]:.2f}   "
              f"1 KiB append + fdatasync {commit:.2f}   stored costs {commits:.2f} commits more")
        ratio = p50["many", True] / p50["few", True]
        print(f"p50 of a stored request, ms  {1000} sessions {p50['few', True]:.2f}   {options.sessions} sessions "
              f"{p50['many', True]:.2f}   ratio {ratio:.2f}")
        print(f"resident, MiB               {1000} sessions {before['few']:.1f} -> {after['few']:.1f}   "
              f"{options.sessions} sessions {before['many']:.1f} -> {after['many']:.1f}")
        summary.append(f"stored +{commits:.2f} commits, scale x{ratio:.2f}, +{after['many'] - after['few']:.1f} MiB")
    finally:
        shutil.rmtree(work, ignore_errors=True)
    print("bench: " + "; ".join(summary))


if __name__ == "__main__":
    sys.exit(main())
