#!/usr/bin/env python3
"""What it costs that large payloads are stored with every record that has them, and not once: bytes in the file for bytes of
content, of which as many as are distinct would have to be stored. Run from the project's root; takes half a minute.

  PERDURE_BINARY=build/release/perdure bench/blob_cost.py
"""
import base64
import os
import pathlib
import random
import struct
import sys
import tempfile
import time
import zlib

import httpx

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "tests"))
import processes  # noqa: E402

TURNS = 10


def picture(size, seed):
    """A PNG of noise whose data URL is about that long."""
    side = int((size * 3 / 4) ** 0.5)
    noise = random.Random(seed)
    rows = b"".join(b"\0" + noise.randbytes(side) for _ in range(side))

    def chunk(kind, content):
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    png = (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0))
           + chunk(b"IDAT", zlib.compress(rows, 0)) + chunk(b"IEND", b""))
    return "data:image/png;base64," + base64.b64encode(png).decode()


def chained(http, image):
    """A picture, and nine questions about it that name the response before."""
    previous, sent = None, 0
    for turn in range(TURNS):
        content = [{"type": "input_text", "text": f"Say exactly: turn {turn}"}]
        if turn == 0:
            content.append({"type": "input_image", "image_url": image})
            sent = len(image)
        reply = http.post("/v1/responses", json={"model": "simulated-1", "input": [{"role": "user", "content": content}]}
                          | ({"previous_response_id": previous} if previous else {}))
        assert reply.status_code == 200 and reply.json()["status"] == "completed", reply.text
        previous = reply.json()["id"]
    return sent, sent


def resent(http, image):
    """The same by a client that sends the whole conversation each time and has each turn stored."""
    messages, sent = [], 0
    for turn in range(TURNS):
        content = [{"type": "text", "text": f"Say exactly: turn {turn}"}]
        if turn == 0:
            content.append({"type": "image_url", "image_url": {"url": image}})
        messages.append({"role": "user", "content": content})
        reply = http.post("/v1/chat/completions", json={"model": "simulated-1", "messages": messages, "store": True})
        assert reply.status_code == 200, reply.text
        messages.append(reply.json()["choices"][0]["message"] | {"content": f"turn {turn}"})
        messages[-1] = {"role": "assistant", "content": messages[-1]["content"]}
        sent += len(image)
    return sent, len(image)


def instructed(http, text):
    """A long system prompt, sent with every new response, as `instructions` are."""
    for turn in range(TURNS):
        reply = http.post("/v1/responses", json={"model": "simulated-1", "instructions": text, "input": f"Say exactly: {turn}"})
        assert reply.status_code == 200 and reply.json()["status"] == "completed", reply.text
    return TURNS * len(text), len(text)


def stored_bytes(data):
    return sum(file.stat().st_size for file in data.glob("perdure.db*") if not file.name.endswith("-shm"))


def run(name, work, content):
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        upstream = processes.simulate(folder / "simulate.log", "--seed", 1)
        server = processes.serve(folder / "data", folder / "serve.log", upstream.url, "--cores", "1")
        server.stop()
        empty = stored_bytes(folder / "data")
        server = processes.serve(folder / "data", folder / "serve.log", upstream.url, "--cores", "1")
        began = time.perf_counter()
        with httpx.Client(base_url=server.url, timeout=60) as http:
            sent, distinct = work(http, content)
        took = time.perf_counter() - began
        server.stop()
        upstream.stop()
        grown = stored_bytes(folder / "data") - empty
    print(f"{name:52} sent {sent / 1e6:6.2f} MB  distinct {distinct / 1e6:5.2f} MB  stored {grown / 1e6:6.2f} MB  "
          f"= {grown / sent:4.2f} x sent, {grown / distinct:5.2f} x distinct   {1000 * took / TURNS:6.1f} ms a turn")
    return grown / distinct


def main():
    if "--help" in sys.argv:
        raise SystemExit(__doc__)
    os.chdir(pathlib.Path(__file__).resolve().parent.parent)
    ratios = []
    for size in (64 << 10, 1 << 20):
        image, label = picture(size, size), f"{size >> 10} KiB picture"
        ratios.append(run(f"{label}, {TURNS} turns by previous_response_id", chained, image))
        ratios.append(run(f"{label}, {TURNS} stored turns that resend it", resent, image))
    ratios.append(run(f"32 KiB of instructions, {TURNS} responses", instructed, "Be exact. " * 3277))
    print("blob_cost: stored bytes for each distinct one: " + ", ".join(f"{ratio:.2f}" for ratio in ratios))


if __name__ == "__main__":
    main()
