"""The client of the quickstart: the official OpenAI SDK as it comes from PyPI, on Perdure.

    client.py ask URL MODEL TEXT                            a whole answer; prints it
    client.py stream URL MODEL TEXT LOG PREVIOUS TOKENS     a streamed one that goes on from PREVIOUS
    client.py resume URL ID AFTER LOG                       the rest of one, from the event after AFTER

A stream is shown as it comes. Each event is noted in LOG as "number, time, event", for the checks.
"""
import json
import sys
import time

import openai

INDENT = "        "


def show(text):
    sys.stdout.write(text.replace("\n", "\n" + INDENT))
    sys.stdout.flush()


def read(stream, log):
    """False: the connection broke."""
    last = None  # when text came last
    with open(log, "a") as out:
        try:
            for event in stream:
                now = time.monotonic()
                event = event.to_dict()
                out.write(f"{event['sequence_number']}\t{now:.6f}\t{json.dumps(event)}\n")
                out.flush()
                if event["type"] == "response.output_text.delta":
                    show(event["delta"])
                    last = now
                elif event["type"] == "x_perdure.seam":
                    show(f" ~~~~~[ {event['from']['provider']}: {event['outcome']}; {event['to']['provider']} goes on after "
                         f"{event['bytes_before']} bytes ]~~~~~ ")
        except Exception as error:  # whatever the SDK makes of a connection that breaks
            print(f"{type(error).__name__}: {error}", file=sys.stderr)
            return False
    return last is not None


def main():
    what, url, *words = sys.argv[1:]
    client = openai.OpenAI(base_url=f"{url}/v1", api_key="unused", max_retries=0, timeout=300)
    if what == "ask":
        model, text = words
        response = client.responses.create(model=model, input=text, temperature=0, max_output_tokens=100)
        print(json.dumps({"id": response.id, "status": response.status, "text": response.output_text}))
    elif what == "stream":
        model, text, log, previous, tokens = words
        # `include` is the API's own way to ask for more; what is asked for here is where the author changes.
        read(client.responses.create(model=model, input=text, previous_response_id=previous, temperature=0, stream=True,
                                     max_output_tokens=int(tokens), include=["x_perdure.seam"]), log)
    else:
        response, after, log = words
        if not read(client.responses.retrieve(response, stream=True, starting_after=int(after)), log):
            sys.exit("the resumed stream broke")


main()
