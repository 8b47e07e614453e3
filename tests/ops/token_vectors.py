"""Steps 1 to 10 as data: a name, what is wrong, the step and reason that must refuse it, and the parts it touches.

Every vector differs from the good token in one thing. Two vectors that touch no part in common can be combined.
"""

from __future__ import annotations

import hmac
import json
from collections.abc import Callable
from hashlib import sha256
from typing import Any, Final, NamedTuple

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from token_home import Case, Edit, sign

from nhictl.core.token import b64, jws

ORDER: Final = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
SURROGATE: Final = b'"\\ud800"'


class Vector(NamedTuple):
    """One thing wrong; `touches` names the parts of the case that it changes or depends on."""

    name: str
    mutate: Callable[[Case], None]
    step: int
    reason: str
    touches: str


def text(edit: Edit) -> Callable[[Case], None]:
    """Change the token's text after it was signed."""
    return lambda case: case.text.append(edit)


def raw(part: str, edit: Edit) -> Callable[[Case], None]:
    """Change the bytes of `header`, `claims` or `signature`; header and claims before signing."""
    return lambda case: getattr(case, f"raw_{part}").append(edit)


def header(**members: Any) -> Callable[[Case], None]:
    """Set members of the header."""
    return lambda case: case.header.update(members)


def without(part: str, name: str) -> Callable[[Case], None]:
    """Drop a member of `header` or `claims`."""
    return lambda case: getattr(case, part).pop(name)


def claims(**members: Any) -> Callable[[Case], None]:
    """Set claims."""
    return lambda case: case.claims.update(members)


def segment(number: int, edit: Edit) -> Edit:
    """An edit of one of the segments of the text."""

    def change(token: bytes) -> bytes:
        parts = token.split(b".")
        return b".".join(edit(part) if at == number else part for at, part in enumerate(parts))

    return change


def stray(part: bytes) -> bytes:
    """The same bytes by another text: a bit is set that the decoder would throw away."""
    alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    assert len(part) % 4 in (2, 3), "there are no stray bits in this segment"
    return part[:-1] + alphabet[alphabet.index(part[-1]) | 1 : (alphabet.index(part[-1]) | 1) + 1]


def uneven(part: str) -> Callable[[Case], None]:
    """Set stray bits in the text of `header` or `claims`, made long enough to have some."""
    number = 0 if part == "header" else 1

    def change(case: Case) -> None:
        getattr(case, f"raw_{part}").append(lambda data: data + b" " * (1 if len(data) % 3 == 0 else 0))
        case.text.append(segment(number, stray))

    return change


def json_serialization(token: bytes) -> bytes:
    """The token in the flattened JSON serialization (RFC 7515 §7.2.2)."""
    names = ("protected", "payload", "signature")
    return json.dumps(dict(zip(names, token.decode().split("."), strict=False))).encode()


_TEXTS: Final[list[tuple[str, Edit, int, str]]] = [
    ("nothing", lambda _: b"", 1, "token_empty"),
    ("a line feed", lambda _: b"\n", 1, "token_empty"),
    ("a Windows line end", lambda _: b"\r\n", 1, "token_empty"),
    ("16385 bytes", lambda t: t + b"A" * (16385 - len(t)), 1, "token_too_large"),
    ("16385 bytes and a line end", lambda t: t + b"A" * (16385 - len(t)) + b"\r\n", 1, "token_too_large"),
    ("50 MB", lambda t: t + b"A" * 50_000_000, 1, "token_too_large"),
    ("50 MB of brackets", lambda _: b"[" * 50_000_000, 1, "token_too_large"),
    ("a trailing space", lambda t: t + b" ", 2, "token_bad_charset"),
    ("a leading space", lambda t: b" " + t, 2, "token_bad_charset"),
    ("a leading line feed", lambda t: b"\n" + t, 2, "token_bad_charset"),
    ("two line feeds", lambda t: t + b"\n\n", 2, "token_bad_charset"),
    ("two Windows line ends", lambda t: t + b"\r\n\r\n", 2, "token_bad_charset"),
    ("a line feed, then a carriage return", lambda t: t + b"\n\r", 2, "token_bad_charset"),
    ("a carriage return alone", lambda t: t + b"\r", 2, "token_bad_charset"),
    ("a trailing NUL", lambda t: t + b"\0", 2, "token_bad_charset"),
    ("a trailing DEL", lambda t: t + b"\x7f", 2, "token_bad_charset"),
    ("a tab inside", lambda t: t.replace(b".", b".\t", 1), 2, "token_bad_charset"),
    ("a byte order mark", lambda t: b"\xef\xbb\xbf" + t, 2, "token_bad_charset"),
    ("a full-width dot", lambda t: t.replace(b".", "．".encode(), 1), 2, "token_bad_charset"),
    ("UTF-16", lambda t: t.decode().encode("utf-16-le"), 2, "token_bad_charset"),
    ("one segment", lambda t: t.replace(b".", b""), 2, "token_bad_segments"),
    ("two segments", lambda t: t.rpartition(b".")[0], 2, "token_bad_segments"),
    ("four segments", lambda t: t + b".AAAA", 2, "token_bad_segments"),
    ("a dot at the end", lambda t: t + b".", 2, "token_bad_segments"),
    ("six segments", lambda t: t + b".AAAA.AAAA.AAAA", 2, "token_bad_segments"),
    ("five segments", lambda t: t + b".AAAA.AAAA", 2, "token_is_jwe"),
    ("JSON serialization", json_serialization, 2, "token_json_serialization"),
    ("a JSON list of tokens", lambda t: b'["' + t + b'"]', 2, "token_json_serialization"),
    ("one = on the signature", lambda t: t + b"=", 2, "token_bad_base64"),
    ("stray bits in the signature", segment(2, stray), 2, "token_bad_base64"),
    ("two = on the signature", lambda t: t + b"==", 2, "token_bad_base64"),
    ("= on the header", segment(0, lambda s: s + b"=" * (-len(s) % 4 or 4)), 2, "token_bad_base64"),
    ("= on the claims", segment(1, lambda s: s + b"=" * (-len(s) % 4 or 4)), 2, "token_bad_base64"),
    ("a plus sign", segment(2, lambda s: b"+" + s[1:]), 2, "token_bad_base64"),
    ("a slash", segment(1, lambda s: b"/" + s[1:]), 2, "token_bad_base64"),
    ("a letter too many", segment(2, lambda s: s[:85]), 2, "token_bad_base64"),
    ("percent-encoded", segment(1, lambda s: b"%41" + s[1:]), 2, "token_bad_base64"),
    ("empty segments", lambda _: b"..", 3, "header_bad_json"),
    ("an empty header", segment(0, lambda _: b""), 3, "header_bad_json"),
]
_JSON: Final[list[tuple[str, Edit, str]]] = [
    ("a byte order mark", lambda d: b"\xef\xbb\xbf" + d, "bad_json"),
    ("UTF-16 with a mark", lambda d: d.decode().encode("utf-16"), "bad_json"),
    ("UTF-16 without a mark", lambda d: d.decode().encode("utf-16-be"), "bad_json"),
    ("UTF-32", lambda d: d.decode().encode("utf-32"), "bad_json"),
    ("invalid UTF-8", lambda d: d[:-1] + b',"x":"\xff"}', "bad_json"),
    ("overlong UTF-8", lambda d: d[:-1] + b',"x":"\xc0\x80"}', "bad_json"),
    ("a surrogate in UTF-8", lambda d: d[:-1] + b',"x":"\xed\xa0\x80"}', "bad_json"),
    ("a lone surrogate", lambda d: d[:-1] + b',"x":' + SURROGATE + b"}", "bad_json"),
    ("a lone surrogate as a name", lambda d: d[:-1] + b"," + SURROGATE + b":1}", "bad_json"),
    ("a lone surrogate far inside", lambda d: d[:-1] + b',"x":[[{"y":' + SURROGATE + b"}]]}", "bad_json"),
    ("NaN", lambda d: d[:-1] + b',"x":NaN}', "bad_json"),
    ("Infinity", lambda d: d[:-1] + b',"x":[-Infinity]}', "bad_json"),
    ("a number beyond doubles", lambda d: d[:-1] + b',"x":1e999}', "bad_json"),
    ("a number of 2000 digits", lambda d: d[:-1] + b',"x":' + b"9" * 2000 + b"}", "bad_json"),
    ("33 levels", lambda d: d[:-1] + b',"x":' + b"[" * 32 + b"0" + b"]" * 32 + b"}", "bad_json"),
    ("5000 levels", lambda d: d[:-1] + b',"x":' + b"[" * 2500 + b"]" * 2500 + b"}", "bad_json"),
    ("5000 levels without an end", lambda d: d[:-1] + b',"x":' + b'{"x":' * 1000, "bad_json"),
    ("a list", lambda d: b"[" + d + b"]", "bad_json"),
    ("a string", lambda d: json.dumps(d.decode()).encode(), "bad_json"),
    ("null", lambda _: b"null", "bad_json"),
    ("a comma too many", lambda d: d[:-1] + b",}", "bad_json"),
    ("a comment", lambda d: d + b"//", "bad_json"),
    ("two values", lambda d: d + d, "bad_json"),
    ("a NUL behind", lambda d: d + b"\0", "bad_json"),
    ("single quotes", lambda d: d.replace(b'"', b"'"), "bad_json"),
    ("no bytes that are text", lambda _: bytes(range(128, 192)), "bad_json"),
    ("a member inside given twice", lambda d: d[:-1] + b',"x":{"a":1,"a":1}}', "duplicate_member"),
]


def _twice(name: bytes, spelt: bytes) -> Edit:
    return lambda data: b"{" + spelt + b":" + json.dumps(json.loads(data)[name.decode()]).encode() + b"," + data[1:]


_HEADERS: Final[list[tuple[str, Callable[[Case], None], int, str, str]]] = [
    ("alg twice", raw("header", _twice(b"alg", b'"alg"')), 3, "header_duplicate_member", "header"),
    ("kid twice, once escaped", raw("header", _twice(b"kid", b'"\\u006bid"')), 3, "header_duplicate_member", "header"),
    *(
        (f"crit {value!r}", header(crit=value), 4, "header_crit_unsupported", "crit")
        for value in ([], ["exp"], ["b64"], ["exp", "exp"], "exp", None)
    ),
    *(
        (f"{name} {value!r}", header(**{name: value}), 4, "header_forbidden", "header more")
        for name, value in (("b64", False), ("b64", True), ("b64", "false"), ("zip", "DEF"), ("enc", "A256GCM"))
    ),
    *(
        (f"{name} {str(value)[:9]}", header(**{name: value}), 4, "header_key_injection", "header more")
        for name, value in (("jku", "https://evil.example/"), ("jwk", {"kty": "EC"}), ("x5u", "https://evil.example/"),
                            ("x5c", ["AA"]), ("jwk", None))
    ),
    *(
        (f"header {name!r}", header(**{name: "x"}), 4, "header_unexpected", "header more")
        for name in ("cty", "x5t", "x5t#S256", "iss", "ALG", "Kid", "", "typ ")
    ),
    ("no typ", without("header", "typ"), 5, "typ_missing", "typ"),
    *(
        (f"typ {value!r}", header(typ=value), 5, "typ_mismatch", "typ")
        for value in ("JWT", "at+jwt ", " at+jwt", "at+jwtx", "application/application/at+jwt", "text/at+jwt", "",
                      "statuslist+jwt", "dpop+jwt", "jwt", None, 5, True, ["at+jwt"], {})
    ),
    *(
        (f"alg {value!r}", header(alg=value), 6, "alg_none", "alg")
        for value in ("none", "None", "NONE", "nOnE", "nonE")
    ),
    ("no alg", without("header", "alg"), 6, "alg_not_allowed", "alg"),
    *(
        (f"alg {value!r}", header(alg=value), 6, "alg_not_allowed", "alg")
        for value in ("es256", "ES256 ", "ES256K", "ES384", "ES512", "RS256", "PS256", "HS256", "HS512", "EdDSA",
                      "Ed25519", "none ", "", None, 0, True, ["ES256"], {"ES256": 1})
    ),
]  # fmt: skip


def _none_unsigned(case: Case) -> None:
    case.header["alg"] = "none"
    case.raw_signature.append(lambda _: b"")


def _confused(secret: Callable[[dict[str, Any]], bytes]) -> Callable[[Case], None]:
    """HS256 with the public key as the secret."""

    def change(case: Case) -> None:
        case.header["alg"] = "HS256"
        jwk = jws.public_jwk(case.authority.private)
        case.signer = lambda signed: hmac.digest(secret(jwk), signed, "sha256")

    return change


_CONFUSED: Final = [
    ("HS256 with the public JWK", _confused(lambda jwk: json.dumps(jwk).encode())),
    ("HS256 with the point", _confused(lambda jwk: b"\x04" + b64.decode(jwk["x"]) + b64.decode(jwk["y"]))),
    ("HS256 with no secret", _confused(lambda _: b"")),
]


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
        for value in ("https://evil.example", "https://nhi.example.org/", "https://NHI.example.org", "", 5, True, {},
                      ["https://nhi.example.org"], "https://nhi.example.org ", "spiffe://example.org")
    ),
    ("no kid", without("header", "kid"), 9, "kid_missing", "kid"),
    *((f"kid {value!r}", header(kid=value), 9, "kid_missing", "kid") for value in (None, "", 5, True, [], {})),
    *((f"kid {value!r}", header(kid=value), 9, "kid_unknown", "kid") for value in ("x", "log-", "../kek", "é", "%")),
    ("kid of two keys", _second_key, 9, "kid_ambiguous", "keys"),
    ("key with d", key(d="AA"), 9, "key_private", "key"),
    ("key with k", key(k="AA"), 9, "key_private", "key"),
    *(
        (f"key {members}", key(**members), 9, "key_alg_mismatch", "key")
        for members in (
            {"kty": "RSA"}, {"kty": "oct"}, {"kty": ...}, {"crv": "P-384"}, {"crv": "secp256k1"}, {"crv": ...},
            {"alg": "ES384"}, {"alg": "es256"}, {"alg": None}, {"x": ...}, {"x": "AA"}, {"x": 5}, {"x": None},
            {"y": "AA=="}, {"y": "A" * 43}, {"x": ["A"] * 43},
        )
    ),
    *(
        (f"key {members}", key(**members), 9, "key_use_mismatch", "key")
        for members in ({"use": "enc"}, {"use": "jwt-svid"}, {"use": None}, {"use": ["sig"]}, {"key_ops": []},
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
            ("a byte before", lambda s: b"\0" + s), ("zeros", lambda _: bytes(64)), ("ones", lambda _: b"\xff" * 64),
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

VECTORS_OF_THE_TEXT: Final[list[Vector]] = [
    *(Vector(name, text(edit), step, reason, "text") for name, edit, step, reason in _TEXTS),
    Vector("stray bits in the header", uneven("header"), 2, "token_bad_base64", "text header"),
    Vector("stray bits in the claims", uneven("claims"), 2, "token_bad_base64", "text claims"),
    *(Vector(f"header: {name}", raw("header", edit), 3, f"header_{why}", "header") for name, edit, why in _JSON),
    *(Vector(*row) for row in _HEADERS),
    Vector("alg none, unsigned", _none_unsigned, 6, "alg_none", "alg signature"),
    *(Vector(name, change, 6, "alg_not_allowed", "alg signature") for name, change in _CONFUSED),
    *(Vector(f"claims: {name}", raw("claims", edit), 7, f"claims_{why}", "claims") for name, edit, why in _JSON),
    *(
        Vector(f"{name} twice", raw("claims", _twice(name, b'"%b"' % name)), 7, "claims_duplicate_member", "claims")
        for name in (b"iss", b"exp", b"aud", b"scope", b"authorization_details")
    ),
    Vector(
        "exp twice, once escaped", raw("claims", _twice(b"exp", b'"e\\u0078p"')), 7, "claims_duplicate_member", "claims"
    ),
    *(Vector(*row) for row in _KEYS),
]
