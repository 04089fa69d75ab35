"""Our AWS codecs against AWS's own: signatures against botocore.auth, event streams against botocore.eventstream.

botocore reads event streams and does not write them, so in that direction the frames are packed here, by the published
format, and read by both.
"""
import binascii
import datetime
import random
import re
import struct
import urllib.parse
import zlib

import botocore.auth
import botocore.awsrequest
import botocore.credentials
import botocore.eventstream
import botocore.serialize
import botocore.session
import botocore.utils
import pytest

from filters import ask

PROGRAM = "perdure_wire_judge"
CASES = 800

UNRESERVED = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~"
AWKWARD = " :/+%&=?#@!$'()*,;[]\\\"<>^`{|}\u00e4\u20ac\U0001f600"


def word(rng, low, high, alphabet=UNRESERVED):
    return "".join(rng.choice(alphabet) for _ in range(rng.randint(low, high)))


# --- signatures ---

def some_path(rng):
    """A path as it goes over the wire: what a client would send, and now and then what only an odd one would."""
    kind = rng.random()
    if kind < 0.1:
        return "/"
    if kind < 0.4:
        partition = rng.choice(["aws", "aws-cn", "aws-us-gov"])
        model = rng.choice([
            f"arn:{partition}:bedrock:{word(rng, 3, 9)}:{rng.randint(10**11, 10**12 - 1)}:inference-profile/{word(rng, 3, 30)}:0",
            f"arn:{partition}:bedrock:eu-west-1::foundation-model/{word(rng, 3, 12)}.{word(rng, 3, 30)}-v2:0",
            f"{word(rng, 2, 9)}.{word(rng, 3, 30)}-v1:0",
        ])
        return "/model/" + urllib.parse.quote(model, safe="-._~") + rng.choice(["/converse", "/converse-stream", "/invoke", "/count-tokens"])
    segments = []
    for _ in range(rng.randint(1, 6)):
        segment = word(rng, 0, 8, UNRESERVED * 2 + AWKWARD) if rng.random() < 0.8 else rng.choice([".", "..", "", "a..b", ".hidden"])
        segments.append(urllib.parse.quote(segment, safe=rng.choice(["-._~", "-._~:@!$'()*,;+="])))
    return "/" + "/".join(segments) + rng.choice(["", "", "/"])


def some_query(rng):
    if rng.random() < 0.5:
        return ""
    keys = [word(rng, 1, 6, UNRESERVED + "\u00e4 ") for _ in range(3)]
    pairs = []
    for _ in range(rng.randint(1, 6)):
        key = urllib.parse.quote(rng.choice(keys), safe="-._~")
        value = urllib.parse.quote(word(rng, 0, 8, UNRESERVED + AWKWARD), safe="-._~")
        pairs.append(rng.choice([f"{key}={value}", f"{key}={value}", key, f"{key}="]))
    return "?" + "&".join(pairs)


def some_headers(rng):
    headers = []
    if rng.random() < 0.8:
        headers.append(("Content-Type", rng.choice(["application/json", "application/x-amz-json-1.1 ;  charset=utf-8"])))
    for _ in range(rng.randint(0, 5)):
        name = rng.choice(["X-Amz-Target", "x-amzn-bedrock-trace", "Accept", "User-Agent", "traceparent", "Connection", "TE",
                           "X-Amzn-Trace-Id", "My-Header", "my-header", word(rng, 1, 12, "abcdefgXYZ-0123_")])
        value = word(rng, 0, 20, UNRESERVED + "   \t,;=\"/\u00e4")
        headers.append((name, value))
    return headers


def some_call(rng):
    host = rng.choice(["bedrock-runtime.eu-central-1.amazonaws.com", "vpce-0a1b.bedrock-runtime.us-east-1.vpce.amazonaws.com",
                       "Bedrock.Example.COM", "127.0.0.1", "[2001:db8::1]"])
    scheme = rng.choice(["https", "http"])
    port = rng.choice(["", "", ":443", ":80", ":8443"])
    body = rng.choice([b"", b"{}", rng.randbytes(rng.randint(1, 300)), "{\"text\":\"\u00e4\u20ac\"}".encode()])
    token = rng.choice(["", "", word(rng, 20, 400, UNRESERVED + "/+=")])
    return {
        "method": rng.choice(["POST", "POST", "GET", "PUT", "DELETE"]),
        "url": f"{scheme}://{host}{port}",
        "target": some_path(rng) + some_query(rng),
        "headers": some_headers(rng),
        "body": body,
        "id": "AKIA" + word(rng, 4, 16, "ABCDEFGH234567"),
        "secret": word(rng, 1, 60, UNRESERVED + "/+="),
        "token": token,
        "region": rng.choice(["us-east-1", "eu-central-1", "us-gov-west-1", "cn-north-1"]),
        "service": rng.choice(["bedrock", "bedrock", "sts"]),
        "now_ms": rng.randint(0, 4102444800) * 1000 + rng.randint(0, 999),
    }


def host_on_the_wire(url):
    """What an HTTP client writes into Host: no default port, and botocore wants it in lower case."""
    parts = urllib.parse.urlsplit(url)
    host = parts.netloc.lower()
    default = ":443" if parts.scheme == "https" else ":80"
    return host.removesuffix(default)


def signed_by_botocore(monkeypatch, call, headers=()):
    request = botocore.awsrequest.AWSRequest(method=call["method"], url=call["url"] + call["target"], data=call["body"])
    for name, value in [*call["headers"], *headers]:
        request.headers[name] = value  # adds, also where the name is there already
    now = datetime.datetime.fromtimestamp(call["now_ms"] // 1000, datetime.timezone.utc)
    monkeypatch.setattr(botocore.auth, "get_current_datetime", lambda: now)
    credentials = botocore.credentials.Credentials(call["id"], call["secret"], call["token"] or None)
    botocore.auth.SigV4Auth(credentials, call["service"], call["region"]).add_auth(request)
    return request.headers


def as_case(op, call, headers):
    return {"op": op, "method": call["method"], "target": call["target"], "headers": headers, "body": call["body"].hex(),
            "id": call["id"], "secret": call["secret"], "token": call["token"], "region": call["region"],
            "service": call["service"], "now_ms": call["now_ms"]}


def test_signatures_are_those_of_botocore(monkeypatch):
    rng = random.Random(1)
    calls = [some_call(rng) for _ in range(CASES)]
    cases = [as_case("sign", call, [*call["headers"], ("Host", host_on_the_wire(call["url"]))]) for call in calls]
    tokens = 0
    for call, ours in zip(calls, ask(PROGRAM, cases)):
        theirs = signed_by_botocore(monkeypatch, call)
        expected = {name: theirs[name] for name in ("X-Amz-Date", "X-Amz-Security-Token", "Authorization") if name in theirs}
        assert ours.get("headers") == expected, call
        tokens += "X-Amz-Security-Token" in expected
    assert tokens > CASES / 5


def test_what_botocore_signed_is_verified(monkeypatch):
    rng = random.Random(2)
    cases, expected = [], []
    for _ in range(CASES):
        call = some_call(rng)
        theirs = signed_by_botocore(monkeypatch, call)
        headers = [*theirs.items(), ("Host", host_on_the_wire(call["url"]))]
        cases.append(as_case("verify", call, headers))
        expected.append(True)
        # And the same with one thing changed.
        bad = as_case("verify", call, headers)
        change = rng.choice(["body", "method", "secret", "late", "region", "host"])
        if change == "body":
            bad["body"] += "00"
        elif change == "method":
            bad["method"] = "PATCH"
        elif change == "secret":
            bad["secret"] += "x"
        elif change == "late":
            bad["now_ms"] += 301_000 * rng.choice([1, -1])
        elif change == "region":
            bad["region"] = "eu-north-1"
        else:
            bad["headers"] = [*theirs.items(), ("Host", "elsewhere.example.com")]
        cases.append(bad)
        expected.append(False)
    for case, good, answer in zip(cases, expected, ask(PROGRAM, cases)):
        if good:
            assert answer == {"ok": True}, case
        else:
            assert answer.get("reason") == "InvalidSignatureException", case


def test_model_names_are_encoded_into_the_path_as_botocore_does(monkeypatch):
    """T26: the whole way through botocore's client, from a model's ARN to the signed request on the wire."""
    rng = random.Random(3)
    session = botocore.session.Session()
    session.set_credentials("AKIDEXAMPLE", "secret", "token")
    client = session.create_client("bedrock-runtime", region_name="eu-central-1")
    sent = []

    def keep(request, **_):
        sent.append(request)
        return botocore.awsrequest.AWSResponse(request.url, 500, {}, None)

    client.meta.events.register("before-send.bedrock-runtime.*", keep)
    models = ["anthropic.claude-3-haiku-20240307-v1:0", "arn:aws:bedrock:eu-central-1:123456789012:inference-profile/eu.a.b-v1:0",
              *("arn:aws:bedrock:eu-central-1::foundation-model/" + word(rng, 1, 30, UNRESERVED + ":/") for _ in range(60))]
    for model in models:
        with pytest.raises(Exception):
            client.converse(modelId=model, messages=[{"role": "user", "content": [{"text": "Hi"}]}])
    sent = [sent[i] for i in range(len(sent)) if i == 0 or sent[i].url != sent[i - 1].url]  # without retries
    assert len(sent) == len(models)
    encoded = ask(PROGRAM, [{"op": "uri_encode", "text": model} for model in models])
    cases = []
    for model, text, request in zip(models, encoded, sent):
        parts = urllib.parse.urlsplit(request.url)
        assert parts.path == f"/model/{text['text']}/converse"
        as_text = {name: value.decode() if isinstance(value, bytes) else value for name, value in request.headers.items()}
        stamp = datetime.datetime.strptime(as_text["X-Amz-Date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=datetime.timezone.utc)
        cases.append({"op": "verify", "method": "POST", "target": parts.path, "body": request.body.hex(),
                      "headers": [*as_text.items(), ("Host", parts.netloc)], "id": "AKIDEXAMPLE", "secret": "secret",
                      "token": "token", "region": "eu-central-1", "service": "bedrock",
                      "now_ms": int(stamp.timestamp() * 1000)})
    assert ask(PROGRAM, cases) == [{"ok": True}] * len(cases)


# --- event streams ---

NUMBERS = {2: ("!b", 8), 3: ("!h", 16), 4: ("!i", 32), 5: ("!q", 64), 8: ("!q", 64)}


def some_message(rng):
    """(headers, payload): a header is (name, type, value)."""
    headers = {}
    for _ in range(rng.choice([0, 1, 3, 3, 8, 40])):
        name = rng.choice([":event-type", ":message-type", ":content-type", word(rng, 1, 30), word(rng, 1, 60, "\u00e4b\u20ac")])
        kind = rng.choice([0, 1, 2, 3, 4, 5, 6, 7, 7, 7, 8, 9])
        if kind in NUMBERS:
            half = 1 << (NUMBERS[kind][1] - 1)
            value = rng.choice([0, -1, half - 1, -half, rng.randint(-half, half - 1)])
        elif kind == 6:
            value = rng.randbytes(rng.choice([0, 1, 16, 300, 32767]))
        elif kind == 7:
            value = word(rng, 0, rng.choice([0, 12, 3000]), UNRESERVED + AWKWARD)
        elif kind == 9:
            value = rng.randbytes(16)
        else:
            value = kind == 0
        headers[name] = (name, kind, value)
    payload = rng.choice([b"", b"{}", rng.randbytes(rng.randint(1, 200)), rng.randbytes(rng.randint(1, 70000))])
    return list(headers.values()), payload


def packed_value(kind, value):
    if kind in NUMBERS:
        return struct.pack(NUMBERS[kind][0], value)
    if kind in (6, 7):
        raw = value.encode() if kind == 7 else value
        return struct.pack("!H", len(raw)) + raw
    return value if kind == 9 else b""


def packed(message):
    headers, payload = message
    head = b"".join(bytes([len(name.encode())]) + name.encode() + bytes([kind]) + packed_value(kind, value)
                    for name, kind, value in headers)
    out = struct.pack("!II", 16 + len(head) + len(payload), len(head))
    out += struct.pack("!I", zlib.crc32(out)) + head + payload
    return out + struct.pack("!I", zlib.crc32(out))


def cut(rng, raw):
    pieces = []
    step = rng.choice([1, 7, 100, 5000, len(raw) + 1]) if len(raw) < 3000 else rng.choice([97, 5000, len(raw) + 1])
    at = 0
    while at < len(raw):
        size = rng.randint(1, step)
        pieces.append(raw[at:at + size])
        at += size
    return pieces


def read_by_botocore(pieces):
    buffer = botocore.eventstream.EventStreamBuffer()
    messages = []
    for piece in pieces:
        buffer.add_data(piece)
        for message in buffer:
            messages.append((dict(message.headers), message.payload))
    return messages


def header_json(name, kind, value):
    raw = value.encode() if kind == 7 else value if kind in (6, 9) else b""
    return {"name": name, "type": kind, "bytes": raw.hex(), "integer": value if kind in NUMBERS else 0}


def as_botocore_shows(answer):
    def value_of(header):
        kind, raw = header["type"], binascii.unhexlify(header["bytes"])
        return {0: True, 1: False}.get(kind, header["integer"] if kind in NUMBERS else raw.decode() if kind == 7 else raw)

    return [({h["name"]: value_of(h) for h in message["headers"]}, binascii.unhexlify(message["payload"]))
            for message in answer["messages"]]


def test_streams_are_read_as_botocore_reads_them():
    rng = random.Random(4)
    cases, expected, types = [], [], set()
    for _ in range(CASES):
        messages = [some_message(rng) for _ in range(rng.randint(1, 4))]
        types |= {kind for headers, _ in messages for _, kind, _ in headers}
        pieces = cut(rng, b"".join(packed(m) for m in messages))
        expected.append(read_by_botocore(pieces))
        assert len(expected[-1]) == len(messages)
        cases.append({"op": "decode", "pieces": [piece.hex() for piece in pieces]})
    assert types == set(range(10))
    for theirs, ours in zip(expected, ask(PROGRAM, cases)):
        assert "error" not in ours and ours["at_rest"], ours.get("error")
        assert as_botocore_shows(ours) == theirs


def test_what_we_write_is_what_the_format_says_and_what_botocore_reads():
    rng = random.Random(5)
    messages = [some_message(rng) for _ in range(CASES)]
    cases = [{"op": "encode", "headers": [header_json(*header) for header in headers], "payload": payload.hex()}
             for headers, payload in messages]
    for message, answer in zip(messages, ask(PROGRAM, cases)):
        raw = binascii.unhexlify(answer["bytes"])
        assert raw == packed(message)
        headers, payload = message
        assert read_by_botocore([raw]) == [({name: value for name, _, value in headers}, payload)]


def test_what_botocore_refuses_we_refuse():
    """Damage anywhere, and frames that are wrong on purpose. We are stricter in one thing: lengths that contradict each other."""
    rng = random.Random(6)
    cases, theirs = [], []
    for _ in range(CASES):
        raw = bytearray(packed(some_message(rng)))
        kind = rng.random()
        if kind < 0.7:  # a flipped bit
            raw[rng.randrange(len(raw))] ^= 1 << rng.randrange(8)
        else:  # right checksums round wrong headers
            name = word(rng, 1, 5).encode()
            head = rng.choice([
                bytes([len(name)]) + name + bytes([rng.randint(10, 255)]),
                (bytes([len(name)]) + name + b"\0") * 2,
                bytes([len(name)]) + name + b"\7\0\2\xff\xfe",
                bytes([1, 255, 0]),
            ])
            raw = struct.pack("!II", 16 + len(head), len(head))
            raw += struct.pack("!I", zlib.crc32(raw)) + head
            raw += struct.pack("!I", zlib.crc32(raw))
        raw = bytes(raw)
        try:
            theirs.append(len(read_by_botocore([raw])))
        except Exception:
            theirs.append(None)
        cases.append({"op": "decode", "pieces": [piece.hex() for piece in cut(rng, raw)]})
    assert theirs.count(None) > CASES * 0.9
    for case, count, ours in zip(cases, theirs, ask(PROGRAM, cases)):
        if count is None:
            assert re.match("AWS event stream: ", ours["error"]) and not ours["messages"], case
        else:
            assert len(ours["messages"]) == count
