"""A disk that fills up while the real binary serves: refused in words, nothing acknowledged lost, and on it goes."""
import threading
import time

import openai
import pytest

import processes

LAYER = processes.BINARY.parent / "lossy_files.so"


@pytest.fixture
def full_disk(deploy, slow_upstream, tmp_path):
    """A deployment whose disk is full while the file `full` exists."""
    if not LAYER.exists():
        pytest.fail(f"{LAYER} is missing: build the preset dev")
    full = tmp_path / "full"
    root = tmp_path / "deployment-0" / "data"
    deployment = deploy(slow_upstream, env={"LD_PRELOAD": LAYER, "LOSSY_ROOT": root, "LOSSY_FULL": full})
    yield deployment, full
    full.unlink(missing_ok=True)



def test_a_create_is_refused_and_what_was_acknowledged_stays(full_disk):
    deployment, full = full_disk
    client = deployment.client()
    kept = client.responses.create(model="simulated-1", input="Say exactly: kept")
    full.touch()
    refused = None
    for _ in range(20):
        try:
            # SQLite writes its log anew from the start after a checkpoint; only growth meets the full disk.
            client.with_options(timeout=20).responses.create(model="simulated-1", input="y" * 400_000, background=True)
        except openai.APIStatusError as error:
            refused = error
            break
    assert refused is not None, "a full disk was never noticed"
    assert refused.status_code == 503
    assert "full" in str(refused) or "room" in str(refused) or "space" in str(refused), str(refused)
    assert client.responses.retrieve(kept.id).output_text == "kept"
    full.unlink()
    assert client.responses.create(model="simulated-1", input="Say exactly: room again").output_text == "room again"
    assert client.responses.retrieve(kept.id).output_text == "kept"


def test_an_answer_in_the_making_waits_for_room_and_ends_whole(full_disk):
    deployment, full = full_disk
    client = deployment.client()
    events, failure = [], []

    def follow():
        try:
            for event in client.responses.create(model="simulated-1", input="Count from 1 to 60.", stream=True):
                events.append(event)
        except Exception as error:  # the stream may be cut while there is no room
            failure.append(error)

    reader = threading.Thread(target=follow)
    reader.start()
    while len(events) < 10:
        time.sleep(0.01)
    full.touch()
    time.sleep(1.5)
    seen = len(events)
    full.unlink()
    reader.join(60)
    response_id = events[0].response.id
    assert seen > 0
    deadline = time.monotonic() + 30
    while client.responses.retrieve(response_id).status == "in_progress" and time.monotonic() < deadline:
        time.sleep(0.05)
    whole = client.responses.retrieve(response_id)
    assert whole.status == "completed"
    assert whole.output_text == client.responses.create(model="simulated-1", input="Count from 1 to 60.").output_text
    shown = "".join(e.delta for e in events if e.type == "response.output_text.delta")
    assert whole.output_text.startswith(shown)
    deployment.server.kill()
    deployment.start()
    assert deployment.client().responses.retrieve(response_id).output_text == whole.output_text
