"""What a reader would hold against a seam. Pure: text in, words out. judge_test.py holds it to examples."""
import ast
import json
import re

REFUSAL = re.compile(r"\b(I(?:'m| am) (?:sorry|unable)|I can(?:no|')t (?:help|assist|continue|do)|as an AI)\b", re.I)
PREFACE = re.compile(r"^\s*(?:sure|certainly|of course|here(?:'s| is)|i'll (?:just )?continue|continuing|apologies|sorry for)\b", re.I)
COMMON = {
    "en": {"the", "and", "of", "to", "in", "is", "that", "was", "with", "for"},
    "de": {"der", "die", "und", "das", "ist", "nicht", "ein", "eine", "mit", "von", "zu", "den"},
    "fr": {"le", "la", "les", "et", "des", "est", "une", "un", "dans", "que", "pour", "du"},
    "es": {"el", "la", "los", "y", "de", "que", "en", "un", "una", "es", "por", "con"},
}
REPEATED_WORDS_MIN = 6


def words(text):
    return re.findall(r"\w+", text.lower())


def language(text):
    found = words(text)
    scores = {name: sum(word in common for word in found) for name, common in COMMON.items()}
    best = max(scores, key=scores.get)
    return best if scores[best] >= 3 else None


def repeated(held, rest):
    """The longest run of words at the start of the rest that stands in what was held already."""
    before, after = words(held), words(rest)[:60]
    longest = 0
    for start in range(min(12, len(after))):
        for at in range(len(before)):
            n = 0
            while start + n < len(after) and at + n < len(before) and after[start + n] == before[at + n]:
                n += 1
            longest = max(longest, n)
    return longest


def python_of(text):
    """The code in a text: inside its first fence, else all of it."""
    fenced = re.search(r"```(?:python)?\n(.*?)(?:```|\Z)", text, re.S)
    return fenced.group(1) if fenced else text


def parses(text):
    try:
        ast.parse(python_of(text))
        return True
    except (SyntaxError, ValueError):
        return False


def is_json(text, keys=()):
    try:
        value = json.loads(text)
    except ValueError:
        return False
    return isinstance(value, dict) and set(keys) <= set(value)


def faults(kind, held, whole, uncut, expected_language=None, keys=()):
    """Names of what is wrong with `whole`, an answer of which `held` had been shown. `uncut`: the first model's own."""
    if not whole.startswith(held):
        return ["lost"]  # what had been shown is not there any more: never acceptable
    rest, wrong = whole[len(held):], []
    if not rest.strip():
        return ["ended"]  # nothing was added: the answer ends as what it is, unfinished
    if REFUSAL.search(rest[:200]):
        wrong.append("refusal")
    if PREFACE.search(rest):
        wrong.append("preface")
    if repeated(held, rest) >= REPEATED_WORDS_MIN and repeated(held, uncut[len(held):]) < REPEATED_WORDS_MIN:
        wrong.append("duplication")
    if kind == "prose" and held[-1:].islower() and rest[:1].isupper():
        wrong.append("join")  # two words run into one
    if kind == "prose":
        # A sentence that was begun and never ended: the rest begins a new one.
        if held[-1:].isalnum() and re.match(r"\s*\n\s*[A-Z]|\s+[A-Z][a-z]+ [a-z]+ing the\b", rest) and not re.search(r"[.!?:]\s*$", held):
            wrong.append("omission")
        if expected_language and language(rest) not in (None, expected_language):
            wrong.append("language")
    if kind == "code":
        if len(re.findall(r"^```", whole, re.M)) > max(2, len(re.findall(r"^```", uncut, re.M))):
            wrong.append("fence")
        if parses(uncut) and not parses(whole):
            wrong.append("syntax")
    if kind == "json" and is_json(uncut, keys) and not is_json(whole, keys):
        wrong.append("schema")
    return wrong
