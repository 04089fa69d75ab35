#!/usr/bin/env python3
"""Writes the lists of docs/reference/catalogue.md from catalogue/catalogue.json, between their markers.

catalogue_docs.py            rewrites the document
catalogue_docs.py --check    exit code 1 if it is not what would be written
"""
import collections
import json
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
DOCUMENT = ROOT / "docs/reference/catalogue.md"


def suppliers(catalogue):
    listed = collections.Counter(model["supplier"] for model in catalogue["models"])
    yield "| name | | dialects | base URL | key in | models |"
    yield "| --- | --- | --- | --- | --- | --- |"
    for s in catalogue["suppliers"]:
        names = ", ".join(f"`{name}`" for name in [s["name"], *s.get("aliases", [])])
        dialects = ", ".join([s["dialect"], *(other["dialect"] for other in s.get("also", []))])
        key = f"`{s['key_env'][0]}`" if s.get("key_env") else ""
        yield f"| {names} | [{s['title']}]({s['docs']}) | {dialects} | `{s['base_url']}` | {key} | {listed[s['name']] or ''} |"


def summary(catalogue):
    bands = sum("above" in model.get("price", {}) for model in catalogue["models"])
    yield (f"Built in: {len(catalogue['suppliers'])} suppliers and {len(catalogue['models'])} models, of {catalogue['date']}. "
           f"{bands} of the models cost more above a number of input tokens.")


def written(text, catalogue):
    for name, lines in (("suppliers", suppliers), ("summary", summary)):
        marked = re.compile(rf"(<!-- {name}: written by tools/catalogue_docs.py -->\n).*?(<!-- end -->)", re.S)
        if not marked.search(text):
            raise SystemExit(f"{DOCUMENT.name} has no place for {name}")
        body = "\n".join(lines(catalogue)) + "\n"
        text = marked.sub(lambda match: match[1] + body + match[2], text)
    return text


def main():
    catalogue = json.loads((ROOT / "catalogue/catalogue.json").read_text(encoding="utf-8"))
    old = DOCUMENT.read_text(encoding="utf-8")
    new = written(old, catalogue)
    if "--check" in sys.argv[1:]:
        if new != old:
            print("docs/reference/catalogue.md is not what tools/catalogue_docs.py writes: run it")
        return int(new != old)
    DOCUMENT.write_text(new, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
