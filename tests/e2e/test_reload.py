"""SIGHUP: the configuration is read again, with streams in flight."""
import json
import signal
import threading
import time

import httpx
import pytest

import processes


def config(*providers, more=""):
    text = more + "providers:\n"
    for name, url in providers:
        text += f"  - {{name: {name}, base_url: \"{url}/v1\", auth: none}}\n"
    text += "models:\n"
    for name, _ in providers:
        text += f"  - {{name: {name}, provider: {name}, upstream_model: simulated-1}}\n"
    return text


class Reloading:
    def __init__(self, folder, text):
        self.file = folder / "perdure.yaml"
        self.file.write_text(text)
        self.server = processes.serve(folder / "data", folder / "serve.log", None, "--config", self.file, "--cores", "2")

    def reload(self, text, event):
        seen = self.server.output().count(event)
        self.file.write_text(text)
        self.server.signal(signal.SIGHUP)
        deadline = time.monotonic() + 20
        while self.server.output().count(event) == seen:
            assert time.monotonic() < deadline and self.server.alive(), self.server.output()[-3000:].decode()
            time.sleep(0.01)

    def ask(self, model, words="hello", **more):
        return httpx.post(f"{self.server.url}/v1/responses", timeout=60,
                          json={"model": model, "input": f"Say exactly: {words}", **more})


@pytest.fixture
def reloading(tmp_path, upstream):
    made = Reloading(tmp_path, config(("old", upstream.url)))
    yield made
    if made.server.alive():
        assert made.server.stop() == 0


def text_of(body):
    return body["output"][0]["content"][0]["text"]


def test_a_stream_goes_on_while_everything_changes(tmp_path, upstream, slow_upstream):
    words = " ".join(str(i) for i in range(400))
    r = Reloading(tmp_path, config(("slow", slow_upstream.url)))
    answers = {}

    def stream(store):
        events = []
        body = {"model": "slow", "input": f"Say exactly: {words}", "stream": True, "store": store}
        with httpx.stream("POST", f"{r.server.url}/v1/responses", json=body, timeout=60) as reply:
            for line in reply.iter_lines():
                if line.startswith("data: {"):
                    events.append(json.loads(line[6:]))
                    if events[-1]["type"] == "response.output_text.delta":
                        begun.release()
        answers[store] = events

    begun = threading.Semaphore(0)
    threads = [threading.Thread(target=stream, args=(store,)) for store in (True, False)]
    for thread in threads:
        thread.start()
    for _ in range(6):
        assert begun.acquire(timeout=20)
    assert r.ask("quick").status_code == 404
    for round in range(4):  # the deployment that the streams use goes, comes back, and goes again
        some = [("quick", upstream.url)] + ([("slow", slow_upstream.url)] if round % 2 else [])
        r.reload(config(*some), b"config.reloaded")
        assert text_of(r.ask("quick", f"round {round}").json()) == f"round {round}"
        assert r.ask("slow", "x", background=True).status_code == (200 if round % 2 else 404)
    r.reload(config(("quick", upstream.url)), b"config.reloaded")
    assert all(thread.is_alive() for thread in threads), "the streams should last longer than the changes"
    for thread in threads:
        thread.join(60)
    for events in answers.values():
        assert events[-1]["type"] == "response.completed"
        assert "".join(e["delta"] for e in events if e["type"] == "response.output_text.delta") == words
        assert [e["sequence_number"] for e in events] == list(range(len(events)))
    assert r.ask("slow").status_code == 404
    metrics = httpx.get(f"{r.server.url}/metrics").text
    assert 'perdure_config_reloads_total{outcome="applied"} 5' in metrics
    assert r.server.stop() == 0


def test_a_broken_file_changes_nothing_and_is_told_as_a_whole(reloading, upstream):
    broken = config(("new", upstream.url), more="no_such_key: 1\nlimits: {responses: many}\n")
    reloading.reload(broken, b"config.reload_refused")
    log = reloading.server.output().decode()
    assert "no_such_key" in log and "limits.responses" in log and log.count("config.problem") == 2
    assert reloading.ask("old").status_code == 200 and reloading.ask("new").status_code == 404
    reloading.file.unlink()
    reloading.server.signal(signal.SIGHUP)
    time.sleep(0.2)
    assert reloading.ask("old").status_code == 200, "a file that is gone changes nothing either"
    assert 'outcome="refused"} 2' in httpx.get(f"{reloading.server.url}/metrics").text


def test_what_needs_a_restart_is_named(reloading, upstream):
    reloading.reload(config(("new", upstream.url), more="listen: 127.0.0.1:1\nencryption: {enabled: false}\n"
                            "log: {level: debug}\nlimits: {idle_time: 1s}\n"), b"config.needs_restart")
    line = [one for one in reloading.server.output().decode().splitlines() if "config.needs_restart" in one][-1]
    assert "limits.idle_time, encryption.enabled" in line
    assert reloading.ask("new").status_code == 200 and reloading.ask("old").status_code == 404


def test_withdrawals_stay(reloading, upstream):
    url = f"{reloading.server.url}/v1/x/withdrawals"
    assert httpx.post(url, json={"target": {"provider": "old"}}).status_code == 200
    assert reloading.ask("old").status_code == 503
    reloading.reload(config(("new", upstream.url), ("old", upstream.url)), b"config.reloaded")
    assert reloading.ask("old").status_code == 503 and reloading.ask("new").status_code == 200
    names = [d["name"] for d in httpx.get(f"{reloading.server.url}/v1/x/deployments").json()["data"]]
    assert sorted(names) == ["new@new", "old@old"]


def test_what_waits_for_the_next_start_is_named_and_nothing_else(tmp_path, upstream):
    r = Reloading(tmp_path, config(("old", upstream.url)))  # listens on port 0
    r.reload(config(("old", upstream.url), ("new", upstream.url)), b"config.reloaded")
    r.reload(config(("old", upstream.url), more="reasoning_events: open_responses\n"), b"config.needs_restart")
    named = [line for line in r.server.output().decode().splitlines() if "config.needs_restart" in line]
    assert len(named) == 1 and "reasoning_events" in named[0] and "listen" not in named[0], named
    assert r.server.stop() == 0
