"""Every API answers its errors in its own form: who may not, what is not there, what is wrong, what a supplier refuses."""
import json
import subprocess

import httpx
import pytest

import processes
import wire

OPENAI = {
    "responses": ("/v1/responses", {"model": "m", "input": "Say exactly: x"}),
    "chat": ("/v1/chat/completions", {"model": "m", "messages": [{"role": "user", "content": "Say exactly: x"}]}),
    "embeddings": ("/v1/embeddings", {"model": "m", "input": "x"}),
    "compact": ("/v1/responses/compact", {"model": "m", "input": "x"}),
    "input_tokens": ("/v1/responses/input_tokens", {"model": "m", "input": "x"}),
    "conversations": ("/v1/conversations", {}),
}
MESSAGES = ("/v1/messages", {"model": "m", "max_tokens": 64, "messages": [{"role": "user", "content": "Say exactly: x"}]})
APIS = {**OPENAI, "messages": MESSAGES}


class Server:
    def __init__(self, folder):
        self.supplier = processes.simulate(folder / "simulate.log", "--model", "*", "--api-key", "k")
        (folder / "perdure.yaml").write_text(f"""
providers:
  - {{name: chat, base_url: '{self.supplier.url}/v1', api_key: env:KEY}}
  - {{name: wrong, base_url: '{self.supplier.url}/v1', api_key: env:WRONG}}
limits: {{fruitless_attempts: 2, body_bytes: 1MiB}}
models:
  - {{name: m, provider: chat, upstream_model: simulated-1}}
  - {{name: locked, provider: wrong, upstream_model: simulated-1}}
""")
        self.keys = {}
        for scope in ("use", "audit"):
            made = subprocess.run([processes.BINARY, "keys", "create", "--data", folder / "data", "--scopes", scope,
                                   "--json"], capture_output=True, text=True, env=processes.environment())
            assert made.returncode == 0, made.stderr
            self.keys[scope] = json.loads(made.stdout)["key"]
        self.process = processes.serve(folder / "data", folder / "serve.log", None, "--config", folder / "perdure.yaml",
                                       env={"KEY": "k", "WRONG": "not-the-key"})
        self.http = httpx.Client(base_url=self.process.url, timeout=60)

    def post(self, target, body, key="use", **headers):
        content = body if isinstance(body, (str, bytes)) else json.dumps(body)
        given = {} if key is None else {"Authorization": f"Bearer {self.keys.get(key, key)}"}
        return self.http.post(target, content=content, headers={"Content-Type": "application/json"} | given | headers)


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    server = Server(tmp_path_factory.mktemp("errors"))
    yield server
    server.http.close()
    assert server.process.stop() == 0 and server.supplier.stop() == 0
    log = server.process.output()
    for secret in (*server.keys.values(), "not-the-key"):
        assert secret.encode() not in log


def shaped(api, reply, status, kind=None, param=None, code=None):
    """The error has the form of its API."""
    assert reply.status_code == status, reply.text
    assert reply.headers["content-type"] == "application/json"
    assert status == 413 or reply.headers["x-request-id"]  # what is too long is refused before it has a name
    body = reply.json()
    if api == "messages":
        assert set(body) == {"type", "error", "request_id"} and body["type"] == "error"
        assert set(body["error"]) == {"type", "message"} and body["error"]["message"]
        if kind:
            assert body["error"]["type"] == kind
        return body["error"]
    assert set(body) == {"error"} and set(body["error"]) == {"message", "type", "param", "code"}
    assert body["error"]["message"] and isinstance(body["error"]["type"], str)
    if param:
        assert body["error"]["param"] == param
    if code:
        assert body["error"]["code"] == code
    return body["error"]


@pytest.fixture(params=APIS)
def api(request):
    return request.param


def test_without_a_key_and_with_a_wrong_one(server, api):
    target, body = APIS[api]
    for key in (None, "pdk_wrong"):
        reply = server.post(target, body, key)
        error = shaped(api, reply, 401, "authentication_error")
        assert error["type"] == "authentication_error" and reply.headers["www-authenticate"].startswith("Bearer")


def test_with_a_key_that_may_not(server, api):
    target, body = APIS[api]
    assert shaped(api, server.post(target, body, "audit"), 403)["type"] == "permission_error"


def test_what_is_no_json(server, api):
    target, _ = APIS[api]
    for body in ("{", "[1]", '"x"', b"\xff\xfe"):
        assert shaped(api, server.post(target, body), 400)["type"] == "invalid_request_error"
    typed = server.http.post(target, content="a=b", headers={
        "Content-Type": "application/x-www-form-urlencoded", "Authorization": f"Bearer {server.keys['use']}"})
    shaped(api, typed, 415)


def test_what_is_too_long(server, api):
    target, body = APIS[api]
    shaped(api, server.post(target, {**body, "x": "x" * (2 << 20)}), 413)


def test_a_method_that_is_none(server, api):
    target, _ = APIS[api]
    reply = server.http.put(target, headers={"Authorization": f"Bearer {server.keys['use']}"})
    shaped(api, reply, 405)
    assert "POST" in reply.headers["allow"]


def test_a_route_that_is_none(server, api):
    target, body = APIS[api]
    shaped(api, server.post(target + "/no/such/route", body), 404, "not_found_error")


def test_a_model_that_is_none(server, api):
    target, body = APIS[api]
    if api == "conversations":
        pytest.skip("no model is asked")
    error = shaped(api, server.post(target, {**body, "model": "no-such-model"}), 404, "not_found_error")
    assert "no-such-model" in error["message"]
    if api != "messages":
        assert error["code"] == "model_not_found" and error["param"] == "model"


def test_a_field_that_is_none(server, api):
    target, body = APIS[api]
    if api == "embeddings":  # passed on: the supplier says so, in the same form
        assert server.post(target, {**body, "nonsense": 1}).status_code == 400
        return
    if api in ("chat", "messages"):
        body = {**body, "stream": False}
    reply = server.post(target, {**body, "nonsense": 1}, **{"x-perdure-store": "1"} if api in ("chat", "messages") else {})
    error = shaped(api, reply, 400, "invalid_request_error")
    assert "nonsense" in error["message"]
    if api != "messages":
        assert error["param"] == "nonsense" and error["code"] == "unknown_parameter"


def test_a_credential_of_ours_that_is_refused_is_no_fault_of_the_clients(server, api):
    target, body = APIS[api]
    if api in ("conversations", "input_tokens"):
        pytest.skip("no supplier is asked")
    reply = server.post(target, {**body, "model": "locked", **({"stream": False} if api == "messages" else {})})
    if api == "responses":  # the response exists and says so itself
        assert reply.status_code == 200 and reply.json()["status"] == "failed"
        error = reply.json()["error"]
    else:
        assert reply.status_code in (500, 503), reply.text
        error = shaped(api, reply, reply.status_code)
    assert "not-the-key" not in reply.text and error["message"]


def test_what_is_not_there(server):
    key = {"Authorization": f"Bearer {server.keys['use']}"}
    for method, target in (("GET", "/v1/responses/resp_x"), ("DELETE", "/v1/responses/resp_x"),
                           ("POST", "/v1/responses/resp_x/cancel"), ("GET", "/v1/responses/resp_x/input_items"),
                           ("GET", "/v1/conversations/conv_x"), ("DELETE", "/v1/conversations/conv_x"),
                           ("GET", "/v1/conversations/conv_x/items"), ("GET", "/v1/conversations/conv_x/items/msg_x"),
                           ("DELETE", "/v1/conversations/conv_x/items/msg_x"), ("GET", "/v1/models/none"),
                           ("GET", "/v1/chat/completions/chatcmpl-x"), ("DELETE", "/v1/chat/completions/chatcmpl-x")):
        error = shaped("openai", server.http.request(method, target, headers=key), 404)
        assert error["type"] == "invalid_request_error" and error["code"], f"{method} {target}"


def test_a_query_that_makes_no_sense(server):
    key = {"Authorization": f"Bearer {server.keys['use']}"}
    for target, param in (("/v1/responses/resp_x?nonsense=1", "nonsense"), ("/v1/responses/resp_x?stream=maybe", "stream"),
                          ("/v1/responses/resp_x/input_items?limit=1000", "limit"),
                          ("/v1/conversations/conv_x/items?order=up", "order"),
                          ("/v1/responses/resp_x?include[]=everything", "include")):
        shaped("openai", server.http.get(target, headers=key), 400, param=param)


def test_a_websocket_of_a_key_that_may_not(server):
    with pytest.raises(AssertionError, match="401"):
        wire.WebSocket(server.process.url)
    with pytest.raises(AssertionError, match="403"):
        wire.WebSocket(server.process.url, headers={"Authorization": f"Bearer {server.keys['audit']}"})
    with wire.WebSocket(server.process.url, headers={"Authorization": f"Bearer {server.keys['use']}"}) as socket:
        assert socket.turn(model="m", input="Say exactly: x").response["status"] == "completed"
