#!/usr/bin/env python3
"""make fidelity: every supplier in its own words. Traps, recordings, a corpus, the table of pairs and a long conversation; the last line
counts them, and the status is 0 if nothing differs. --write puts what was found into docs/fidelity.md, which is otherwise checked."""
import argparse
import concurrent.futures
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import pairs  # noqa: E402
import traps  # noqa: E402
import trip  # noqa: E402
from stage import ROOT, Stage  # noqa: E402

BUILD = pathlib.Path(os.environ.get("PERDURE_BUILD", ROOT / "build/dev"))
DOCUMENT = ROOT / "docs/fidelity.md"
MARK = "<!-- {} -->"
started = time.monotonic()


def say(*words):
    print(f"[{time.monotonic() - started:4.0f}s]", *words, flush=True)


def gtest(name, differ):
    """What the test says, once it has passed."""
    done = subprocess.run([BUILD / name], capture_output=True, text=True, cwd=ROOT)
    for line in done.stdout.splitlines():
        if re.match(r"^(recordings|corpus): ", line):
            say(line)
    if done.returncode != 0:
        differ.append(f"{name}:\n" + "\n".join(line[:2000] for line in done.stdout.splitlines() if not line.startswith("[ "))[-6000:])
    return done.stdout


def number(text, pattern):
    found = re.search(pattern, text)
    return int(found[1]) if found else 0


def put(document, mark, text):
    begin, end = MARK.format(mark), MARK.format("end of " + mark)
    at, to = document.index(begin) + len(begin), document.index(end)
    return document[:at] + "\n" + text + "\n" + document[to:]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help="docs/fidelity.md is written, not checked")
    write = parser.parse_args().write
    differ = []

    with concurrent.futures.ThreadPoolExecutor() as pool:
        recordings, corpus = pool.map(lambda name: gtest(name, differ), ["fidelity_recordings_test", "fidelity_corpus_test"])
    files, cuts = number(recordings, r"recordings: (\d+) files"), number(recordings, r"streams, (\d+) cuts")
    if not files:
        say("recordings: SKIPPED, ../shared/data is not here")
    cases = number(corpus, r"corpus: (\d+) cases")
    passed, wrong, ran = traps.run(BUILD, recordings + corpus)
    differ += wrong
    say(f"traps: {ran} tests are named after {sum(bool(t) for t in passed.values())} of {len(traps.TRAPS)} traps; "
        f"{len(traps.NOT_A_TRANSLATORS)} are no translator's")

    with tempfile.TemporaryDirectory() as folder:
        stages = []
        for make in pairs.CLIENTS:
            place = pathlib.Path(folder, make.name)
            place.mkdir()
            stages.append(Stage(place, once=True))
        table, wrong = pairs.run(stages)
        for stage in stages:
            stage.stop()
    differ += wrong
    cells = [cell for row in table.values() for client in row.values() for cell in client.values()]
    refused = sum(cell.startswith("refused") for cell in cells)
    say(f"pairs: {len(cells)} cells: {sum(cell.startswith('works') for cell in cells)} work, {refused} are refused by the name of a field, "
        f"{sum(cell.startswith('n/a') for cell in cells)} have no such thing")

    with tempfile.TemporaryDirectory() as folder:
        stage = Stage(pathlib.Path(folder), "--reasoning")
        requests, wrong = trip.run(stage.http)
        stage.stop()
    differ += wrong
    say(f"trip: {trip.TURNS} turns in each client dialect, {requests} requests round all upstream dialects")

    before = DOCUMENT.read_text()
    after = put(put(before, "pairs", pairs.render(table)), "traps", traps.render(traps.listed(ROOT)))
    rows = sorted(line.removeprefix("refused: ") for line in recordings.splitlines() if line.startswith("refused: "))
    if rows:
        after = put(after, "refused", "\n".join(["| recording | why | what is said |", "| --- | --- | --- |"] + rows))
    if before != after and write:
        DOCUMENT.write_text(after)
    elif before != after:
        differ.append("docs/fidelity.md is not what was found: make fidelity ARGS=--write")

    for one in differ:
        print("DIFFERS:", one)
    print(f"fidelity: {len(traps.TRAPS)} traps, {files} recordings, {cuts} cuts, {cases} corpus cases, 15x{len(table)} cells, "
          f"{requests} requests of a 50-turn conversation, {len(differ)} differ")
    return 1 if differ else 0


if __name__ == "__main__":
    sys.exit(main())
