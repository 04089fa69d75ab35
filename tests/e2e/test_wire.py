"""What the SDKs do not show: raw replies, their shape, bad input, keys, the operator's routes and commands."""
import gzip
import json
import subprocess

import pytest

import processes

JSON = {"Content-Type": "application/json"}


def post(http, body, **headers):
    content = body if isinstance(body, (bytes, str)) else json.dumps(body)
    return http.post("/v1/responses", content=content, headers=JSON | headers)


def events_of(text):
    frames = [frame for frame in text.split("\n\n") if frame and not frame.startswith(":")]
    assert frames[-1] == "data: [DONE]"
    events = []
    for frame in frames[:-1]:
        name, data = frame.split("\n")
        event = json.loads(data.removeprefix("data: "))
        assert name == f"event: {event['type']}"
        events.append(event)
    return events


WEATHER = {"type": "function", "name": "get_weather", "description": "The weather", "strict": False,
           "parameters": {"type": "object", "properties": {"location": {"type": "string"}}, "required": ["location"]}}


@pytest.mark.parametrize("body", [
    {"input": "Say exactly: plain"},
    {"input": "What's the weather like in San Francisco?", "tools": [WEATHER]},
    {"input": [{"type": "message", "role": "system", "content": "Be brief."},
               {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Count from 1 to 5."}]}]},
    {"input": "Count from 1 to 500.", "max_output_tokens": 16},
], ids=["text", "tool", "items", "cut-short"])
def test_open_responses_description(shared, schema, body):
    with shared.http() as http:
        whole = post(http, {"model": "simulated-1", **body})
        assert whole.status_code == 200 and whole.headers["content-type"].startswith("application/json")
        schema(whole.json(), "ResponseResource")
        streamed = post(http, {"model": "simulated-1", "stream": True, **body})
        assert streamed.headers["content-type"].startswith("text/event-stream")
        events = events_of(streamed.text)
        for event in events:
            schema(event, schema.events[event["type"]])
        schema(events[-1]["response"], "ResponseResource")
        fetched = http.get(f"/v1/responses/{events[-1]['response']['id']}").json()
        schema(fetched, "ResponseResource")
        assert fetched == events[-1]["response"]


@pytest.mark.parametrize("body, status", [
    ("{", 400), ("", 400), ("[]", 400), ('{"model":"simulated-1","input":7}', 400), ("[" * 1_000_000, 400),
    (b'{"model":"simulated-1","input":"\xff\xfe"}', 400), ('{"model":"simulated-1"} {"x":1}', 400),
    ('{"model":"simulated-1","input":[{"type":"nonsense"}]}', 400),
    ('{"model":"no-such-model-anywhere","input":"x","max_output_tokens":1}', 400),
])
def test_bad_bodies(shared, body, status):
    with shared.http() as http:
        reply = post(http, body)
        assert reply.status_code == status, reply.text
        error = reply.json()["error"]
        assert error["message"] and error["type"]
        assert http.get("/healthz").status_code == 200


def test_bad_field_is_named(shared):
    with shared.http() as http:
        error = post(http, {"model": "simulated-1", "input": "x", "max_output_tokens": "many"}).json()["error"]
        assert error["param"] == "max_output_tokens"


def test_compressed_body(shared):
    with shared.http() as http:
        body = gzip.compress(json.dumps({"model": "simulated-1", "input": "Say exactly: small"}).encode())
        reply = post(http, body, **{"Content-Encoding": "gzip"})
        assert reply.json()["output"][0]["content"][0]["text"] == "small"
        bomb = gzip.compress(b"[" + b" " * (1 << 28))
        assert post(http, bomb, **{"Content-Encoding": "gzip"}).status_code == 413


def test_operator_routes(shared):
    with shared.http() as http:
        assert http.get("/healthz").status_code == 200
        assert http.get("/readyz").status_code == 200
        assert "perdure" in http.get("/metrics").text
        assert http.get("/v1/nothing-here").status_code == 404
        assert http.put("/v1/responses").status_code in (404, 405)


def run(deployment, *arguments):
    url = deployment.server.url if deployment else None
    return subprocess.run([processes.BINARY, *arguments], capture_output=True, text=True, timeout=60,
                          env=processes.environment({"PERDURE_URL": url}))


def test_keys(deploy, upstream):
    deployment = deploy(upstream)
    made = run(deployment, "keys", "create", "--data", deployment.data, "--json")
    assert made.returncode == 0, made.stderr
    key = json.loads(made.stdout)["key"]
    deployment.server.stop()
    deployment.start()
    with deployment.http() as http:
        body = {"model": "simulated-1", "input": "Say exactly: let in"}
        assert post(http, body).status_code == 401
        assert post(http, body, Authorization="Bearer wrong").status_code == 401
        assert post(http, body, Authorization=f"Bearer {key}").status_code == 200
    assert key not in (deployment.folder / "serve.log").read_text()


def test_drain(slow):
    """SIGTERM lets answers that are under way reach their clients."""
    with slow.http() as http:
        with http.stream("POST", "/v1/responses", headers=JSON, content=json.dumps(
                {"model": "simulated-1", "input": "Count from 1 to 40.", "stream": True})) as reply:
            lines = reply.iter_lines()
            next(lines)
            slow.server.signal(15)
            rest = list(lines)
    assert rest[-2:] == ["data: [DONE]", ""] or rest[-1] == "data: [DONE]"
    assert slow.server.popen.wait(20) == 0


def test_journal_verify_and_offline_commands(deploy, upstream):
    deployment = deploy(upstream)
    with deployment.http() as http:
        ids = [post(http, {"model": "simulated-1", "input": f"Say exactly: number {n}"}).json()["id"] for n in range(3)]
    deployment.server.kill()
    verified = run(deployment, "journal", "verify", "--data", deployment.data)
    assert verified.returncode == 0, verified.stdout + verified.stderr
    deployment.start()
    listed = run(deployment, "responses", "list", "--json")
    assert listed.returncode == 0, listed.stderr
    assert all(id in listed.stdout for id in ids)
    chat = run(deployment, "chat", "--model", "simulated-1", "Say exactly: one shot")
    assert chat.returncode == 0 and "one shot" in chat.stdout, chat.stdout + chat.stderr


def test_second_process_on_the_same_store(deploy, upstream):
    deployment = deploy(upstream)
    second = run(deployment, "serve", "--listen", "127.0.0.1:0", "--data", deployment.data)
    assert second.returncode != 0 and "listening" not in second.stderr


def test_non_loopback_needs_keys(tmp_path):
    refused = run(None, "serve", "--listen", "0.0.0.0:0", "--data", tmp_path / "data")
    assert refused.returncode != 0 and "key" in refused.stderr.lower()


def test_no_provider_is_said_plainly(tmp_path):
    server = processes.serve(tmp_path / "data", tmp_path / "log", None)
    try:
        assert b"OPENAI_BASE_URL" in server.output() or b"OPENAI_API_KEY" in server.output()
    finally:
        server.stop()
