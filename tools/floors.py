#!/usr/bin/env python3
"""The rules of the house that a compiler does not check.

Who may include whom (the table below must be the one of docs/architecture.md, and of the modules that there are), which
file touches Boost, who reads clocks and randomness, how long a file may be, and leftovers: tabs, FIXME, sources in no
target, markdown links to nothing.

floors.py           checks; prints each violation and exits 1 if there is one
floors.py --report  also prints the include graph, module by module
"""
import argparse
import collections
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent

FLOORS = {
    "app": 7,
    "gateway": 6, "simulate": 6, "cli": 6,
    "session": 4,
    "generation": 3,
    "routing": 2, "provider": 2, "access": 2, "store": 2,
    "http": 1, "async": 1, "dialect": 1, "catalogue": 1,
    "model": 0, "wire": 0, "base": 0,
}
# On one floor, only these.
ARROWS = {
    ("cli", "simulate"),
    ("routing", "provider"), ("routing", "access"), ("routing", "store"),
    ("access", "store"),
    ("http", "async"),
    ("model", "wire"), ("model", "base"), ("wire", "base"),
}
# Lower floors that a module stays away from all the same.
APART = {("simulate", "dialect"): "simulated suppliers share no parser with the product",
         ("simulate", "session"): "a simulated supplier stands outside the product",
         ("simulate", "generation"): "a simulated supplier stands outside the product",
         ("simulate", "store"): "a simulated supplier stands outside the product"}
# Interfaces sit at the top of these modules; what is in their subfolders is linked by app (and tests) only.
INTERCHANGEABLE = {"store"}

BOOST = re.compile(r'#\s*include\s*<boost/')
BOOST_HOME = "src/http/message_parser.cc"
AMBIENT = re.compile(r'\b(?:system_clock|steady_clock|high_resolution_clock|utc_clock)::now\b|(?<![\w.>:])(?:std::|::)?time\s*\(\s*(?:0|NULL|nullptr|&)'
                     r'|(?<![\w.>])(?:std::|::)?s?rand\s*\(\s*\)|\brandom_device\b|\bgetrandom\s*\(|\bgetentropy\s*\(|\barc4random|\bRAND_bytes\b'
                     r'|\bclock_gettime\s*\(|\bgettimeofday\s*\(|\bmt19937')
AMBIENT_HOMES = ("src/base/system.cc", "src/async/epoll_loop.cc", "src/app/", "src/cli/")
# A file that is longer answers more than one question.
LINES_MAX = 600
ROW = re.compile(r'^\| (\d+) \| \[(\w+)\]\(\.\./src/(\w+)/README\.md\) \|', re.M)
INCLUDE = re.compile(r'^\s*#\s*include\s*"([^"]+)"')
LINK = re.compile(r'(?<!!)\[[^\]]*\]\(([^)\s]+)[^)]*\)')


def tracked_or_new():
    out = subprocess.run(["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"], cwd=ROOT, check=True,
                         capture_output=True).stdout.decode()
    return sorted({p for p in out.split("\0") if p and (ROOT / p).is_file()})


def without_comments(line):
    return re.sub(r'//.*', '', re.sub(r'"(?:\\.|[^"\\])*"', '""', line)) if '#' not in line[:2] else line


def check_include(path, module, target, where, wrong, graph):
    other = target.split("/")[0]
    if module is None and (ROOT / path).parent.joinpath(target).is_file():
        return
    if "/" not in target:
        wrong(where, f'"{target}": includes name their module')
        return
    if not (ROOT / "src" / target).is_file():
        if not (ROOT / target).is_file():
            wrong(where, f'"{target}" does not exist')
        return
    if other not in FLOORS:
        wrong(where, f'module {other} has no floor')
        return
    if module is None:
        return
    graph[module][other] += 1
    name = path.name
    test_only = name.endswith(("_test.cc", "_fuzz.cc", "_bench.cc")) or "testing" in path.parts
    if other == module:
        return
    why = APART.get((module, other))
    if why:
        wrong(where, f'{module} includes {target}: {why}')
    elif FLOORS[other] > FLOORS[module]:
        wrong(where, f'{module} (floor {FLOORS[module]}) includes {target} (floor {FLOORS[other]})')
    elif FLOORS[other] == FLOORS[module] and (module, other) not in ARROWS:
        wrong(where, f'{module} and {other} are on floor {FLOORS[module]} and no arrow allows {target}')
    if "/testing/" in target and not test_only:
        wrong(where, f'{target} is for tests')
    if other in INTERCHANGEABLE and target.count("/") > 1 and "/testing/" not in target and module != "app" and not test_only:
        wrong(where, f'{target}: implementations are known to app only')


def check_table(wrong):
    there = {path.name for path in (ROOT / "src").iterdir() if path.is_dir()}
    for module in sorted(FLOORS.keys() - there):
        wrong("tools/floors.py", f"there is no module {module}")
    told = {module: int(floor) for floor, module, folder in ROW.findall((ROOT / "docs/architecture.md").read_text())}
    for module in sorted(FLOORS.keys() | told.keys()):
        if FLOORS.get(module) != told.get(module):
            wrong("docs/architecture.md", f"module {module} is on floor {told.get(module)}, and here on {FLOORS.get(module)}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--report", action="store_true", help="print the include graph as well")
    options = parser.parse_args()

    violations = []
    graph = collections.defaultdict(collections.Counter)

    def wrong(where, what):
        violations.append(f"{where}: {what}")

    check_table(wrong)
    files = tracked_or_new()
    cmake = "\n".join((ROOT / f).read_text() for f in files if f.endswith(("CMakeLists.txt", ".cmake")))
    globbed = set(re.findall(r'perdure_module\((\S+)', cmake))
    sources = 0
    for name in files:
        path = pathlib.Path(name)
        if path.suffix in (".cc", ".h") and path.parts[0] in ("src", "tests", "bench"):
            sources += 1
            module = path.parts[1] if path.parts[0] == "src" else None
            if module is not None and module not in FLOORS:
                wrong(name, f"module {module} has no floor")
                continue
            if path.suffix == ".cc":
                folder = "/".join(path.parts[1:-1])
                helper = folder.removesuffix("/testing")
                if not (module and (folder in globbed or helper in globbed)) and name not in cmake and path.name not in cmake:
                    wrong(name, "is in no target")
            lines = (ROOT / path).read_text(errors="replace").splitlines()
            if len(lines) > LINES_MAX:
                wrong(name, f"{len(lines)} lines, and {LINES_MAX} are the most: split it by what it answers")
            for number, line in enumerate(lines, 1):
                where = f"{name}:{number}"
                if "\t" in line:
                    wrong(where, "tab")
                if "FIXME" in line:
                    wrong(where, "FIXME")
                included = INCLUDE.match(line)
                if included:
                    check_include(path, module, included[1], where, wrong, graph)
                    continue
                if module is None:
                    continue
                if BOOST.search(line) and name != BOOST_HOME and not name.endswith("_fuzz.cc"):
                    wrong(where, f"only {BOOST_HOME} includes Boost, and fuzz drivers as a judge")
                if not name.startswith(AMBIENT_HOMES) and AMBIENT.search(without_comments(line)):
                    wrong(where, "time and randomness come in through base/time.h and base/random.h")
        elif path.suffix == ".py" or path.name in ("CMakeLists.txt",) or path.suffix == ".cmake" or \
                (path.parts[0] == "tools" and path.suffix == ""):
            for number, line in enumerate((ROOT / path).read_text(errors="replace").splitlines(), 1):
                if "\t" in line:
                    wrong(f"{name}:{number}", "tab")
                if "FIX" + "ME" in line and name != "tools/floors.py":
                    wrong(f"{name}:{number}", "FIX" + "ME")
        elif path.suffix == ".md":
            fenced = False
            for number, line in enumerate((ROOT / path).read_text(errors="replace").splitlines(), 1):
                fenced ^= line.lstrip().startswith("```")
                if fenced:
                    continue
                for link in LINK.findall(re.sub(r'`[^`]*`', '', line)):
                    target = link.split("#")[0]
                    if not target or re.match(r'[a-z]+:', target):
                        continue
                    if not ((ROOT / path).parent / target).exists():
                        wrong(f"{name}:{number}", f"link to nothing: {link}")

    if options.report:
        for module in sorted(FLOORS, key=lambda m: (-FLOORS[m], m)):
            if module in graph:
                arrows = ", ".join(f"{other} {count}" for other, count in sorted(graph[module].items()) if other != module)
                print(f"{FLOORS[module]} {module:11} -> {arrows or '(nothing)'}")
    for violation in violations:
        print(violation)
    print(f"floors: {sources} sources, {len(violations)} violations")
    return 1 if violations else 0


if __name__ == "__main__":
    sys.exit(main())
