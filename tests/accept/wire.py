"""HTTP and WebSocket at the level of bytes: what SDKs hide, and what the acceptance tests are about."""
import base64
import json
import os
import socket
import struct
from urllib.parse import urlsplit

TERMINAL = ("response.completed", "response.failed", "response.incomplete")
JSON = {"Content-Type": "application/json"}


class Stream:
    """An event stream as it came: its chunks, its events, and whether it ended with [DONE]."""

    def __init__(self, status, headers, chunks):
        self.status, self.headers, self.chunks = status, headers, chunks
        self.bytes = b"".join(chunks)
        self.events, self.names, self.done = [], [], False
        if self.status != 200:
            return
        assert self.bytes.endswith(b"\n\n"), "a stream ends with an empty line"
        for frame in self.bytes.decode().split("\n\n")[:-1]:
            if frame.startswith(":"):
                continue
            assert not self.done, "nothing comes after [DONE]"
            if frame == "data: [DONE]":
                self.done = True
                continue
            name, data = frame.split("\n")
            assert name.startswith("event: ") and data.startswith("data: "), frame
            self.names.append(name.removeprefix("event: "))
            self.events.append(json.loads(data.removeprefix("data: ")))

    @property
    def response(self):
        return self.events[-1]["response"]

    @property
    def text(self):
        return self.bytes.decode()


def request(url, method, target, body=None, headers=None):
    """One request on a connection of its own; returns the status, the headers and the chunks of the body as they were
    cut by the server."""
    at = urlsplit(url)
    content = b"" if body is None else json.dumps(body).encode()
    lines = [f"{method} {target} HTTP/1.1", f"Host: {at.netloc}", "Connection: close", f"Content-Length: {len(content)}"]
    lines += [f"{name}: {value}" for name, value in ((JSON if body is not None else {}) | (headers or {})).items()]
    with socket.create_connection((at.hostname, at.port), timeout=60) as wire:
        wire.sendall("\r\n".join(lines).encode() + b"\r\n\r\n" + content)
        read = wire.makefile("rb")
        status = int(read.readline().split()[1])
        got = {}
        for line in iter(read.readline, b"\r\n"):
            name, value = line.decode().split(":", 1)
            got[name.lower()] = value.strip()
        chunks = []
        if got.get("transfer-encoding") == "chunked":
            while size := int(read.readline(), 16):
                chunks.append(read.read(size))
                assert read.read(2) == b"\r\n"
            assert read.readline() == b"\r\n"
        else:
            chunks.append(read.read(int(got["content-length"])))
    return status, got, chunks


def stream(url, body, target="/v1/responses", method="POST"):
    return Stream(*request(url, method, target, body))


class Closed(Exception):
    pass


class WebSocket:
    """The client's end of RFC 6455, as far as a test needs it: text messages, pings answered, fragments joined."""

    def __init__(self, url, target="/v1/responses", headers=None):
        at = urlsplit(url)
        self.wire = socket.create_connection((at.hostname, at.port), timeout=60)
        key = base64.b64encode(os.urandom(16)).decode()
        lines = [f"GET {target} HTTP/1.1", f"Host: {at.netloc}", "Upgrade: websocket", "Connection: Upgrade",
                 f"Sec-WebSocket-Key: {key}", "Sec-WebSocket-Version: 13"]
        lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
        self.wire.sendall("\r\n".join(lines).encode() + b"\r\n\r\n")
        self.read = self.wire.makefile("rb")
        status = self.read.readline()
        assert status.split()[1] == b"101", status
        while self.read.readline() != b"\r\n":
            pass

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        try:
            self._frame(8, struct.pack(">H", 1000))
        except OSError:
            pass
        self.read.close()
        self.wire.close()

    def _frame(self, kind, payload):
        mask, size = os.urandom(4), len(payload)
        head = bytes([0x80 | kind])
        if size < 126:
            head += bytes([0x80 | size])
        elif size < 1 << 16:
            head += bytes([0x80 | 126]) + struct.pack(">H", size)
        else:
            head += bytes([0x80 | 127]) + struct.pack(">Q", size)
        self.wire.sendall(head + mask + bytes(b ^ mask[i % 4] for i, b in enumerate(payload)))

    def send(self, message):
        self._frame(1, (message if isinstance(message, str) else json.dumps(message)).encode())

    def receive(self):
        """The next message, as text."""
        text = b""
        while True:
            first, second = self.read.read(2)
            assert not second & 0x80, "a server masks nothing"
            size = second & 0x7f
            if size == 126:
                size, = struct.unpack(">H", self.read.read(2))
            elif size == 127:
                size, = struct.unpack(">Q", self.read.read(8))
            payload = self.read.read(size)
            kind = first & 0x0f
            if kind == 8:
                raise Closed(struct.unpack(">H", payload[:2])[0] if payload else None)
            if kind == 9:
                self._frame(10, payload)
            if kind in (0, 1):
                text += payload
                if first & 0x80:
                    return text.decode()

    def turn(self, **body):
        """Creates a response and takes its events, to its end or to an error that stands in its place."""
        self.send({"type": "response.create", **body})
        turn = Turn()
        while not turn.ended:
            message = self.receive()
            assert message.strip() != "[DONE]", "a WebSocket has no [DONE]"
            turn.events.append(json.loads(message))
        return turn


class Turn:
    def __init__(self):
        self.events = []

    @property
    def ended(self):
        # An error of a response has a number and response.failed after it; one that stands for it has a status.
        last = self.events[-1] if self.events else {}
        return last.get("type") in TERMINAL or (last.get("type") == "error" and "status" in last)

    @property
    def response(self):
        return self.events[-1].get("response")

    @property
    def error_code(self):
        for event in self.events:
            if event["type"] == "error":
                return event["error"]["code"]
        return ((self.response or {}).get("error") or {}).get("code")
