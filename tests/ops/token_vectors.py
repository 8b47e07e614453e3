"""Steps 1 to 7 as data: a name, what is wrong, the step and reason that must refuse it, and the parts it touches.

Every vector differs from the good token in one thing. Two vectors that touch no part in common can be combined.
"""

from __future__ import annotations

import hmac
import json
from collections.abc import Callable
from typing import Any, Final, NamedTuple

from nhictl.core.token import b64, jws
from tests.ops.token_home import Case, Edit

SURROGATE: Final = b'"\\ud800"'


class Vector(NamedTuple):
    """One thing wrong; `touches` names the parts of the case that it changes or depends on."""

    name: str
    mutate: Callable[[Case], None]
    step: int
    reason: str
    touches: str


def each(*values: Any) -> tuple[Any, ...]:
    """Values of any kind, one vector for each."""
    return values


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


def _twice(name: str, spelt: str) -> Edit:
    return lambda data: f"{{{spelt}:{json.dumps(json.loads(data)[name])},".encode() + data[1:]


_HEADERS: Final[list[tuple[str, Callable[[Case], None], int, str, str]]] = [
    ("alg twice", raw("header", _twice("alg", '"alg"')), 3, "header_duplicate_member", "header"),
    ("kid twice, once escaped", raw("header", _twice("kid", '"\\u006bid"')), 3, "header_duplicate_member", "header"),
    *(
        (f"crit {value!r}", header(crit=value), 4, "header_crit_unsupported", "crit")
        for value in each([], ["exp"], ["b64"], ["exp", "exp"], "exp", None)
    ),
    *(
        (f"{name} {value!r}", header(**{name: value}), 4, "header_forbidden", "header more")
        for name, value in each(("b64", False), ("b64", True), ("b64", "false"), ("zip", "DEF"), ("enc", "A256GCM"))
    ),
    *(
        (f"{name} {str(value)[:9]}", header(**{name: value}), 4, "header_key_injection", "header more")
        for name, value in each(("jku", "https://evil.example/"), ("jwk", {"kty": "EC"}), ("x5u", "https://evil.example/"),
                            ("x5c", ["AA"]), ("jwk", None))
    ),
    *(
        (f"header {name!r}", header(**{name: "x"}), 4, "header_unexpected", "header more")
        for name in ("cty", "x5t", "x5t#S256", "iss", "ALG", "Kid", "", "typ ")
    ),
    ("no typ", without("header", "typ"), 5, "typ_missing", "typ"),
    *(
        (f"typ {value!r}", header(typ=value), 5, "typ_mismatch", "typ")
        for value in each("JWT", "at+jwt ", " at+jwt", "at+jwtx", "application/application/at+jwt", "text/at+jwt", "",
                      "statuslist+jwt", "dpop+jwt", "jwt", None, 5, True, ["at+jwt"], {})
    ),
    *(
        (f"alg {value!r}", header(alg=value), 6, "alg_none", "alg")
        for value in each("none", "None", "NONE", "nOnE", "nonE")
    ),
    ("no alg", without("header", "alg"), 6, "alg_not_allowed", "alg"),
    *(
        (f"alg {value!r}", header(alg=value), 6, "alg_not_allowed", "alg")
        for value in each("es256", "ES256 ", "ES256K", "ES384", "ES512", "RS256", "PS256", "HS256", "HS512", "EdDSA",
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
        Vector(f"{name} twice", raw("claims", _twice(name, f'"{name}"')), 7, "claims_duplicate_member", "claims")
        for name in ("iss", "exp", "aud", "scope", "authorization_details")
    ),
    Vector(
        "exp twice, once escaped", raw("claims", _twice("exp", '"e\\u0078p"')), 7, "claims_duplicate_member", "claims"
    ),
]
