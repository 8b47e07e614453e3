"""Steps 8 to 10 as data: issuer, key and signature."""

from __future__ import annotations

import json
from collections.abc import Callable
from hashlib import sha256
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from nhictl.core.token import b64
from tests.ops.token_home import Case, Edit, sign
from tests.ops.token_vectors import Vector, claims, each, header, raw, segment, text, without

ORDER: Final = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


def key(**members: Any) -> Callable[[Case], None]:
    """Change the public key as the store has it."""

    def change(case: Case) -> None:
        text_of = case.house.db.execute("SELECT public FROM signing_key WHERE use = 'token'").fetchone()[0]
        jwk = {k: v for k, v in (json.loads(text_of) | members).items() if v is not ...}
        case.sql("UPDATE signing_key SET public = ? WHERE use = 'token'", json.dumps(jwk))

    return change


def _second_key(case: Case) -> None:
    case.sql(
        "INSERT INTO signing_key (use, kid, public, sealed, state, seq)"
        " SELECT use, kid || '-2', public, sealed, state, seq FROM signing_key WHERE use = 'token'"
    )


def _revoked_key(case: Case) -> None:
    case.sql("UPDATE signing_key SET state = 'revoked' WHERE use = 'token'")


def _stranger(case: Case) -> None:
    stranger = ec.derive_private_key(7, ec.SECP256R1())
    case.signer = lambda signed: sign(signed, stranger)


def rs(change: Callable[[int, int], tuple[int, int]]) -> Edit:
    """An edit of r and s."""

    def edit(signature: bytes) -> bytes:
        r, s = change(int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big"))
        return r.to_bytes(32, "big") + s.to_bytes(32, "big")

    return edit


def der(signature: bytes) -> bytes:
    """The signature as X.509 writes it."""
    return encode_dss_signature(int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big"))


_KEYS: Final[list[tuple[str, Callable[[Case], None], int, str, str]]] = [
    ("no iss", without("claims", "iss"), 8, "iss_missing", "iss"),
    ("iss null", claims(iss=None), 8, "iss_missing", "iss"),
    *(
        (f"iss {value!r}", claims(iss=value), 8, "iss_untrusted", "iss")
        for value in each("https://evil.example", "https://nhi.example.org/", "https://NHI.example.org", "", 5, True, {},
                      ["https://nhi.example.org"], "https://nhi.example.org ", "spiffe://example.org")
    ),
    ("no kid", without("header", "kid"), 9, "kid_missing", "kid"),
    *((f"kid {value!r}", header(kid=value), 9, "kid_missing", "kid") for value in each(None, "", 5, True, [], {})),
    *((f"kid {value!r}", header(kid=value), 9, "kid_unknown", "kid") for value in each("x", "log-", "../kek", "é", "%")),
    ("kid of two keys", _second_key, 9, "kid_ambiguous", "keys"),
    ("key with d", key(d="AA"), 9, "key_private", "key"),
    ("key with k", key(k="AA"), 9, "key_private", "key"),
    *(
        (f"key {members}", key(**members), 9, "key_alg_mismatch", "key")
        for members in each(
            {"kty": "RSA"}, {"kty": "oct"}, {"kty": ...}, {"crv": "P-384"}, {"crv": "secp256k1"}, {"crv": ...},
            {"alg": "ES384"}, {"alg": "es256"}, {"alg": None}, {"x": ...}, {"x": "AA"}, {"x": 5}, {"x": None},
            {"y": "AA=="}, {"y": "A" * 43}, {"x": ["A"] * 43},
        )
    ),
    *(
        (f"key {members}", key(**members), 9, "key_use_mismatch", "key")
        for members in each({"use": "enc"}, {"use": "jwt-svid"}, {"use": None}, {"use": ["sig"]}, {"key_ops": []},
                        {"key_ops": ["sign"]}, {"key_ops": None}, {"key_ops": 5}, {"key_ops": "verify"},
                        {"key_ops": {"verify": 1}})
    ),
    ("a revoked key", _revoked_key, 9, "key_revoked", "key state"),
    ("signed by a stranger", _stranger, 10, "signature_invalid", "signature"),
    *(
        (f"signature: {name}", raw("signature", edit), 10, "signature_invalid", "signature")
        for name, edit in (
            ("none", lambda _: b""), ("one bit", lambda s: s[:-1] + bytes([s[-1] ^ 1])), ("DER", der),
            ("cut", lambda s: s[:63]), ("half", lambda s: s[:32]), ("a byte more", lambda s: s + b"\0"),
            ("a byte before", lambda s: b"\0" + s), ("a zero before s", lambda s: s[:32] + b"\0" + s[32:]),
            ("zeros", lambda _: bytes(64)), ("ones", lambda _: b"\xff" * 64),
            ("r = 0", rs(lambda _, s: (0, s))), ("s = 0", rs(lambda r, _: (r, 0))),
            ("r = n", rs(lambda _, s: (ORDER, s))), ("s = n", rs(lambda r, _: (r, ORDER))),
            ("r and s changed over", lambda s: s[32:] + s[:32]), ("of another text", lambda s: sha256(s).digest() * 2),
        )
    ),
    ("claims changed after signing",
     text(segment(1, lambda s: b64.encode(b64.decode(s)[:-1] + b" }").encode())), 10, "signature_invalid", "text"),
    ("header changed after signing",
     text(segment(0, lambda s: b64.encode(b64.decode(s)[:-1] + b" }").encode())), 10, "signature_invalid", "text"),
]  # fmt: skip
KEYS: Final[list[Vector]] = [Vector(*row) for row in _KEYS]
