"""What the quickstart claims, checked: check.py RUN URL QUESTION LONG MODEL A_URL B_URL

- streamed = stored = fetched: the events before and after the crash have no gap and no double, add up to the stored text,
  and come again unchanged when the stream is read anew
- no character is lost or doubled: every author's part of the answer is exactly what that supplier says when it is asked
  directly, without Perdure, to go on from the same beginning (at temperature 0 both suppliers always say the same)
- the account names the suppliers, in order, and what the attempts cost

Prints the last line's figures.
"""
import difflib
import json
import sys
import urllib.request

run, url, question, long, model, *supplier_urls = sys.argv[1:]
with open(f"{run}/first.json") as file:
    first = json.load(file)["text"]
suppliers = dict(zip("AB", supplier_urls))


def call(address, body=None):
    data = json.dumps(body).encode() if body is not None else None
    with urllib.request.urlopen(urllib.request.Request(address, data, {"Content-Type": "application/json"}), timeout=300) as reply:
        return reply.read().decode()


def events(name):
    with open(f"{run}/{name}") as file:
        return [(int(n), float(at), json.loads(data)) for n, at, data in (line.split("\t", 2) for line in file)]


def replayed(response):
    out = []
    for line in call(f"{url}/v1/responses/{response}?stream=true").splitlines():
        if line.startswith("data: {"):
            out.append(json.loads(line[6:]))
    return out


def said_directly(supplier, beginning):
    """What a supplier says after `beginning`, asked without Perdure."""
    messages = [{"role": "user", "content": question}, {"role": "assistant", "content": first},
                {"role": "user", "content": long}]
    given = beginning.rstrip()  # no supplier takes a beginning that ends in white space
    if given:
        messages.append({"role": "assistant", "content": given})
    body = {"model": model, "messages": messages, "temperature": 0, "max_tokens": 240}
    text = json.loads(call(f"{suppliers[supplier]}/v1/chat/completions", body))["choices"][0]["message"]["content"]
    again = len(text) - len(text.lstrip())
    return text[min(again, len(beginning) - len(given)):]


before, after = events("before"), events("after")
streamed = [event for _, _, event in before + after]
numbers = [event["sequence_number"] for event in streamed]
assert numbers == list(range(len(numbers))), f"sequence numbers have a gap or a double: {numbers}"
assert after, "nothing was left after the restart"
response = streamed[0]["response"]["id"]
fetched = json.loads(call(f"{url}/v1/responses/{response}"))
assert fetched["status"] in ("completed", "incomplete"), f"it ended {fetched['status']}: {fetched.get('error')}"
if fetched["status"] == "incomplete":
    assert fetched["incomplete_details"]["reason"] == "max_output_tokens", fetched["incomplete_details"]
text = "".join(part.get("text", "") for item in fetched["output"] if item["type"] == "message" for part in item["content"])
deltas = "".join(event["delta"] for event in streamed if event["type"] == "response.output_text.delta")
assert deltas == text, "the streamed text is not the stored one"
assert [{**e, "response": None} for e in streamed] == [{**e, "response": None} for e in replayed(response)], \
    "the replay is not what was streamed"

account = json.loads(call(f"{url}/v1/x/responses/{response}"))
attempts = [(p["provider"], p["outcome"]) for p in account["placements"]]
assert attempts == [("A", "withdrawn"), ("B", "abandoned"), ("B", "completed")], f"the account says {attempts}"

# Who wrote what: from one seam to the next.
seams = [event for event in streamed if event["type"] == "x_perdure.seam"]
assert len(seams) == 2, f"{len(seams)} seams were told"
whole = text.encode()
bounds = [0, *[seam["bytes_before"] for seam in seams], len(whole)]
wrong = 0
for supplier, begin, end in zip("ABB", bounds, bounds[1:]):
    part, direct = whole[begin:end].decode(), said_directly(supplier, whole[:begin].decode())
    last = end == len(whole) and fetched["status"] == "completed"
    want = direct if last else direct[:len(part)]
    wrong += sum(max(b - a, d - c) for kind, a, b, c, d in difflib.SequenceMatcher(None, want, part, False).get_opcodes()
                 if kind != "equal")
    print(f"        bytes {begin} to {end} are {supplier}'s, as {supplier} says them by itself: {'yes' if want == part else 'NO'}",
          file=sys.stderr)

at = next(n for n, (_, _, event) in enumerate(before) if event["type"] == "x_perdure.seam")
is_text = [event["type"] == "response.output_text.delta" for _, _, event in before]
pause = next(before[n][1] for n in range(at, len(before)) if is_text[n]) - max(before[n][1] for n in range(at) if is_text[n])
# Nobody counts the tokens of an attempt that is cut off: its cost is an estimate, and the account says so.
cost = account.get("cost", {"totals":[],"exact":True})
shown = " + ".join(f"{total['with_estimates']} {total['currency']}" for total in cost["totals"]) or "not known"
if not cost["exact"]:
    shown += f" ({cost['attempts_estimated']} of {cost['attempts']} attempts estimated)"
names = len({p["provider"] for p in account["placements"]})
assert wrong == 0, f"{wrong} characters were lost or doubled"
print(f"1 answer, {names} suppliers, {wrong} characters lost or doubled, cost {shown}, pause {pause:.2f} s")
