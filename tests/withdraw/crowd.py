"""Many event streams at once on one thread. While they run, bytes are only taken in and stamped with their time; what they
say is worked out afterwards, so that the reader is not what is measured. Knows the three client APIs by their published
descriptions and shares no code with the server."""
import bisect
import json
import re
import selectors
import socket
import time

MARKS = {"responses": b'"response.output_text.delta"', "chat": b'"content":"', "messages": b'"text_delta"'}
PATHS = {"responses": "/v1/responses", "chat": "/v1/chat/completions", "messages": "/v1/messages"}


def body_of(dialect, model, prompt):
    if dialect == "responses":
        return {"model": model, "input": prompt, "stream": True}
    if dialect == "chat":
        return {"model": model, "messages": [{"role": "user", "content": prompt}], "stream": True}
    return {"model": model, "messages": [{"role": "user", "content": prompt}], "stream": True, "max_tokens": 10_000}


class Stream:
    """One request and everything that came of it."""

    def __init__(self, port, dialect, body, prompt="", expected=None):
        self.port, self.dialect, self.body, self.prompt, self.expected = port, dialect, body, prompt, expected
        self.began = self.ended = None
        self.reads = []  # (time, bytes)
        self.marks = 0  # pieces of text so far, roughly
        self.socket = None

    def prepare(self):
        data = json.dumps(self.body).encode()
        head = (f"POST {PATHS[self.dialect]} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
                f"Content-Length: {len(data)}\r\nAuthorization: Bearer unused\r\nConnection: close\r\n")
        if self.dialect == "messages":
            head += "anthropic-version: 2023-06-01\r\n"
        self.request = head.encode() + b"\r\n" + data
        self.socket = socket.socket()

    def open(self):
        if self.socket is None:
            self.prepare()
        self.began = time.monotonic()
        self.socket.connect(("127.0.0.1", self.port))
        self.socket.sendall(self.request)
        self.socket.setblocking(False)

    def read(self):
        """Takes in what is there; False at its end."""
        try:
            data = self.socket.recv(1 << 18)
        except BlockingIOError:
            return True
        except OSError:
            data = b""
        now = time.monotonic()
        if data:
            self.reads.append((now, data))
            self.marks += data.count(MARKS[self.dialect])
            return True
        self.close()
        return False

    def close(self):
        if self.socket is not None:
            self.socket.close()
            self.socket = None
            self.ended = time.monotonic()


class Crowd:
    """Streams that are read together. A context manager: what is still open in the end is closed."""

    def __init__(self):
        self.selector = selectors.DefaultSelector()
        self.open = set()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for stream in list(self.open):
            self.drop(stream)
        self.selector.close()

    def add(self, streams):
        for stream in streams:
            stream.open()
            self.selector.register(stream.socket, selectors.EVENT_READ, stream)
            self.open.add(stream)
            self.pump(0)

    def burst(self, streams):
        """All at once: what is to be sent is ready, and nothing is read before the last of it is sent."""
        for stream in streams:
            stream.prepare()
        for stream in streams:
            stream.open()
        for stream in streams:
            self.selector.register(stream.socket, selectors.EVENT_READ, stream)
            self.open.add(stream)

    def drop(self, stream):
        if stream in self.open:
            self.open.discard(stream)
            self.selector.unregister(stream.socket)
            stream.close()

    def pump(self, seconds):
        for key, _ in self.selector.select(seconds):
            stream = key.data
            link = stream.socket
            if not stream.read():
                self.selector.unregister(link)
                self.open.discard(stream)

    def until(self, condition, within_s):
        """Reads until `condition()`; False: it did not come true in time."""
        end = time.monotonic() + within_s
        while not condition():
            if time.monotonic() > end:
                return False
            self.pump(0.01)
        return True

    def finish(self, within_s=120):
        return self.until(lambda: not self.open, within_s)


# ---------------------------------------------------------------------------------------------------------- afterwards

class Seen:
    """What a client makes of a stream: its text with the times of its pieces, and whether it was whole."""

    def __init__(self, stream):
        self.text, self.pieces, self.problems, self.id = "", [], [], None
        self.created = 0
        self.next_number = 0
        self.end = None
        self.done = False
        self.block_open = False
        status, events = frames(stream, self.problems)
        if status != 200:
            self.problems.append(f"status {status}")
        for at, data in events:
            if data == "[DONE]":
                self.done = True
                continue
            event = json.loads(data)
            if self.end is not None and not (stream.dialect == "chat" and not event.get("choices")):
                self.problems.append(f"something after the end: {data[:200]}")
            getattr(self, stream.dialect)(at, event)
        wanted = {"responses": "response.completed", "chat": "stop", "messages": "end_turn"}[stream.dialect]
        if self.end != wanted:
            self.problems.append(f"ended {self.end}, not {wanted}")
        if self.created != 1:
            self.problems.append(f"begun {self.created} times")
        if stream.dialect == "chat" and not self.done:
            self.problems.append("no [DONE]")

    def add(self, at, text):
        if text:
            self.pieces.append((at, text))
            self.text += text

    def responses(self, at, event):
        if event["sequence_number"] != self.next_number:
            self.problems.append(f"number {event['sequence_number']} instead of {self.next_number}")
        self.next_number = event["sequence_number"] + 1
        kind = event["type"]
        if kind == "response.created":
            self.created += 1
            self.id = event["response"]["id"]
        elif kind == "response.output_text.delta":
            self.add(at, event["delta"])
        elif kind == "response.output_text.done" and event["text"] != self.text:
            self.problems.append("output_text.done is not the sum of the deltas")
        elif kind in ("response.completed", "response.failed", "response.incomplete", "error"):
            self.end = kind
            if kind == "response.completed":
                whole = "".join(part["text"] for item in event["response"]["output"] if item["type"] == "message"
                                for part in item["content"])
                if whole != self.text:
                    self.problems.append("response.completed is not the sum of the deltas")

    def chat(self, at, event):
        if "error" in event:
            self.end = "error"
            return
        if self.id is None:
            self.id, self.created = event["id"], 1
        elif event["id"] != self.id:
            self.problems.append(f"the id changed from {self.id} to {event['id']}")
        for choice in event["choices"]:
            self.add(at, choice["delta"].get("content"))
            if choice.get("finish_reason"):
                self.end = choice["finish_reason"]

    def messages(self, at, event):
        kind = event["type"]
        if kind == "message_start":
            self.created += 1
            self.id = event["message"]["id"]
        elif kind == "content_block_start":
            if self.block_open:
                self.problems.append("a block inside a block")
            self.block_open = True
            if event["content_block"]["type"] == "text":
                self.add(at, event["content_block"]["text"])
        elif kind == "content_block_delta" and event["delta"]["type"] == "text_delta":
            self.add(at, event["delta"]["text"])
        elif kind == "content_block_stop":
            self.block_open = False
        elif kind == "message_delta":
            self.stop = event["delta"]["stop_reason"]
        elif kind == "message_stop":
            self.end = self.stop
        elif kind == "error":
            self.end = "error"


def frames(stream, problems):
    """Status, and the data of each event with the time when its last byte came."""
    raw = b"".join(data for _, data in stream.reads)
    if not raw:
        problems.append("nothing came")
        return 0, []
    ends, total = [], 0
    for _, data in stream.reads:
        total += len(data)
        ends.append(total)

    def time_of(offset):
        return stream.reads[bisect.bisect_left(ends, offset)][0]

    head, _, _ = raw.partition(b"\r\n\r\n")
    status = int(head.split(b" ", 2)[1])
    at = len(head) + 4
    if b"transfer-encoding: chunked" not in head.lower():
        if status == 200:
            problems.append("no stream: " + head.decode(errors="replace"))
        else:
            problems.append(raw[at:at + 500].decode(errors="replace"))
        return status, []
    events, held, whole = [], b"", False
    while True:
        line = raw.find(b"\r\n", at)
        if line < 0:
            break
        size = int(raw[at:line].split(b";")[0], 16)
        if size == 0:
            whole = True
            break
        end = line + 2 + size
        held += raw[line + 2:end]
        at = end + 2
        if at > len(raw):
            break
        while b"\n\n" in held:
            frame, held = held.split(b"\n\n", 1)
            data = [part[6:] for part in frame.split(b"\n") if part.startswith(b"data: ")]
            if data:
                events.append((time_of(end), b"\n".join(data).decode()))
    if not whole:
        problems.append("the connection broke")
    return status, events


def first_piece(stream):
    """How long after its beginning a chat stream's first text came; None: none did."""
    for at, data in stream.reads:
        if re.search(rb'"content": ?"[^"]', data):
            return at - stream.began
    return None
