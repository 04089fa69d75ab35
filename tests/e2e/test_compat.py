"""Stores of every released format, kept in tests/compat: today's program opens a copy, finds nothing wrong with it, shows what
was shown then, and goes on with it."""
import json
import pathlib
import shutil
import sys

import httpx
import pytest

import processes

COMPAT = pathlib.Path(__file__).resolve().parent.parent / "compat"
sys.path.insert(0, str(COMPAT))
import make_store  # noqa: E402

STORES = sorted(COMPAT.glob("store-*"))


@pytest.fixture(params=STORES, ids=lambda path: path.name)
def copy(request, tmp_path):
    data = tmp_path / "data"
    data.mkdir()
    shutil.copy(request.param / "perdure.db", data / "perdure.db")
    return data, make_store.config_in(tmp_path), json.loads((request.param / "expected.json").read_text())


def test_there_are_some():
    assert [path.name for path in STORES] == [f"store-{n + 1}" for n in range(len(STORES))] and STORES


def test_it_verifies(copy):
    data, config, expected = copy
    report = make_store.verify(data, config)
    assert report == expected["report"] | {name: report[name] for name in report if name not in expected["report"]}
    assert report["holds"] and report["totals_compared"]


def test_a_flipped_bit_in_it_is_found(copy):
    data, config, expected = copy
    file = data / "perdure.db"
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1  # within the long answer's records, which take most of the file
    file.write_bytes(content)
    try:
        assert not make_store.verify(data, config)["holds"]
    except json.JSONDecodeError:
        pass  # the file's own structure was hit, and it was refused


def test_it_is_read_as_it_was(copy):
    data, config, expected = copy
    server = make_store.serve(data, data.parent / "serve.log", None, config)
    with httpx.Client(base_url=server.url, timeout=60) as http:
        seen = make_store.read_all(http, expected["responses"], expected["conversations"])
    assert server.stop() == 0
    assert seen == expected["seen"]


def test_it_is_gone_on_with(copy, upstream):
    data, config, expected = copy
    server = make_store.serve(data, data.parent / "serve.log", upstream.url, config)
    with httpx.Client(base_url=server.url, timeout=60) as http:
        first = expected["responses"][0]
        more = http.post("/v1/responses", json={"model": "simulated-1", "input": "Say exactly: more", "previous_response_id": first})
        assert more.status_code == 200, more.text
        repeated = http.post("/v1/responses", json={"model": "simulated-1", "input": "Say exactly: other"},
                             headers={"Idempotency-Key": "compat-1"})
        assert repeated.status_code == 409
    assert server.stop() == 0
    report = make_store.verify(data, config)
    assert report["holds"] and report["sessions"] > expected["report"]["sessions"]
