"""The traps of wire formats that translators fall into, and the tests that are named after them. A trap that is not a translator's has its
reason here; every other one needs a test that ran and passed."""
import json
import pathlib
import re
import subprocess
import tempfile

TRAPS = {
    1: "parallel results in one turn, directly behind their calls", 2: "reasoning, then text, then calls", 3: "results of tools stay results",
    4: "turns alternate, the user begins", 5: "empty text is left out", 6: "where the system prompt has its place", 7: "ids of calls, and back",
    8: "tool choice", 9: "unknown tools are refused", 10: "JSON Schema in each dialect", 11: "arguments as text and as objects",
    12: "images in each dialect", 13: "limits on the output and on thinking", 14: "refusals", 15: "thinking goes back byte for byte",
    16: "signatures within their block", 17: "Gemini's signatures on calls", 18: "reasoning goes with its item", 19: "whose block it is",
    20: "errors after 200", 21: "a stream that dies has no ending", 22: "open blocks and indexes", 23: "arguments that come at once",
    24: "events of Responses", 25: "event streams of AWS", 26: "signed as it is sent", 27: "stop reasons", 28: "the ways of SSE",
    29: "usage counted once", 30: "usage is cumulative", 31: "a client that leaves", 32: "prefixes stay stable", 33: "tokens are counted, not guessed",
    34: "streamed is stored", 35: "chains at full depth", 36: "conversation and previous response", 37: "prefill", 38: "seams",
    39: "retries of SDKs"}
BINARIES = ["dialect_test", "wire_test", "provider_test", "generation_test", "gateway_test"]  # where such tests are, beside this folder's
NOT_A_TRANSLATORS = {
    31: "whether an answer goes on when its reader leaves is decided by the gateway, which cancels what is not stored",
    35: "chains, their storage and deletes are the session's; no dialect sees them",
    36: "both are resolved to one context before a dialect is asked",
    39: "idempotency keys are the session's",
}


def traps_of(name):
    return {int(n) for n in re.findall(r"(?:^|_|(?<=\d))T(\d{1,2})(?!\d)", name.split(".", 1)[1])}


def listed(root):
    """trap -> names of tests in the sources."""
    out = {n: [] for n in TRAPS}
    for folder in ["src/dialect", "src/wire", "src/provider", "src/generation", "src/gateway", "tests/fidelity"]:
        for path in sorted((root / folder).glob("*_test.cc")):
            for suite, name in re.findall(r"^TEST(?:_F)?\((\w+), (\w+)\)", path.read_text(), re.MULTILINE):
                for n in traps_of(f"{suite}.{name}"):
                    out[n].append(f"{suite}.{name}")
    return out


def tests_in(binary):
    listed = subprocess.run([binary, "--gtest_list_tests"], capture_output=True, text=True, cwd=binary.parent.parent.parent)
    suite, out = "", []
    for line in listed.stdout.splitlines():
        line = line.split("#")[0].rstrip()
        if line and not line.startswith(" "):
            suite = line
        elif line.strip():
            out.append(suite + line.strip())
    return [name for name in out if "." in name and traps_of(name)]


def run(build, said):
    """trap -> names of tests that passed; what differs; how many ran. `said`: what the tests of this folder printed, which ran already."""
    passed, differ, ran, skipped = {n: [] for n in TRAPS}, [], 0, set()
    for name in re.findall(r"^\[ +OK \] (\S+)", said, re.MULTILINE):
        ran += bool(traps_of(name))
        for n in traps_of(name):
            passed[n].append(name)
    for binary in [pathlib.Path(build) / name for name in BINARIES]:
        if not binary.exists():
            differ.append(f"{binary} is not built")
            continue
        names = tests_in(binary)
        with tempfile.NamedTemporaryFile(suffix=".json") as out:
            subprocess.run([binary, "--gtest_filter=" + ":".join(names), f"--gtest_output=json:{out.name}"], capture_output=True,
                           cwd=binary.parent.parent.parent)
            text = pathlib.Path(out.name).read_text()
        if not text:
            differ.append(f"{binary.name} did not come to its end")
            continue
        for suite in json.loads(text)["testsuites"]:
            for test in suite["testsuite"]:
                name = f"{suite['name']}.{test['name']}"
                ran += 1
                if test.get("failures"):
                    differ.append(f"{name}: {test['failures'][0]['failure'][:500]}")
                elif test["result"] != "COMPLETED":
                    skipped.add(name)
                else:
                    for n in traps_of(name):
                        passed[n].append(name)
    skipped.update(re.findall(r"^\[  SKIPPED \] (\S+)", said, re.MULTILINE))
    for n, names in listed(pathlib.Path(build).resolve().parent.parent).items():
        differ += [f"{name} did not run" for name in names if name not in passed[n] and name not in skipped]
    for n in TRAPS:
        if not passed[n] and n not in NOT_A_TRANSLATORS:
            differ.append(f"T{n} ({TRAPS[n]}) has no test that is named after it")
    return passed, differ, ran


def render(tests):
    lines = ["| trap | | tests |", "| --- | --- | --- |"]
    for n, title in TRAPS.items():
        names = ", ".join(f"`{name}`" for name in sorted(tests[n])) or NOT_A_TRANSLATORS.get(n, "")
        lines.append(f"| T{n} | {title} | {names} |")
    return "\n".join(lines)
