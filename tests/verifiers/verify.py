"""Verifies requests as a receiver in Python does, with the official libraries.

Reads an array of requests from standard input, each with the kind of its signature, the key that a receiver
has, and what arrived; writes an array of the same length: null for one that is accepted, else why not.
"""

import base64
import hashlib
import hmac
import json
import sys

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from standardwebhooks import Webhook


def standard(request):
    Webhook(request["key"]).verify(request["body"], request["headers"])


def asymmetric(request):
    key = Ed25519PublicKey.from_public_bytes(base64.b64decode(request["key"].removeprefix("whpk_")))
    headers = request["headers"]
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.{request['body']}".encode()
    errors = []
    for signature in headers["webhook-signature"].split(" "):
        version, encoded = signature.split(",")
        if version != "v1a":
            continue
        try:
            return key.verify(base64.b64decode(encoded), signed)
        except Exception as error:
            errors.append(repr(error))
    raise ValueError(f"no signature of version v1a fits: {errors}")


def hmac_hex(request):
    code = hmac.new(request["key"].encode(), request["body"].encode(), hashlib.sha256).hexdigest()
    if not hmac.compare_digest(f"sha256={code}", request["headers"][request["header"]]):
        raise ValueError("another signature")


def token(request):
    claims = jwt.decode(
        request["headers"][request["header"]],
        request["key"],
        algorithms=["HS256"],
        issuer="Upstash",
        options={"require": ["iss", "sub", "exp", "nbf", "iat", "jti"]},
    )
    digest = hashlib.sha256(request["body"].encode()).digest()
    if claims["sub"] != request["url"]:
        raise ValueError("another url")
    if claims["body"].rstrip("=") != base64.urlsafe_b64encode(digest).decode().rstrip("="):
        raise ValueError("another body")
    if claims["exp"] - claims["iat"] != 300:
        raise ValueError("another lifetime")


KINDS = {"standard": standard, "asymmetric": asymmetric, "hmac-hex": hmac_hex, "jwt": token}


def verdict(request):
    try:
        KINDS[request["kind"]](request)
    except Exception as error:
        return repr(error)
    return None


json.dump([verdict(request) for request in json.load(sys.stdin)], sys.stdout)
