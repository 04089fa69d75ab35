#!/usr/bin/env python3
"""Makes a store for tests/compat: a whole perdure.db of today's format with some of everything in it, and what it must be
read as for ever. Run it once for each released format and never again for the same folder: fixtures are only added.

  tests/compat/make_store.py tests/compat/store-2
"""
import base64
import hashlib
import json
import os
import pathlib
import random
import shutil
import subprocess
import sys
import tempfile

import httpx

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
import processes  # noqa: E402

KEY = "c0ffee" * 10 + "0000"  # protects nothing: it is the key of this fixture
CONFIG = "encryption: {key: env:COMPAT_KEY}\nretention: forever\n"


def config_in(folder):
    file = folder / "perdure.yaml"
    file.write_text(CONFIG)
    return file


def serve(data, log, upstream, config):
    return processes.serve(data, log, upstream, "--config", config, "--cores", "1", env={"COMPAT_KEY": KEY})


def verify(data, config):
    done = subprocess.run([processes.BINARY, "journal", "verify", "--json", "--data", data, "--config", config],
                          capture_output=True, text=True, env=processes.environment({"COMPAT_KEY": KEY}))
    return json.loads(done.stdout)


def read_all(http, responses, conversations):
    """What clients see of it: bodies, streams, lists."""
    out = {}
    for response in responses:
        base = f"/v1/responses/{response}"
        got = http.get(base)
        out[response] = {"status": got.status_code}
        if got.status_code == 200:
            stream = http.get(base, params={"stream": "true"}).text
            out[response] |= {"body": got.json(), "stream_sha256": hashlib.sha256(stream.encode()).hexdigest(),
                              "input_items": http.get(base + "/input_items").json()}
    for conversation in conversations:
        got = http.get(f"/v1/conversations/{conversation}")
        out[conversation] = {"status": got.status_code}
        if got.status_code == 200:
            out[conversation] |= {"body": got.json(), "items": http.get(f"/v1/conversations/{conversation}/items").json()}
    return out


def fill(http):
    def create(headers=None, **body):
        reply = http.post("/v1/responses", json={"model": "simulated-1", **body}, headers=headers or {})
        assert reply.status_code == 200, reply.text
        return reply.json()["id"]

    tool = {"type": "function", "name": "get_weather", "description": "The weather",
            "parameters": {"type": "object", "properties": {"location": {"type": "string"}}, "required": ["location"]}}
    first = create(input="Say exactly: Grüße, 世界 \U0001f30d", metadata={"kind": "first"}, instructions="Be brief.")
    second = create(input="Say exactly: two", previous_response_id=first)
    fork = create(input="Say exactly: another two", previous_response_id=first)
    long = create(input="Say exactly: " + "many words " * 2000)
    call = create(input="What's the weather like in Paris?", tools=[tool])
    output = [i for i in http.get(f"/v1/responses/{call}").json()["output"] if i["type"] == "function_call"][0]
    answered = create(previous_response_id=call, tools=[tool],
                      input=[{"type": "function_call_output", "call_id": output["call_id"], "output": "sunny"}])
    cut = create(input="Count from 1 to 500.", max_output_tokens=16)
    image = create(input=[{"role": "user", "content": [
        {"type": "input_text", "text": "Say exactly: seen"},
        {"type": "input_image", "image_url": "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk"
                                             "YPhfDwAChwGA60e6kgAAAABJRU5ErkJggg=="}]}])
    picture = "data:image/png;base64," + base64.b64encode(random.Random(1).randbytes(30_000)).decode()  # a blob
    large = [create(input=[{"role": "user", "content": [{"type": "input_text", "text": f"Say exactly: seen {name}"},
                                                        {"type": "input_image", "image_url": picture}]}])
             for name in ("first", "again", "and gone")]
    assert http.delete(f"/v1/responses/{large[2]}").status_code == 200
    keyed = create(input="Say exactly: once", headers={"Idempotency-Key": "compat-1"})
    create(input="Say exactly: not stored", store=False)
    create(input="Say exactly: not stored", store=False, headers={"Idempotency-Key": "compat-2"})
    deleted = create(input="Say exactly: gone")
    assert http.delete(f"/v1/responses/{deleted}").status_code == 200
    conversation = http.post("/v1/conversations", json={"metadata": {"kind": "conversation"}}).json()["id"]
    said = create(input="Say exactly: in a conversation", conversation=conversation)
    return ([first, second, fork, long, call, answered, cut, image, keyed, deleted, said, *large], [conversation])


def main(target):
    target = pathlib.Path(target)
    target.mkdir(parents=True, exist_ok=True)
    if (target / "perdure.db").exists():
        raise SystemExit(f"{target} is made already, and stays as it is")
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        upstream = processes.simulate(folder / "simulate.log", "--seed", 1)
        config, data = config_in(folder), folder / "data"
        server = serve(data, folder / "serve.log", upstream.url, config)
        with httpx.Client(base_url=server.url, timeout=60) as http:
            made = fill(http)
            seen = read_all(http, *made)
        server.stop()
        upstream.stop()
        report = verify(data, config)
        assert report["holds"], report
        shutil.copy(data / "perdure.db", target / "perdure.db")
        (target / "expected.json").write_text(json.dumps(
            {"key": KEY, "responses": made[0], "conversations": made[1], "report": report, "seen": seen},
            indent=1, ensure_ascii=False, sort_keys=True) + "\n")
    print(f"{target}: {os.path.getsize(target / 'perdure.db')} bytes")


if __name__ == "__main__":
    if len(sys.argv) != 2 or sys.argv[1].startswith("-"):
        raise SystemExit(__doc__)
    main(sys.argv[1])
