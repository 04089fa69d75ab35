"""What a client hears while an answer changes hands."""
import json

import httpx

import processes

CONFIG = """providers:
  - {{name: A, base_url: "{a}/v1"}}
  - {{name: B, base_url: "{b}/v1"}}
models:
  - {{name: m, provider: A, upstream_model: simulated-1}}
  - {{name: m, provider: B, upstream_model: simulated-1}}
"""


def test_a_relayed_answer_is_kept_alive_while_another_supplier_takes_its_time(tmp_path):
    a = processes.simulate(tmp_path / "a.log", "--fault", "cut-after-tokens=5")
    b = processes.simulate(tmp_path / "b.log", "--first-token", "17s")  # a comment comes after 15 s of silence
    config = tmp_path / "perdure.yaml"
    config.write_text(CONFIG.format(a=a.url.removesuffix("/v1"), b=b.url.removesuffix("/v1")))
    server = processes.Process([processes.BINARY, "serve", "--config", config, "--listen", "127.0.0.1:0", "--data", tmp_path / "data"],
                               tmp_path / "serve.log")
    try:
        body = {"model": "m", "stream": True, "messages": [{"role": "user", "content": "Count from 1 to 9."}]}
        text, comments, ended = "", [], False
        with httpx.stream("POST", f"{server.url}/v1/chat/completions", json=body, timeout=60) as reply:
            assert reply.status_code == 200
            for line in reply.iter_lines():
                if line.startswith(":"):
                    comments.append(text)
                elif line == "data: [DONE]":
                    ended = True
                elif line.startswith("data: "):
                    for choice in json.loads(line[6:])["choices"]:
                        text += choice["delta"].get("content") or ""
        assert text == "1, 2, 3, 4, 5, 6, 7, 8, 9" and ended
        assert len(comments) == 1 and 0 < len(comments[0]) < len(text), comments
    finally:
        for process in (server, a, b):
            process.stop()
