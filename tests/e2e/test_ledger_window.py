"""What a crash may take of the account of answers that are not stored: the last moments of it, and no more."""
import sqlite3
import shutil
import threading
import time

import httpx
import pytest

import processes

# Lines of relayed requests are gathered for 50 ms, and what is written is synced within 200 ms; the rest is for a slow machine.
WINDOW_S = 0.25 + 1.0


def serve(folder, upstream, layer):
    data, mirror = folder / "data", folder / "mirror"
    data.mkdir(exist_ok=True)
    env = {}
    if layer == "lossy":
        library = processes.BINARY.parent / "lossy_files.so"
        if not library.exists():
            pytest.skip("lossy_files.so is not built")
        mirror.mkdir(exist_ok=True)
        env = {"LD_PRELOAD": library, "LOSSY_ROOT": data, "LOSSY_MIRROR": mirror}
    return processes.serve(data, folder / "serve.log", upstream.url, env=env)


def lines_of(data):
    store = sqlite3.connect(f"file:{data}/perdure.db?mode=ro", uri=True)
    try:
        return store.execute("SELECT count(*) FROM ledger").fetchone()[0]
    finally:
        store.close()


@pytest.mark.parametrize("layer", ["plain", "lossy"])
@pytest.mark.parametrize("way", ["relayed", "translated"])
def test_a_kill_loses_a_bounded_window(tmp_path, upstream, layer, way):
    server = serve(tmp_path, upstream, layer)
    url, body = f"{server.url}/v1/chat/completions", {"messages": [{"role": "user", "content": "Say exactly: x"}]}
    if way == "translated":  # the supplier speaks Chat
        url, body = f"{server.url}/v1/responses", {"input": "Say exactly: x", "store": False}
    body |= {"model": "simulated-1"}
    answered = []

    def ask():
        with httpx.Client(timeout=30) as http:
            while True:
                try:
                    status = http.post(url, json=body).status_code
                except httpx.HTTPError:
                    return
                assert status == 200
                answered.append(time.monotonic())

    threads = [threading.Thread(target=ask) for _ in range(3)]
    for thread in threads:
        thread.start()
    time.sleep(2.5)
    killed = time.monotonic()
    server.kill()
    for thread in threads:
        thread.join()
    if layer == "lossy":
        shutil.rmtree(tmp_path / "data")
        shutil.move(tmp_path / "mirror", tmp_path / "data")
    server = processes.serve(tmp_path / "data", tmp_path / "again.log", upstream.url)  # brings the log's tail in
    kept = lines_of(tmp_path / "data")
    must = sum(1 for at in answered if at < killed - WINDOW_S)
    print(f"{layer}, {way}: {len(answered)} answers, {kept} lines kept, at least {must} asked for")
    assert must > 20, "too slow a machine for this to say anything"
    assert kept >= must
    assert server.stop() == 0


@pytest.mark.parametrize("layer", ["lossy"])
def test_the_last_line_of_an_idle_server_is_not_left_lying(tmp_path, upstream, layer):
    server = serve(tmp_path, upstream, layer)
    for _ in range(5):  # the later ones come right behind a sync
        assert httpx.post(f"{server.url}/v1/responses", timeout=30, json={
            "model": "simulated-1", "input": "Say exactly: x", "store": False}).status_code == 200
    time.sleep(WINDOW_S)  # nobody asks for anything
    server.kill()
    shutil.rmtree(tmp_path / "data")
    shutil.move(tmp_path / "mirror", tmp_path / "data")
    server = processes.serve(tmp_path / "data", tmp_path / "again.log", upstream.url)
    assert lines_of(tmp_path / "data") == 5
    assert server.stop() == 0
