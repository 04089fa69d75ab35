"""Our service accounts against Google's own library and PyJWT: the same key file and moment give the same statement,
and it verifies with the account's public key and with no other."""
import base64
import datetime
import json
import random
from unittest import mock

import google.auth.jwt
import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from google.oauth2 import service_account

from filters import ask

PROGRAM = "perdure_credential_judge"
SCOPE = "https://www.googleapis.com/auth/cloud-platform"


def private_key(bits=2048, pkcs1=False):
    key = rsa.generate_private_key(public_exponent=65537, key_size=bits)
    form = serialization.PrivateFormat.TraditionalOpenSSL if pkcs1 else serialization.PrivateFormat.PKCS8
    return key, key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption()).decode()


def public_pem(key):
    return key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)


def key_file(pem, rng, **more):
    return {"type": "service_account", "project_id": "p", "private_key_id": "%040x" % rng.getrandbits(160),
            "private_key": pem, "client_email": f"svc-{rng.randrange(1000)}@p.iam.gserviceaccount.com",
            "client_id": "1", "token_uri": "https://oauth2.googleapis.com/token"} | more


@pytest.fixture(scope="module")
def cases():
    rng = random.Random(7)
    keys = [private_key(), private_key(3072), private_key(4096), private_key(pkcs1=True)]
    out = []
    for n in range(80):
        key, pem = keys[n % len(keys)]
        more = {"token_uri": "https://token.example/\u00e4?x=\"y\"/z"} if n % 10 == 9 else {}
        out.append((key, key_file(pem, rng, **more), rng.randrange(1_600_000_000, 2_200_000_000)))
    return out


@pytest.fixture(scope="module")
def answers(cases):
    return ask(PROGRAM, [{"key_file": json.dumps(info), "scope": SCOPE, "now_ms": now * 1000 + 999} for _, info, now in cases])


def test_pyjwt_verifies_them(cases, answers):
    other, _ = private_key()
    for (key, info, now), answer in zip(cases, answers):
        token = answer["assertion"]
        claims = jwt.decode(token, public_pem(key), algorithms=["RS256"], audience=info["token_uri"],
                            options={"verify_exp": False, "verify_iat": False})
        assert claims == {"iss": info["client_email"], "scope": SCOPE, "aud": info["token_uri"], "iat": now, "exp": now + 3600}
        assert jwt.get_unverified_header(token) == {"alg": "RS256", "typ": "JWT", "kid": info["private_key_id"]}
        with pytest.raises(jwt.InvalidSignatureError):
            jwt.decode(token, public_pem(other), algorithms=["RS256"], audience=info["token_uri"])


def test_google_says_the_same(cases, answers):
    """RS256 has no chance in it: equal statements have equal signatures, so Google's library is asked to sign ours."""
    for (_, info, now), answer in zip(cases, answers):
        credentials = service_account.Credentials.from_service_account_info(info, scopes=[SCOPE])
        moment = datetime.datetime.fromtimestamp(now, datetime.timezone.utc).replace(tzinfo=None)
        with mock.patch("google.auth._helpers.utcnow", return_value=moment):
            theirs = credentials._make_authorization_grant_assertion()
        theirs = theirs.decode() if isinstance(theirs, bytes) else theirs
        # The audience is the endpoint that is asked (RFC 7523, and Google's libraries for Go and Java); Google's for
        # Python says Google's own endpoint whatever the key file says.
        assert jwt.decode(theirs, options={"verify_signature": False}) | {"aud": info["token_uri"]} == \
            jwt.decode(answer["assertion"], options={"verify_signature": False})
        header, claims, signature = answer["assertion"].split(".")
        signed = credentials.signer.sign(f"{header}.{claims}".encode())
        assert base64.urlsafe_b64encode(signed).rstrip(b"=").decode() == signature


def test_google_verifies_them(cases, answers):
    for (key, info, now), answer in list(zip(cases, answers))[:20]:
        moment = datetime.datetime.fromtimestamp(now, datetime.timezone.utc).replace(tzinfo=None)
        with mock.patch("google.auth._helpers.utcnow", return_value=moment):
            claims = google.auth.jwt.decode(answer["assertion"], certs=public_pem(key), audience=info["token_uri"])
        assert claims["iss"] == info["client_email"]


def test_what_is_no_key_is_refused():
    rng = random.Random(8)
    _, short = private_key(1024)
    elliptic = ec.generate_private_key(ec.SECP256R1()).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()).decode()
    locked = rsa.generate_private_key(public_exponent=65537, key_size=2048).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.BestAvailableEncryption(b"x")).decode()
    cases = [{"key_file": json.dumps(key_file(pem, rng)), "scope": SCOPE, "now_ms": 0} for pem in (short, elliptic, locked, "x")]
    for answer in ask(PROGRAM, cases):
        assert answer == {"error": "the private key is no RSA key of at least 2048 bits"}
