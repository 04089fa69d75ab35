"""The filter programs that the judges of this folder question: many cases in, as many answers out."""
import json
import os
import pathlib
import subprocess

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent


def ask(program, cases):
    """The answer of build/dev/<program> (or of $PERDURE_BUILD/<program>) to each case."""
    binary = pathlib.Path(os.environ.get("PERDURE_BUILD", ROOT / "build/dev")) / program
    if not binary.exists():
        raise FileNotFoundError(f"{binary}: build the target {program} first")
    text = "".join(json.dumps(case) + "\n" for case in cases)
    done = subprocess.run([binary], input=text.encode(), stdout=subprocess.PIPE, check=True)
    answers = [json.loads(line) for line in done.stdout.decode().splitlines()]
    assert len(answers) == len(cases)
    return answers
