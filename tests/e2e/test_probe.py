"""`perdure probe` against the simulated supplier, in each upstream dialect, where it takes a prefill and where it does
not; and that a server goes by what was measured."""
import json
import subprocess

import httpx
import pytest

import processes

CONFIG = """
providers:
  - {{name: chat, base_url: '{url}/v1'}}
  - {{name: responses, base_url: '{url}/v1', dialect: responses, auth: none}}
  - {{name: messages, supplier: anthropic, base_url: '{url}/v1', api_key: env:KEY}}
  - {{name: converse, base_url: '{url}', dialect: converse, aws: {{bearer: env:KEY}}}}
  - {{name: gemini, supplier: google, base_url: '{url}/v1beta', api_key: env:KEY}}
models:
  - {{name: m-chat, provider: chat, upstream_model: simulated-1}}
  - {{name: m-responses, provider: responses, upstream_model: simulated-1}}
  - {{name: m-messages, provider: messages, upstream_model: claude-sonnet-4-5}}
  - {{name: m-converse, provider: converse, upstream_model: simulated-1}}
  - {{name: m-gemini, provider: gemini, upstream_model: gemini-2.5-flash}}
"""
DIALECTS = ["chat", "responses", "messages", "converse", "gemini"]


@pytest.fixture(scope="module", params=["yes", "no"])
def supplier(request, tmp_path_factory):
    process = processes.simulate(tmp_path_factory.mktemp("probe") / "simulate.log", "--model", "*", "--prefill",
                                 request.param, "--automatic-cache")
    process.prefill = request.param
    yield process
    process.stop()


def run(folder, supplier, *words, check=True):
    (folder / "perdure.yaml").write_text(CONFIG.format(url=supplier.url))
    done = subprocess.run([processes.BINARY, "probe", "--config", folder / "perdure.yaml", "--data", folder / "data",
                           *map(str, words)], capture_output=True, text=True, timeout=120, env=processes.environment({"KEY": "k"}))
    if check:
        assert done.returncode == 0, done.stdout + done.stderr
    return done


@pytest.mark.parametrize("dialect", DIALECTS)
def test_what_is_measured(tmp_path, supplier, dialect):
    done = run(tmp_path, supplier, f"m-{dialect}", "--json", "--context-tokens", 9000)
    card = json.loads(done.stdout)
    found = {each["what"]: each for each in card["findings"]}
    # Responses has no word for going on with a beginning.
    goes_on = supplier.prefill == "yes" and dialect != "responses"
    assert card["capabilities"]["prefill"] == goes_on, found["prefill"]
    if dialect == "chat" and goes_on:
        assert card["capabilities"]["prefill_form"] == "plain"
    assert card["capabilities"]["tools"] and card["capabilities"]["parallel_tools"], found
    assert card["capabilities"]["structured_output"], found["structured_output"]
    assert found["streaming_usage"]["found"] == "yes"
    assert found["context_tokens"]["found"].startswith("at least "), found["context_tokens"]
    assert card["measured_at"].endswith("Z") and card["dialect"] == dialect
    assert "at most" in done.stderr and "tokens of input" in done.stderr, "said before"
    files = list((tmp_path / "data/scorecards").iterdir())
    assert [json.loads(file.read_text()) for file in files] == [card]


def test_a_dry_run_asks_nobody(tmp_path, supplier):
    before = httpx.get(supplier.url + "/__stats").json()
    done = run(tmp_path, supplier, "m-chat", "--dry-run")
    assert "at most" in done.stderr and done.stdout == ""
    assert httpx.get(supplier.url + "/__stats").json() == before
    assert not (tmp_path / "data/scorecards").exists()


def test_who_is_not_there_is_an_error_with_names(tmp_path, supplier):
    done = run(tmp_path, supplier, "nonsense", check=False)
    assert done.returncode == 4 and "m-chat@chat" in done.stderr


def test_the_table(tmp_path, supplier):
    shown = run(tmp_path, supplier, "m-chat@chat", "--context-tokens", 0).stdout
    assert "prefill" in shown and "kept as" in shown


def test_a_server_goes_by_what_was_measured(tmp_path, supplier):
    """A chat deployment whose prefill nobody has declared goes on by prefill once it was measured to work."""
    run(tmp_path, supplier, "m-chat", "--context-tokens", 0)
    httpx.post(supplier.url + "/__faults", json={"faults": "times=1:cut-after-tokens=20"}).raise_for_status()
    server = processes.serve(tmp_path / "data", tmp_path / "serve.log", None, "--config", tmp_path / "perdure.yaml",
                             env={"KEY": "k"})
    try:
        http = httpx.Client(base_url=server.url, timeout=60)
        answer = http.post("/v1/responses", json={"model": "m-chat", "input": "Count from 1 to 40."}).json()
        text = "".join(part["text"] for item in answer["output"] for part in item.get("content", []))
        assert text == ", ".join(str(n) for n in range(1, 41))
        account = http.get("/v1/x/responses/" + answer["id"]).json()
        assert [each["outcome"] for each in account["placements"]] == ["cut", "completed"]
        assert (account["placements"][1]["seam"] == "prefill") == (supplier.prefill == "yes")
    finally:
        server.stop()
        httpx.post(supplier.url + "/__faults", json={"faults": ""})
