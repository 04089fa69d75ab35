"""python3 -m pytest tests/seam/judge_test.py"""
import judge

HELD = "The keeper climbed the stairs every evening to light the lamp, and"
UNCUT = HELD + " the ships were glad of it. Nobody knew his name."


def faults(rest, kind="prose", **more):
    return judge.faults(kind, HELD, HELD + rest, UNCUT, **more)


def test_a_good_seam_has_no_fault():
    assert faults(" he whistled while he did so.") == []


def test_what_was_shown_must_stay():
    assert judge.faults("prose", HELD, "Another answer.", UNCUT) == ["lost"]


def test_an_end_without_more_is_told_apart():
    assert faults("  \n") == ["ended"]


def test_duplication_is_seen():
    assert faults(" the keeper climbed the stairs every evening to light the lamp.") == ["duplication"]


def test_a_repetition_that_the_uncut_answer_has_too_is_no_fault():
    uncut = HELD + " again the keeper climbed the stairs every evening."
    assert judge.faults("prose", HELD, uncut, uncut) == []


def test_refusals_prefaces_and_new_sentences_are_seen():
    assert "refusal" in faults(" I'm sorry, I can't continue.")
    assert "preface" in faults("Sure, here is the rest: he whistled.")
    assert "omission" in faults("\nThe sea was calm that night.")


def test_words_that_run_into_one_are_seen():
    assert faults("I have to write a story.") == ["join"]


def test_another_language_is_seen():
    assert faults(" der Wind und das Meer ist nicht mit der Nacht.", expected_language="en") == ["language"]


def test_code_and_json_are_judged_by_their_parsers():
    held, uncut = "```python\ndef f(n):\n    return", "```python\ndef f(n):\n    return n + 1\n```"
    assert judge.faults("code", held, uncut, uncut) == []
    assert judge.faults("code", held, held + " n\n```python\ndef f(n):\n    return n\n```", uncut) == ["fence"]
    assert judge.faults("code", held, held + " (n\n```", uncut) == ["syntax"]
    held, uncut = '{"name": "Ada", ', '{"name": "Ada", "age": 36}'
    assert judge.faults("json", held, held + '"age": 3}', uncut, keys=("name", "age")) == []
    assert judge.faults("json", held, held + '{"name": "Ada"}', uncut, keys=("name", "age")) == ["schema"]
