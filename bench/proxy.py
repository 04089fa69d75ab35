#!/usr/bin/env python3
"""make bench-proxy: what Perdure costs as a proxy, beside nginx and others, in one run.

An upstream that does next to nothing (fixed_upstream) stands behind each proxy; `load` asks through it, over plain HTTP and
keep-alive, with the same bodies. Perdure relays POST /v1/chat/completions with an API key, routing, metrics and accounts on.
Every proxy has one worker and no access log. Rounds are interleaved and medians are shown, because machines are shared.

  request   CPU of the proxy's process for one request of about 1 KB (of all its threads), 32 connections
  rate      latency at one same absolute rate; what a proxy adds is that minus the latency of asking the upstream directly,
            measured just before. With --portkey or --litellm once more at a rate that those can bear
  burst     streams whose chunks come all at once: chunks a second, CPU for each
  paced     256 streams, a chunk every 5 ms: CPU for each chunk
  many      512 streams, a chunk every 20 ms: chunks lost, and those 50 ms later than the directly asked 99.9th percentile
  idle      resident bytes that each of 10,000 idle connections costs

Run from the project's root: python3 bench/proxy.py [--build build/release] [--bifrost] [--portkey] [--litellm]; bench/peers installs those three.
The last two are far slower: they get fewer streams and idle connections, and sit out what they could not finish. Of Bifrost it is the core that is
measured, behind an HTTP door of ours (bench/bifrost), because that is what a registry has.
The last line sums up; --write puts the table into docs/benchmarks.md and the plot into docs/benchmarks-proxy.svg.
"""
import argparse
import atexit
import json
import os
import re
import resource
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
BIFROST = f"{ROOT}/build/peers/bifrost-door"
LITELLM = f"{ROOT}/build/peers/litellm/bin/litellm"
PORTKEY = f"{ROOT}/build/peers/portkey/node_modules/@portkey-ai/gateway/build/start-server.js"
TICK = os.sysconf("SC_CLK_TCK")
MODES = ("request", "rate", "burst", "paced", "many", "idle")
started = []


def run_quietly(command, **options):
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=options.pop("stderr", subprocess.DEVNULL), **options)
    started.append(process)
    return process


@atexit.register
def stop_all():
    for process in reversed(started):
        if process.poll() is None:
            process.terminate()
    for process in reversed(started):
        try:
            process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            process.kill()


def listening(process):
    for raw in process.stderr:
        line = raw.decode()
        if found := re.search(r"listening on http://[^:/]+:(\d+)", line):
            threading.Thread(target=lambda: [None for _ in process.stderr], daemon=True).start()
            return int(found.group(1))
    raise SystemExit("a process ended before it listened")


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for(port, seconds=60):
    end = time.time() + seconds
    while time.time() < end:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return True
        except OSError:
            time.sleep(0.1)
    return False


def family(pid):
    """A process and those that it started."""
    found = [pid]
    try:
        with open(f"/proc/{pid}/task/{pid}/children") as children:
            for child in children.read().split():
                found += family(int(child))
    except OSError:
        pass
    return found


def cpu_seconds(pid):
    """Of all threads: what the scheduler has counted in nanoseconds, where it tells; else in ticks."""
    nanoseconds = 0
    for one in family(pid):
        try:
            for thread in os.listdir(f"/proc/{one}/task"):
                with open(f"/proc/{one}/task/{thread}/schedstat") as stat:
                    nanoseconds += int(stat.read().split()[0])
        except OSError:
            with open(f"/proc/{one}/stat") as stat:
                fields = stat.read().rsplit(")", 1)[1].split()
            nanoseconds += (int(fields[11]) + int(fields[12])) * 10**9 // TICK
    return nanoseconds / 1e9


def resident_bytes(pid):
    pages = 0
    for one in family(pid):
        with open(f"/proc/{one}/statm") as statm:
            pages += int(statm.read().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


class Proxy:
    def __init__(self, name, port, pid, key="-"):
        self.name, self.port, self.pid, self.key = name, port, pid, key
        self.slow = name in ("portkey", "litellm")
        self.headers = {}
        self.streams = True  # until it is seen that it does not


def start_perdure(build, work, upstream):
    config = f"{work}/perdure.yaml"
    with open(config, "w") as file:
        file.write(f"listen: 127.0.0.1:0\ndata: {work}/data\ncores: 1\nlog: {{level: warn}}\n"
                   f"providers:\n  - name: fixed\n    base_url: http://127.0.0.1:{upstream}/v1\n"
                   f"    api_key: env:BENCH_UPSTREAM_KEY\n    dialect: chat\n"
                   'models:\n  - {name: "*", provider: fixed}\n')
    made = subprocess.run([f"{build}/perdure", "keys", "create", "--data", f"{work}/data", "--name", "bench", "--json"],
                          check=True, stdout=subprocess.PIPE, text=True)
    key = json.loads(made.stdout)["key"]
    process = run_quietly([f"{build}/perdure", "serve", "--config", config], stderr=subprocess.PIPE,
                          env={**os.environ, "BENCH_UPSTREAM_KEY": "upstream-key"})
    return Proxy("perdure", listening(process), process.pid, key)


def start_nginx(work, upstream):
    nginx = shutil.which("nginx") or "/usr/sbin/nginx"
    if not os.path.exists(nginx):
        print("nginx: skipped, it is not installed (Debian package nginx-light)")
        return None
    port = free_port()
    os.makedirs(f"{work}/nginx", exist_ok=True)
    with open(f"{work}/nginx.conf", "w") as file:
        file.write(f"""daemon off; worker_processes 1; pid {work}/nginx.pid; error_log /dev/null crit; worker_rlimit_nofile 20000;
events {{ worker_connections 19000; }}
http {{
  access_log off; keepalive_requests 1000000000; keepalive_timeout 3600s; tcp_nodelay on;
  client_body_temp_path {work}/nginx/body; proxy_temp_path {work}/nginx/proxy; fastcgi_temp_path {work}/nginx/f;
  uwsgi_temp_path {work}/nginx/u; scgi_temp_path {work}/nginx/s;
  client_body_buffer_size 64k;
  upstream fixed {{ server 127.0.0.1:{upstream}; keepalive 1024; keepalive_requests 1000000000; }}
  server {{
    listen 127.0.0.1:{port} backlog=4096;
    location / {{ proxy_pass http://fixed; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_buffering off; }}
  }}
}}
""")
    process = run_quietly([nginx, "-p", f"{work}/nginx", "-c", f"{work}/nginx.conf"])
    return Proxy("nginx", port, process.pid) if wait_for(port, 20) else None


def start_portkey(work, upstream):
    if not os.path.exists(PORTKEY) or not shutil.which("node"):
        print("portkey: skipped, bench/peers has not installed it")
        return None
    port = free_port()
    process = run_quietly(["node", PORTKEY, f"--port={port}", "--headless"], cwd=work)
    if not wait_for(port):
        print("portkey: skipped, it did not start")
        return None
    proxy = Proxy("portkey", port, process.pid, "upstream-key")
    proxy.headers = {"x-portkey-provider": "openai", "x-portkey-custom-host": f"http://127.0.0.1:{upstream}/v1"}
    return proxy


def start_litellm(work, upstream):
    if not os.path.exists(LITELLM):
        print("litellm: skipped, bench/peers has not installed it")
        return None
    with open(f"{work}/litellm.yaml", "w") as file:
        file.write('model_list:\n  - {model_name: fixed, litellm_params: {model: openai/fixed, api_key: upstream-key, '
                   f'api_base: "http://127.0.0.1:{upstream}/v1"}}}}\n'
                   '  - model_name: "*"\n    litellm_params: {model: "openai/*", api_key: upstream-key, '
                   f'api_base: "http://127.0.0.1:{upstream}/v1"}}\n')
    port = free_port()
    process = run_quietly([LITELLM, "--config", f"{work}/litellm.yaml", "--port", str(port), "--num_workers", "1"],
                          env={**os.environ, "LITELLM_LOG": "ERROR", "LITELLM_LOCAL_MODEL_COST_MAP": "True",
                               "LITELLM_DANGEROUSLY_PERMIT_WEAK_OR_UNSET_MASTER_KEY": "true"})
    if not wait_for(port, 180):
        print("litellm: skipped, it did not start")
        return None
    return Proxy("litellm", port, process.pid)


def start_bifrost(work, upstream):
    if not os.path.exists(BIFROST):
        print("bifrost: skipped, bench/peers has not built it")
        return None
    port = free_port()
    process = run_quietly([BIFROST, str(port), f"http://127.0.0.1:{upstream}"], cwd=work, env={**os.environ, "GOMAXPROCS": "1"})
    if not wait_for(port):
        print("bifrost: skipped, it did not start")
        return None
    return Proxy("bifrost", port, process.pid)


class Failed(Exception):
    pass


class Bench:
    def __init__(self, options, upstream):
        self.options, self.upstream, self.samples = options, upstream, {}

    def command(self, proxy, mode, *words):
        return [f"{self.options.build}/load", mode, str(proxy.port), *map(str, words), proxy.key,
                *(f"{name}: {value}" for name, value in proxy.headers.items())]

    def load(self, proxy, mode, *words):
        command = self.command(proxy, mode, *words)
        before = cpu_seconds(proxy.pid)
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        if done.returncode != 0:
            raise Failed(f"{proxy.name}: {mode}: {done.stderr.strip()[:300]}")
        return json.loads(done.stdout), cpu_seconds(proxy.pid) - before

    def note(self, proxy, what, value):
        self.samples.setdefault(what, {}).setdefault(proxy.name, []).append(value)

    def median(self, what, name):
        values = self.samples.get(what, {}).get(name)
        return statistics.median(values) if values else None

    def round(self, proxies, direct, modes):
        seconds = self.options.seconds
        for proxy in proxies:
            if "request" in modes:
                result, cpu = self.load(proxy, "closed", 32, seconds)
                self.note(proxy, "CPU for a request, us", cpu / result["requests"] * 1e6)
                self.note(proxy, "requests a second", result["requests"] / result["seconds"])
            if "burst" in modes and proxy.streams:
                result, cpu = self.load(proxy, "streams", 4, 500, 0, seconds, 1e9)
                self.note(proxy, "burst: chunks a second", result["chunks"] / result["seconds"])
                self.note(proxy, "burst: CPU for a chunk, us", cpu / result["chunks"] * 1e6)
            if "paced" in modes and proxy.streams:
                result, cpu = self.load(proxy, "streams", 16 if proxy.slow else 256, int(200 * seconds), 5, 0, 1e9)
                self.note(proxy, "paced: CPU for a chunk, us", cpu / result["chunks"] * 1e6)
        # What is compared with asking directly comes close behind it.
        if "rate" in modes:
            self.at_rate([proxy for proxy in proxies if not proxy.slow], direct, self.options.rate)
            if any(proxy.slow for proxy in proxies):
                self.at_rate(proxies, direct, self.options.slow_rate)
        late = 1e9
        for proxy in [direct, *proxies]:
            if "many" in modes and not proxy.slow and proxy.streams:
                result, _ = self.load(proxy, "streams", 512, int(50 * seconds), 20, 0, late)
                if proxy is direct:
                    late = result["p999"] + 50_000
                else:
                    self.note(proxy, "many: late", result["late"])
                self.note(proxy, "many: chunks", result["chunks"])
                self.note(proxy, "many: lost", result["lost"])
                self.note(proxy, "many: p99, ms", result["p99"] / 1000)
                self.note(proxy, "many: p99.9, ms", result["p999"] / 1000)
                self.note(proxy, "many: max, ms", result["max"] / 1000)

    def at_rate(self, proxies, direct, rate):
        bare = None
        for proxy in [direct, *proxies]:
            result, _ = self.load(proxy, "rate", 64, rate, self.options.seconds)
            bare = bare or result
            for share in ("p50", "p99"):
                self.note(proxy, f"{rate} requests a second: {share}, us", result[share])
                if proxy is not direct:
                    self.note(proxy, f"{rate} requests a second: added {share}, us", result[share] - bare[share])

    def idle(self, proxies):
        for proxy in proxies:
            count = min(500, self.options.idle) if proxy.slow else self.options.idle
            self.load(proxy, "closed", 32, 1)
            before = resident_bytes(proxy.pid)
            holder = subprocess.Popen(self.command(proxy, "idle", count), stdin=subprocess.PIPE, stdout=subprocess.PIPE)
            if not holder.stdout.readline():
                print(f"{proxy.name}: closes idle connections before {count} of them are there")
                continue
            time.sleep(1)
            self.note(proxy, "idle: bytes for a connection", (resident_bytes(proxy.pid) - before) / count)
            holder.stdin.close()
            holder.wait()


def table(bench, names):
    rows = list(bench.samples)
    lines = ["| | " + " | ".join(names) + " |", "| --- |" + " --- |" * len(names)]
    for row in rows:
        cells = []
        for name in names:
            value = bench.median(row, name)
            cells.append("" if value is None else f"{value:,.0f}" if abs(value) >= 100 else f"{value:.1f}")
        lines.append(f"| {row} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def plot(bench, names, path):
    rows = [row for row in ("CPU for a request, us", "burst: CPU for a chunk, us", "paced: CPU for a chunk, us")
            if row in bench.samples]
    colours = {"perdure": "#1f6f8b", "nginx": "#99a8b2", "bifrost": "#6a8f4e", "portkey": "#c77d3a", "litellm": "#a04a4a"}
    parts, y = [], 30
    for row in rows:
        parts.append(f'<text x="10" y="{y}" font-weight="bold">{row}</text>')
        values = {name: bench.median(row, name) for name in names if bench.median(row, name) is not None}
        # Bars of those that cost many times more would leave nothing to see of the others.
        most = max(value for value in values.values() if value <= 20 * min(values.values()))
        for name, value in values.items():
            y += 22
            width = max(1, 420 * min(1, value / most))
            parts.append(f'<text x="80" y="{y}" text-anchor="end">{name}</text>'
                         f'<rect x="90" y="{y - 12}" width="{width:.0f}" height="15" fill="{colours.get(name, "#777")}"/>'
                         f'<text x="{95 + width:.0f}" y="{y}">{value:,.1f}{" (bar cut off)" if value > most else ""}</text>')
        y += 34
    with open(path, "w") as file:
        file.write(f'<svg xmlns="http://www.w3.org/2000/svg" width="600" height="{y}" font-family="sans-serif" font-size="13">'
                   f'<rect width="100%" height="100%" fill="white"/>{"".join(parts)}</svg>\n')


def machine():
    with open("/proc/cpuinfo") as info:
        model = re.search(r"model name\s*:\s*(.*)", info.read())
    return f"{os.cpu_count()} cores, {model.group(1) if model else os.uname().machine}, Linux {os.uname().release}"


def write_down(bench, names, aims, loads, options):
    command = (f"python3 bench/proxy.py --build {options.build} --rounds {options.rounds} --seconds {options.seconds:g} --rate {options.rate}"
               f"{' --bifrost' * options.bifrost}{' --portkey' * options.portkey}{' --litellm' * options.litellm}")
    text = (f"<!-- bench/proxy.py writes from here -->\nMachine: {machine()}; load on it from {min(loads):.0f} to {max(loads):.0f} "
            f"during the run. Command: `{command.strip()}`; {options.rounds} interleaved rounds, medians.\n\n"
            f"{table(bench, names)}\n\n" + "\n".join(aims) + "\n\n![CPU beside nginx](benchmarks-proxy.svg)\n<!-- to here -->")
    with open("docs/benchmarks.md") as file:
        page = file.read()
    pattern = r"<!-- bench/proxy.py writes from here -->.*?<!-- to here -->"
    if not re.search(pattern, page, re.S):
        raise SystemExit("docs/benchmarks.md has no place for the table")
    with open("docs/benchmarks.md", "w") as file:
        file.write(re.sub(pattern, lambda _: text, page, flags=re.S))
    plot(bench, [n for n in names if n != "direct"], "docs/benchmarks-proxy.svg")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", default="build/release")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=3)
    parser.add_argument("--rate", type=int, default=1000)
    parser.add_argument("--slow-rate", type=int, default=5, help="which Portkey and LiteLLM can bear too")
    parser.add_argument("--idle", type=int, default=10_000)
    parser.add_argument("--modes", default=",".join(MODES))
    parser.add_argument("--bifrost", action="store_true", help="also Bifrost's core")
    parser.add_argument("--portkey", action="store_true", help="also Portkey's gateway")
    parser.add_argument("--litellm", action="store_true", help="also LiteLLM's proxy")
    parser.add_argument("--write", action="store_true", help="into docs/")
    options = parser.parse_args()
    modes = options.modes.split(",")
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    work = tempfile.mkdtemp(prefix="bench-proxy-")
    atexit.register(shutil.rmtree, work, True)
    os.chmod(work, 0o755)
    process = run_quietly([f"{options.build}/fixed_upstream"], stderr=subprocess.PIPE)
    upstream = listening(process)
    proxies = [start_perdure(options.build, work, upstream), start_nginx(work, upstream)]
    if options.bifrost:
        proxies.append(start_bifrost(work, upstream))
    if options.portkey:
        proxies.append(start_portkey(work, upstream))
    if options.litellm:
        proxies.append(start_litellm(work, upstream))
    proxies = [proxy for proxy in proxies if proxy is not None]
    direct = Proxy("direct", upstream, process.pid)
    bench = Bench(options, upstream)
    loads = [os.getloadavg()[0]]
    for proxy in [direct, *proxies]:  # warm
        bench.load(proxy, "closed", 32, 0.5)
        try:
            result, _ = bench.load(proxy, "streams", 1, 10, 0, 0, 1e9)
            proxy.streams = result["lost"] == 0
        except Failed as failed:
            proxy.streams = False
            print(failed)
        if not proxy.streams:
            print(f"{proxy.name}: does not pass on what tells the age of a chunk, and is measured without streams")
    for number in range(options.rounds):
        # Each begins some of the rounds.
        bench.round(proxies[number % len(proxies):] + proxies[:number % len(proxies)], direct, modes)
        loads.append(os.getloadavg()[0])
        print(f"round {number + 1} of {options.rounds}, load {loads[-1]:.1f}", flush=True)
    if "idle" in modes:
        bench.idle(proxies)
    names = ["direct", *[proxy.name for proxy in proxies]]
    print(table(bench, names))
    aims = judge(bench)
    print("\n".join(aims))
    if options.write:
        write_down(bench, names, aims, loads, options)
    print("bench-proxy: " + "; ".join(line.split(" | ")[0].strip("| ") + " " + " ".join(line.strip(" |").split(" | ")[1:]) for line in aims[2:]))


def judge(bench):
    """The aims against what was measured."""
    mine = lambda row: bench.median(row, "perdure")
    rows = []

    def aim(what, value, limit, least=False, unit="x"):
        if value is not None:
            kept = value >= limit if least else value <= limit
            rows.append(f"| {what} | {value:,.2f} {unit} | {'at least' if least else 'at most'} {limit:g} {unit} | {'met' if kept else 'missed'} |")

    def ratio(row, name, inverse=False):
        theirs = bench.median(row, name)
        if not mine(row) or not theirs:
            return None
        return theirs / mine(row) if inverse else mine(row) / theirs

    rate = bench.options.rate
    aim("CPU for a request, beside nginx's", ratio("CPU for a request, us", "nginx"), 1.25)
    aim("CPU for a request, Bifrost's beside ours", ratio("CPU for a request, us", "bifrost", True), 3, least=True)
    aim("CPU for a request, Portkey's beside ours", ratio("CPU for a request, us", "portkey", True), 25, least=True)
    aim("CPU for a request, LiteLLM's beside ours", ratio("CPU for a request, us", "litellm", True), 40, least=True)
    added = f"{rate} requests a second: added p99, us"
    if mine(added) is not None and min(mine(added), bench.median(added, "nginx") or 0) <= 0:
        rows.append(f"| added p99 at {rate} requests a second, beside nginx's | lost in the machine's own spread | at most 2 x | not known |")
    else:
        aim(f"added p99 at {rate} requests a second, beside nginx's", ratio(added, "nginx"), 2)
    aim("chunks a second in bursts, beside nginx's", ratio("burst: chunks a second", "nginx"), 0.7, least=True)
    aim("CPU for a paced chunk, beside nginx's", ratio("paced: CPU for a chunk, us", "nginx"), 1.3)
    aim("chunks lost of 512 streams", mine("many: lost"), 0, unit="")
    aim("chunks over 50 ms late of 512 streams", mine("many: late"), 0, unit="")
    if idle := mine("idle: bytes for a connection"):
        aim("an idle connection", idle / 1024, 8, unit="KiB")
    return ["| | measured | aim | |", "| --- | ---: | ---: | --- |", *rows]


if __name__ == "__main__":
    sys.exit(main())
