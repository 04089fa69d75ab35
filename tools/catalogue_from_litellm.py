#!/usr/bin/env python3
"""Facts about models from a LiteLLM price file, in the format of the catalogue (docs/reference/catalogue.md).

LiteLLM publishes model_prices_and_context_window.json (MIT). Given a copy of it, this tool

  refreshes a catalogue: every model whose "source" is "litellm:KEY" gets the facts of that entry. Names, rules, notes,
  what stands in "by_hand" and whatever the entry does not speak of stay as they are. Suppliers stay as they are.

    catalogue_from_litellm.py prices.json --date 2026-08-01 --base catalogue/catalogue.json --out catalogue/catalogue.json

  makes an owner's document of chosen models, to be laid over the catalogue:

    catalogue_from_litellm.py prices.json --date 2026-08-01 --add groq:qwen/qwen3-32b=groq/qwen/qwen3-32b > mine.json

  checks a catalogue: whether other entries of the file that its rules (prefixes, suffixes, aliases) cover have the
  same prices, so that no rule gives a model the price of another. Exit code 1 if not.

    catalogue_from_litellm.py prices.json --base catalogue/catalogue.json --check-rules

Prices are never floating point here either: they are read and multiplied as decimals.
"""
import argparse
import decimal
import json
import re
import sys

ORIGIN = "BerriAI/litellm model_prices_and_context_window.json (MIT)"
CAPABILITIES = {
    "tools": "supports_function_calling", "parallel_tools": "supports_parallel_function_calling",
    "images": "supports_vision", "files": "supports_pdf_input", "reasoning": "supports_reasoning",
    "prefill": "supports_assistant_prefill", "structured_output": "supports_response_schema",
    "caching": "supports_prompt_caching", "streaming": "supports_native_streaming",
}
RATES = {
    "input": "input_cost_per_token", "cached_input": "cache_read_input_token_cost",
    "cache_write": "cache_creation_input_token_cost", "output": "output_cost_per_token",
    "reasoning": "output_cost_per_reasoning_token",
}
# Which of LiteLLM's names for a supplier stand for which supplier of the catalogue; for --check-rules.
SUPPLIERS = {
    "openai": "openai", "azure": "azure_openai", "anthropic": "anthropic", "bedrock_converse": "bedrock", "gemini": "gemini",
    "vertex_ai-language-models": "vertex", "vertex_ai-anthropic_models": "vertex", "xai": "xai", "mistral": "mistral",
    "groq": "groq", "deepseek": "deepseek", "moonshot": "moonshot", "dashscope": "dashscope", "zai": "zai",
    "cohere_chat": "cohere", "cerebras": "cerebras", "perplexity": "perplexity", "minimax": "minimax",
}
MODEL_LINES = [["supplier", "name", "aliases", "prefixes", "suffixes"], ["context_tokens", "output_tokens_max"],
               ["capabilities"], ["price"], ["retires", "source", "by_hand", "note"]]
SUPPLIER_LINES = [["name", "aliases", "title", "party", "region"], ["base_url", "dialect", "auth", "auth_header"], ["also"],
                  ["key_env", "chat", "prefill"], ["limits"], ["context_tokens", "output_tokens_max", "capabilities"],
                  ["docs", "note"]]


def number(value):
    """A decimal as JSON: plain, without an exponent and without zeros at its end."""
    text = format(value.normalize(), "f")
    return text if "." not in text else text.rstrip("0").rstrip(".")


def dumps(value):
    if isinstance(value, decimal.Decimal):
        return number(value)
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(k)}: {dumps(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(dumps(v) for v in value) + "]"
    return json.dumps(value, ensure_ascii=False)


def entry_text(entry, lines):
    unknown = set(entry) - {key for line in lines for key in line}
    if unknown:
        raise SystemExit(f"fields without a place in the layout: {sorted(unknown)}")
    written = [", ".join(f"{json.dumps(key)}: {dumps(entry[key])}" for key in line if key in entry) for line in lines]
    return "    {" + ",\n     ".join(line for line in written if line) + "}"


def document_text(document):
    head = [f"  {json.dumps(key)}: {dumps(document[key])}" for key in ("format", "date", "origin", "note") if key in document]
    for key, lines in (("suppliers", SUPPLIER_LINES), ("models", MODEL_LINES)):
        if document.get(key):
            head.append(f'  "{key}": [\n' + ",\n".join(entry_text(e, lines) for e in document[key]) + "\n  ]")
    return "{\n" + ",\n".join(head) + "\n}\n"


def million(value):
    return decimal.Decimal(value) * 1_000_000


def rates_of(entry, ending=""):
    found = {name: million(entry[key + ending]) for name, key in RATES.items() if entry.get(key + ending) is not None}
    # Writing to a cache is never free where reading is not: a zero says that it is not billed by itself.
    if found.get("cache_write") == 0:
        del found["cache_write"]
    if found.get("reasoning") == found.get("output"):
        found.pop("reasoning", None)
    return found


def price_of(entry):
    if entry.get("tiered_pricing"):
        tiers = sorted(entry["tiered_pricing"], key=lambda tier: tier["range"][0])
        price = {"per_million": rates_of(tiers[0])}
        if len(tiers) > 1:
            price["above"] = [{"input_tokens": int(t["range"][0]), "per_million": rates_of(t)} for t in tiers[1:]]
    else:
        price = {"per_million": rates_of(entry)}
        bands = sorted({int(m[1]) for key in entry for m in [re.fullmatch(r"\w+?_above_(\d+)k_tokens", key)] if m})
        above = [{"input_tokens": band * 1000, "per_million": rates_of(entry, f"_above_{band}k_tokens")} for band in bands]
        above = [band for band in above if band["per_million"]]
        if above:
            price["above"] = above
    return price if {"input", "output"} <= set(price["per_million"]) else None


def refresh(model, entry):
    by_hand = set(model.get("by_hand", []))

    def put(key, value):
        if value is not None and key not in by_hand:
            model[key] = value

    for key, name in (("context_tokens", "max_input_tokens"), ("output_tokens_max", "max_output_tokens")):
        put(key, int(entry[name]) if entry.get(name) else None)
    known = dict(model.get("capabilities", {}))
    for name, key in CAPABILITIES.items():
        if isinstance(entry.get(key), bool) and name not in by_hand:
            known[name] = entry[key]
    if "caching" not in known and entry.get("cache_read_input_token_cost"):
        known["caching"] = True
    known = {name: known[name] for name in CAPABILITIES if name in known}
    if known:
        model["capabilities"] = known
    price = price_of(entry)
    if price is not None and "price" not in by_hand:
        kept = {key: value for key, value in (model.get("price") or {}).items() if key == "not_counted"}
        model["price"] = price | kept
    retires = entry.get("deprecation_date")
    put("retires", retires if retires and re.fullmatch(r"\d{4}-\d\d-\d\d", retires) else None)


def answers_to(model, name):
    if name in [model["name"], *model.get("aliases", [])]:
        return True
    for prefix in ["", *model.get("prefixes", [])]:
        head = prefix + model["name"]
        if name == head:
            return True
        for suffix in model.get("suffixes", []):
            if name.startswith(head) and re.fullmatch(re.escape(suffix).replace(r"\#", "[0-9]"), name[len(head):]):
                return True
    return False


def check_rules(document, prices):
    """Every entry of the file that the catalogue answers to by a rule must cost what the catalogue says it costs."""
    exact = {(m["supplier"], n) for m in document["models"] for n in [m["name"]]}
    checked = wrong = 0
    for key, entry in prices.items():
        supplier = SUPPLIERS.get(entry.get("litellm_provider"))
        if supplier is None or entry.get("mode") not in ("chat", "responses"):
            continue
        name = key.split("/", 1)[1] if key.split("/")[0] in ("azure", "gemini", "vertex_ai", supplier) else key
        if (supplier, name) in exact:
            continue
        found = [m for m in document["models"] if m["supplier"] == supplier and answers_to(m, name)]
        if not found:
            continue
        model = max(found, key=lambda m: len(m["name"]))
        checked += 1
        want, have = price_of(entry), model.get("price")
        if want is None or have is None or "price" in model.get("by_hand", []):
            continue
        if want != {k: v for k, v in have.items() if k in ("per_million", "above")}:
            wrong += 1
            print(f"{key}: {dumps(want)}, but the rules of {supplier}/{model['name']} say {dumps(have)}")
    print(f"{checked} names by rule, {wrong} with another price")
    return 1 if wrong else 0


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("prices", help="LiteLLM's model_prices_and_context_window.json")
    parser.add_argument("--date", help="the day of that file, YYYY-MM-DD")
    parser.add_argument("--origin", default=ORIGIN, help="what is written as origin of a new document")
    parser.add_argument("--base", help="a catalogue to refresh or check")
    parser.add_argument("--add", action="append", default=[], metavar="SUPPLIER:NAME=KEY", help="a model and its entry")
    parser.add_argument("--check-rules", action="store_true", help="compare what the rules of the base cover")
    parser.add_argument("--out", help="where to write; else standard output")
    options = parser.parse_args()

    with open(options.prices, encoding="utf-8") as file:
        prices = json.load(file, parse_float=decimal.Decimal)
    prices.pop("sample_spec", None)
    document = {"format": 1, "date": options.date, "origin": options.origin, "models": []}
    if options.base:
        with open(options.base, encoding="utf-8") as file:
            document = json.load(file, parse_float=decimal.Decimal)
    if options.check_rules:
        return check_rules(document, prices)
    if not options.date or not re.fullmatch(r"\d{4}-\d\d-\d\d", options.date):
        raise SystemExit("--date: the day of the price file, YYYY-MM-DD")
    document["date"] = options.date
    for chosen in options.add:
        match = re.fullmatch(r"([^:]+):(.+)=([^=]+)", chosen)
        if not match:
            raise SystemExit(f"--add {chosen}: must be SUPPLIER:NAME=KEY")
        document["models"].append({"supplier": match[1], "name": match[2], "source": "litellm:" + match[3]})
    missing = []
    for model in document["models"]:
        source = model.get("source", "")
        if not source.startswith("litellm:"):
            continue
        entry = prices.get(source.removeprefix("litellm:"))
        if entry is None:
            missing.append(source)
        else:
            refresh(model, entry)
    if missing:
        print("not in the price file, left as they were: " + ", ".join(missing), file=sys.stderr)
    text = document_text(document)
    if options.out:
        with open(options.out, "w", encoding="utf-8") as file:
            file.write(text)
    else:
        sys.stdout.write(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
