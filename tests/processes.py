"""Starts the programs that tests talk to, on free ports, and ends exactly those, by pid."""
import http.client
import http.server
import json
import os
import pathlib
import re
import signal
import subprocess
import threading
import time
import urllib.parse

ROOT = pathlib.Path(__file__).resolve().parent.parent
BINARY = pathlib.Path(os.environ.get("PERDURE_BINARY", ROOT / "build/dev/perdure"))
LISTENING = re.compile(rb"listening on (http://[0-9.]+:[0-9]+)")


class Process:
    """A program that prints `listening on http://127.0.0.1:PORT` when it is ready. Its output goes to `log`."""

    def __init__(self, command, log, env=None, wait=True):
        self.command = [str(part) for part in command]
        self.log = pathlib.Path(log)
        self.url = None
        self._offset = self.log.stat().st_size if self.log.exists() else 0
        with open(self.log, "ab") as out:
            self.popen = subprocess.Popen(self.command, stdin=subprocess.DEVNULL, stdout=out, stderr=out,
                                          env=environment(env))
        if wait:
            self.wait_until_listening()

    def wait_until_listening(self, timeout_s=30):
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            found = LISTENING.search(self.output())
            if found:
                self.url = found[1].decode()
                return self
            if self.popen.poll() is not None:
                break
            time.sleep(0.004)
        self.kill()
        raise RuntimeError(f"{' '.join(self.command)} did not start (status {self.popen.returncode}):\n"
                           + self.output()[-4000:].decode(errors="replace"))

    def output(self):
        with open(self.log, "rb") as file:
            file.seek(self._offset)
            return file.read()

    @property
    def port(self):
        return int(self.url.rsplit(":", 1)[1])

    def alive(self):
        return self.popen.poll() is None

    def signal(self, number):
        if self.alive():
            os.kill(self.popen.pid, number)

    def kill(self):
        self.signal(signal.SIGKILL)
        return self.popen.wait()

    def stop(self, timeout_s=20):
        self.signal(signal.SIGTERM)
        try:
            return self.popen.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self.kill()
            raise


class PassThrough:
    """An HTTP server on a port of its own that passes POSTs of JSON on to `upstream`, and what is answered back, line by line."""

    def __init__(self, upstream):
        address = urllib.parse.urlsplit(upstream)

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def do_POST(handler):
                body = json.loads(handler.rfile.read(int(handler.headers["Content-Length"])))
                asked = self.asked(body)
                there = http.client.HTTPConnection(address.hostname, address.port, timeout=600)
                there.request("POST", handler.path, json.dumps(body), {"Content-Type": "application/json", "Authorization": "Bearer none"})
                reply = there.getresponse()
                handler.send_response(reply.status)
                handler.send_header("Content-Type", reply.headers.get("Content-Type", ""))
                handler.send_header("Connection", "close")
                handler.end_headers()
                for line in self.answered(asked, reply):
                    handler.wfile.write(line)
                    handler.wfile.flush()
                there.close()
                handler.close_connection = True

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def asked(self, body):
        """May change the request. What it returns is given to answered()."""

    def answered(self, _asked, lines):
        """The lines of the answer that get through; where it ends early, the connection is closed."""
        return lines

    def stop(self):
        self.server.shutdown()


def environment(changes=None):
    """The environment without what would point a server under test elsewhere, with `changes` (None removes)."""
    env = {k: v for k, v in os.environ.items()
           if not k.startswith(("OPENAI_", "PERDURE_", "AWS_", "AZURE_", "GOOGLE_")) and not k.endswith("_API_KEY")
           and k.lower() not in ("http_proxy", "https_proxy", "all_proxy")}
    for name, value in (changes or {}).items():
        env.pop(name, None)
        if value is not None:
            env[name] = str(value)
    return env


def simulate(log, *arguments):
    return Process([BINARY, "simulate", "--listen", "127.0.0.1:0", *arguments], log)


def serve(data, log, upstream, *arguments, env=None, wait=True):
    settings = {"OPENAI_BASE_URL": f"{upstream}/v1" if upstream else None, "OPENAI_API_KEY": "unused" if upstream else None}
    return Process([BINARY, "serve", "--listen", "127.0.0.1:0", "--data", data, *arguments], log, settings | (env or {}), wait)
