#!/usr/bin/env python3
"""tools/catalogue_from_litellm.py: what it makes of a price file, what it leaves alone, and that the shipped catalogue is
what it makes of its origin (skipped where that file is absent; PERDURE_SHARED_DATA names its folder)."""
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
TOOL = ROOT / "tools/catalogue_from_litellm.py"
SHIPPED = ROOT / "catalogue/catalogue.json"
ORIGIN = pathlib.Path(os.environ.get("PERDURE_SHARED_DATA", ROOT / "../shared/data")) / "litellm/model_prices_and_context_window.json"

PRICES = """{
  "sample_spec": {"input_cost_per_token": 0.0},
  "groq/a": {"litellm_provider": "groq", "mode": "chat", "input_cost_per_token": 1.1e-07, "output_cost_per_token": 3.0001999999999996e-07,
             "cache_read_input_token_cost": 5.5e-08, "cache_creation_input_token_cost": 0.0, "output_cost_per_reasoning_token": 3.0001999999999996e-07,
             "max_input_tokens": 2000000.0, "max_output_tokens": 100, "supports_function_calling": true, "supports_vision": false,
             "supports_assistant_prefill": true, "input_cost_per_token_above_128k_tokens": 2.2e-07, "input_cost_per_token_above_128k_tokens_priority": 1,
             "deprecation_date": "2027-01-31"},
  "groq/tiers": {"litellm_provider": "groq", "mode": "chat", "tiered_pricing": [
      {"range": [32000.0, 64000.0], "input_cost_per_token": 2e-06, "output_cost_per_token": 4e-06},
      {"range": [0, 32000.0], "input_cost_per_token": 1e-06, "output_cost_per_token": 2e-06}]},
  "groq/a-2026": {"litellm_provider": "groq", "mode": "chat", "input_cost_per_token": 9e-07, "output_cost_per_token": 3e-07}
}"""


def run(*arguments, **options):
    return subprocess.run([sys.executable, TOOL, *map(str, arguments)], capture_output=True, text=True, **options)


class FromLitellm(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.prices = self.folder / "prices.json"
        self.prices.write_text(PRICES)

    def test_chosen_models_become_a_document(self):
        made = run(self.prices, "--date", "2026-08-01", "--add", "groq:a=groq/a", "--add", "groq:t=groq/tiers", check=True).stdout
        # Numbers are compared as they are written.
        document = json.loads(made, parse_float=str, parse_int=str)
        a, tiers = document["models"]
        self.assertEqual(document["date"], "2026-08-01")
        self.assertIn("litellm", document["origin"])
        self.assertEqual(a["price"], {"per_million": {"input": "0.11", "cached_input": "0.055", "output": "0.30001999999999996"},
                                      "above": [{"input_tokens": "128000", "per_million": {"input": "0.22"}}]})
        self.assertEqual(a["capabilities"], {"tools": True, "images": False, "prefill": True, "caching": True})
        self.assertEqual((a["context_tokens"], a["output_tokens_max"], a["retires"]), ("2000000", "100", "2027-01-31"))
        self.assertEqual(tiers["price"], {"per_million": {"input": "1", "output": "2"},
                                          "above": [{"input_tokens": "32000", "per_million": {"input": "2", "output": "4"}}]})

    def test_what_was_written_by_hand_stays(self):
        base = self.folder / "base.json"
        model = {"supplier": "groq", "name": "a", "aliases": ["b"], "suffixes": ["-####"], "context_tokens": 1, "source": "litellm:groq/a",
                 "capabilities": {"prefill": False, "files": True}, "by_hand": ["prefill"], "note": "n",
                 "price": {"per_million": {"input": 7}, "not_counted": ["requests"]}}
        gone = {"supplier": "groq", "name": "gone", "context_tokens": 5, "source": "litellm:groq/gone"}
        base.write_text(json.dumps({"format": 1, "date": "2020-01-01", "origin": "mine", "note": "kept",
                                    "suppliers": [{"name": "groq", "base_url": "https://x", "dialect": "chat", "auth": "none"}],
                                    "models": [model, gone]}))
        done = run(self.prices, "--date", "2026-08-01", "--base", base, "--out", base, check=True)
        self.assertIn("litellm:groq/gone", done.stderr)
        document = json.loads(base.read_text())
        self.assertEqual((document["date"], document["origin"], document["note"]), ("2026-08-01", "mine", "kept"))
        self.assertEqual(document["suppliers"][0]["base_url"], "https://x")
        fresh = document["models"][0]
        self.assertEqual(fresh["capabilities"], {"tools": True, "images": False, "files": True, "prefill": False, "caching": True})
        self.assertEqual(fresh["price"]["per_million"]["input"], 0.11)
        self.assertEqual(fresh["price"]["not_counted"], ["requests"])
        self.assertEqual((fresh["context_tokens"], fresh["aliases"], fresh["note"]), (2000000, ["b"], "n"))
        self.assertEqual(document["models"][1], gone)

        checked = run(self.prices, "--base", base, "--check-rules")
        self.assertEqual(checked.returncode, 1, "a-2026 costs something else than a")
        self.assertIn("groq/a-2026", checked.stdout)

    def test_a_date_is_needed(self):
        self.assertNotEqual(run(self.prices, "--add", "groq:a=groq/a").returncode, 0)
        self.assertNotEqual(run(self.prices, "--date", "2026-08-01", "--add", "groq/a").returncode, 0)

    @unittest.skipUnless(ORIGIN.is_file(), f"no price file at {ORIGIN}")
    def test_the_shipped_catalogue_is_made_from_its_origin(self):
        date = json.loads(SHIPPED.read_text(encoding="utf-8"))["date"]
        made = run(ORIGIN, "--date", date, "--base", SHIPPED, check=True)
        self.assertEqual(made.stderr, "")
        self.assertEqual(made.stdout, SHIPPED.read_text(encoding="utf-8"))
        checked = run(ORIGIN, "--base", SHIPPED, "--check-rules")
        self.assertEqual(checked.returncode, 0, checked.stdout)


if __name__ == "__main__":
    unittest.main()
