"""Stores of every released format, kept in tests/compat: today's program opens a copy, finds nothing wrong with it, shows what
was shown then, and goes on with it."""
import contextlib
import json
import pathlib
import shutil
import sqlite3
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


@pytest.mark.parametrize("table", ["log", "blob_body"])
def test_a_flipped_bit_in_it_is_found(copy, table):
    data, config, expected = copy
    file = data / "perdure.db"
    with contextlib.closing(sqlite3.connect(f"file:{file}?immutable=1", uri=True)) as db:
        if not db.execute("SELECT 1 FROM sqlite_schema WHERE name = ?", [table]).fetchone():
            pytest.skip(f"its format has no table {table}")
        body, = db.execute(f"SELECT body FROM {table} ORDER BY length(body) DESC LIMIT 1").fetchone()
    content = bytearray(file.read_bytes())
    content[content.index(body[len(body) // 2:][:64])] ^= 1
    file.write_bytes(content)
    assert not make_store.verify(data, config)["holds"]


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


def format_of(data):
    """What the header says once everything is in the file."""
    with open(data / "perdure.db", "rb") as file:
        return int.from_bytes(file.read(64)[60:64], "big")


def test_it_is_brought_up_to_date_and_takes_what_its_format_could_not(copy, upstream):
    data, config, expected = copy
    before = format_of(data)
    assert make_store.verify(data, config)["holds"] and format_of(data) == before, "reading changes nothing"
    blobs = expected["report"].get("blobs", 0)
    server = make_store.serve(data, data.parent / "serve.log", upstream.url, config)
    with httpx.Client(base_url=server.url, timeout=60) as http:
        text = "Say exactly: long. " + "No more than that. " * 4000
        made = [http.post("/v1/responses", json={"model": "simulated-1", "input": text}).json()["id"] for _ in range(2)]
    server.kill()
    report = make_store.verify(data, config)
    assert report["holds"] and report["blobs"] == blobs + 1, report
    server = make_store.serve(data, data.parent / "serve.log", upstream.url, config)
    with httpx.Client(base_url=server.url, timeout=60) as http:
        assert make_store.read_all(http, expected["responses"], expected["conversations"]) == expected["seen"]
        for response in made:
            assert http.get(f"/v1/responses/{response}/input_items").json()["data"][0]["content"][0]["text"] == text
            assert http.delete(f"/v1/responses/{response}").status_code == 200
    assert server.stop() == 0
    assert format_of(data) == 2
    report = make_store.verify(data, config)
    assert report["holds"] and report["blobs"] == blobs, report
