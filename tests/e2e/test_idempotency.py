"""Creates repeated with their Idempotency-Key, in every API: after a lost reply, at the same time, after a kill."""
import threading

import httpx
import pytest

MESSAGE = [{"role": "user", "content": "Say exactly: one two three four five six seven eight nine ten"}]
APIS = {
    "responses": ("/v1/responses", {"input": MESSAGE[0]["content"]}),
    "chat": ("/v1/chat/completions", {"messages": MESSAGE}),
    "messages": ("/v1/messages", {"messages": MESSAGE, "max_tokens": 200}),
}
STORING = {"responses": ({"store": True}, {}), "chat": ({"store": True}, {}), "messages": ({}, {"x-perdure-store": "1"})}
NOT_STORING = {"responses": ({"store": False}, {}), "chat": ({}, {}), "messages": ({}, {})}


def request_of(api, stored, stream, key):
    path, body = APIS[api]
    more, headers = (STORING if stored else NOT_STORING)[api]
    return path, {"model": "simulated-1", "stream": stream} | body | more, {"Idempotency-Key": key} | headers


@pytest.mark.parametrize("api", APIS)
@pytest.mark.parametrize("stored", [True, False], ids=["stored", "not-stored"])
@pytest.mark.parametrize("stream", [True, False], ids=["stream", "json"])
def test_a_repeat_is_the_same_answer(shared, api, stored, stream):
    path, body, headers = request_of(api, stored, stream, f"same-{stored}-{stream}")
    with shared.http() as http:
        first = http.post(path, json=body, headers=headers)
        again = http.post(path, json=body, headers=headers)
        assert first.status_code == 200, first.text
        assert again.text == first.text
        assert again.headers["x-perdure-response-id"] == first.headers["x-perdure-response-id"]
        other = http.post(path, json=body | {"model": "simulated-2"}, headers=headers)
        assert other.status_code == 409 and other.headers["x-should-retry"] == "false"


@pytest.mark.parametrize("api", APIS)
def test_many_at_once_are_one(shared, api):
    path, body, headers = request_of(api, False, True, "at-once")
    got = []

    def ask():
        got.append(httpx.post(shared.server.url + path, json=body, headers=headers, timeout=60))

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {reply.status_code for reply in got} == {200}
    assert len({reply.headers["x-perdure-response-id"] for reply in got}) == 1
    assert len({reply.text for reply in got}) == 1


@pytest.mark.parametrize("api", APIS)
def test_a_client_that_was_cut_off_comes_back_for_it(slow, api):
    path, body, headers = request_of(api, False, True, "lost")
    with slow.http() as http:
        with http.stream("POST", path, json=body, headers=headers) as reply:
            part = next(reply.iter_raw()).decode()
        again = http.post(path, json=body, headers=headers)
        assert again.status_code == 200 and again.text.startswith(part.rstrip("\n"))
        assert "ten" in again.text


@pytest.mark.parametrize("api", APIS)
@pytest.mark.parametrize("stored", [True, False], ids=["stored", "not-stored"])
def test_after_a_kill_it_is_given_or_told_and_never_made_twice(slow, api, stored):
    path, body, headers = request_of(api, stored, True, "killed")
    with slow.http() as http:
        with http.stream("POST", path, json=body, headers=headers) as reply:
            first = reply.headers["x-perdure-response-id"]
            next(reply.iter_raw())
            slow.server.kill()
    slow.start()
    with slow.http() as http:
        again = http.post(path, json=body, headers=headers)
        if stored:
            assert again.status_code == 200 and again.headers["x-perdure-response-id"] == first
            assert "ten" in again.text
        else:
            assert again.status_code == 409 and again.headers["x-should-retry"] == "false"
            assert "made again" in again.text
            assert http.post(path, json=body, headers=headers | {"Idempotency-Key": "another"}).status_code == 200
