"""The examples of the documentation run as they stand there."""
import os
import pathlib
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("name, script", [("openai-client", "client.py"), ("anthropic-client", "client.py"),
                                          ("agents-sdk", "agent.py")], ids=lambda word: word)
def test_example(shared, name, script):
    example = ROOT / "examples" / name
    env = os.environ | {"PERDURE_URL": shared.url.removesuffix("/v1"), "PERDURE_MODEL": "simulated-1"}
    done = subprocess.run([sys.executable, example / script], env=env, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert done.stdout == (example / "expected-output.txt").read_text()


def test_readme_shows_the_example():
    shown = (ROOT / "README.md").read_text().split("```python\n")[1].split("```")[0]
    assert (ROOT / "examples" / "openai-client" / "client.py").read_text().find(shown.strip()) >= 0
