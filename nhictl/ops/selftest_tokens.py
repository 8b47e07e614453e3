"""Tokens that have to be refused, as data: what is changed in a good one, who signs it, and the reason it must get.

Rows name one fault each. They follow the order of verification (reference `tokens.md` §4) and hold everything that §5
says a common library lets through.
"""

from __future__ import annotations

import hmac
import json
from collections.abc import Callable
from typing import Any, Final, NamedTuple

from nhictl.core import strict_json
from nhictl.core.token import b64, jws

GONE: Final = object()
"""As a value: the member is left out."""


class Forgery(NamedTuple):
    """One bad token: header and claims as they differ from the good one's, and the reason; `stranger`: another key signs."""

    name: str
    reason: str
    header: dict[str, Any] = {}  # noqa: RUF012  # never changed
    claims: dict[str, Any] = {}  # noqa: RUF012
    stranger: bool = False


class Garbled(NamedTuple):
    """One bad text made from the good token's."""

    name: str
    reason: str
    make: Callable[[str], str]


FORGERIES: Final = (
    Forgery("alg none", "alg_none", {"alg": "none"}),
    Forgery("alg None", "alg_none", {"alg": "None"}),
    Forgery("alg of another case", "alg_not_allowed", {"alg": "es256"}),
    Forgery("alg RS256", "alg_not_allowed", {"alg": "RS256"}),
    Forgery("alg EdDSA", "alg_not_allowed", {"alg": "EdDSA"}),
    Forgery("no alg", "alg_not_allowed", {"alg": GONE}),
    Forgery("no typ", "typ_missing", {"typ": GONE}),
    Forgery("an ID token's typ", "typ_mismatch", {"typ": "JWT"}),
    Forgery("a status list's typ", "typ_mismatch", {"typ": "statuslist+jwt"}),
    Forgery("crit", "header_crit_unsupported", {"crit": ["exp"]}),
    Forgery("b64", "header_forbidden", {"b64": False}),
    Forgery("zip", "header_forbidden", {"zip": "DEF"}),
    Forgery("a key brought along", "header_key_injection", {"jwk": {"kty": "EC"}}, stranger=True),
    Forgery("a key's address brought along", "header_key_injection", {"jku": "https://evil.example/jwks"}),
    Forgery("a certificate brought along", "header_key_injection", {"x5c": ["MIIB"]}),
    Forgery("a further header", "header_unexpected", {"cty": "JWT"}),
    Forgery("no kid", "kid_missing", {"kid": GONE}),
    Forgery("a kid that climbs folders", "kid_unknown", {"kid": "../../etc/passwd"}),
    Forgery("another's kid", "kid_unknown", {"kid": "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}),
    Forgery("another's signature", "signature_invalid", stranger=True),
    Forgery("another issuer", "iss_untrusted", claims={"iss": "https://evil.example"}),
    Forgery("an issuer with a slash more", "iss_untrusted", claims={"iss": "+/"}),
    Forgery("no issuer", "iss_missing", claims={"iss": GONE}),
    Forgery("no end", "claim_missing:exp", claims={"exp": GONE}),
    Forgery("no jti", "claim_missing:jti", claims={"jti": GONE}),
    Forgery("no task", "claim_missing:txn", claims={"txn": GONE}),
    Forgery("an end as text", "claim_type:exp", claims={"exp": "4102444800"}),
    Forgery("an end that is true", "claim_type:exp", claims={"exp": True}),
    Forgery("an end beyond all time", "claim_type:exp", claims={"exp": 1e308}),
    Forgery("an empty subject", "claim_type:sub", claims={"sub": ""}),
    Forgery("a key binding that is no object", "claim_type:cnf", claims={"cnf": "x"}),
    Forgery("bound to a key, and nobody shows it", "pop_required", claims={"cnf": {"jkt": "A" * 43}}),
    Forgery("bound to a certificate, and nobody shows it", "pop_required", claims={"cnf": {"x5t#S256": "A" * 43}}),
    Forgery("bound to two keys", "cnf_unsupported", claims={"cnf": {"jkt": "A" * 43, "x5t#S256": "A" * 43}}),
    Forgery("long expired", "token_expired", claims={"exp": 1_000_000_600, "iat": 1_000_000_000, "nbf": 1_000_000_000}),
    Forgery("not valid yet", "token_not_yet_valid", claims={"nbf": 4_102_444_800}),
    Forgery("issued in the future", "iat_in_future", claims={"iat": 4_102_444_800, "exp": 4_102_444_900}),
    Forgery("a ten-year life", "lifetime_too_long", claims={"exp": 4_102_444_800}),
    Forgery("two audiences", "aud_multiple", claims={"aud": ["+", "https://evil.example"]}),
    Forgery("another audience", "aud_mismatch", claims={"aud": "https://evil.example"}),
    Forgery("a subject that is no SPIFFE ID", "sub_invalid", claims={"sub": "root"}),
    Forgery("a subject that climbs", "sub_invalid", claims={"sub": "spiffe://selftest.example/agent/../admin"}),
    Forgery("another trust domain", "trust_domain_mismatch", claims={"sub": "spiffe://evil.example/agent/bot"}),
    Forgery("an agent nobody registered", "agent_unknown", claims={"sub": "spiffe://selftest.example/agent/nobody"}),
    Forgery("never issued", "token_unknown", claims={"jti": "AAAAAAAAAAAAAAAAAAAAAA"}),
    Forgery("issued, and widened", "token_unknown", claims={"scope": "*"}),
)


def _duplicate(token: str, part: int, member: str) -> str:
    """The token with a member twice in its header (0) or claims (1)."""
    parts = token.split(".")
    text = b64.decode(parts[part]).decode()
    parts[part] = b64.encode(f"{text[:-1]},{member}}}".encode())
    return ".".join(parts)


def _twin(token: str) -> str:
    """The same claims under the other signature that fits: (r, n − s)."""
    head, _, tail = token.rpartition(".")
    raw = b64.decode(tail)
    other = jws.ORDER - int.from_bytes(raw[32:], "big")
    return f"{head}.{b64.encode(raw[:32] + other.to_bytes(32, 'big'))}"


def _claims(token: str, name: str, value: Any) -> str:
    """The token with another claim under the old signature."""
    parts = token.split(".")
    body = json.loads(b64.decode(parts[1])) | {name: value}
    return ".".join([parts[0], b64.encode(strict_json.dumps(body).encode()), parts[2]])


GARBLED: Final = (
    Garbled("nothing", "token_empty", lambda _: ""),
    Garbled("17 KB", "token_too_large", lambda token: token + "A" * 17_000),
    Garbled("padding on the signature", "token_bad_base64", lambda token: token + "=="),
    Garbled(
        "a stray bit in the signature",
        "token_bad_base64",
        lambda token: token[:-1] + ("B" if token[-1] == "A" else "R"),
    ),
    Garbled("two segments", "token_bad_segments", lambda token: token.rpartition(".")[0]),
    Garbled("no signature", "signature_invalid", lambda token: token.rpartition(".")[0] + "."),
    Garbled("an encrypted token", "token_is_jwe", lambda token: token + ".AA.AA"),
    Garbled("a JSON serialization", "token_json_serialization", lambda token: json.dumps({"payload": token})),
    Garbled("a space in it", "token_bad_charset", lambda token: token[:20] + " " + token[20:]),
    Garbled("a byte order mark in the header", "header_bad_json", lambda token: "77u_" + token),
    Garbled("a header twice", "header_duplicate_member", lambda token: _duplicate(token, 0, '"alg":"none"')),
    Garbled("a claim twice", "claims_duplicate_member", lambda token: _duplicate(token, 1, '"exp":4102444800')),
    Garbled("NaN", "claims_bad_json", lambda token: _duplicate(token, 1, '"x":NaN')),
    Garbled("a changed claim", "signature_invalid", lambda token: _claims(token, "scope", "*")),
    Garbled("the other signature that fits", "token_unknown", _twin),
)


def forge(good: str, forgery: Forgery, own: Any, stranger: Any) -> str:
    """The forged token; in a text `+` at its beginning stands for the good value."""
    header, claims = (json.loads(b64.decode(part)) for part in good.split(".")[:2])
    for target, changed in ((header, forgery.header), (claims, forgery.claims)):
        for name, value in changed.items():
            if value is GONE:
                target.pop(name, None)
            else:
                target[name] = _filled(value, target.get(name))
    return jws.sign(header, json.dumps(claims).encode(), stranger if forgery.stranger else own)


def _filled(value: Any, good: Any) -> Any:
    if isinstance(value, list):
        return [_filled(item, good) for item in value]
    return good + value[1:] if isinstance(value, str) and value.startswith("+") else value


def symmetric(good: str, public: dict[str, Any]) -> str:
    """The oldest confusion: HS256 with the public key as the secret."""
    head = json.loads(b64.decode(good.partition(".")[0])) | {"alg": "HS256"}
    signed = f"{b64.encode(json.dumps(head).encode())}.{good.split('.')[1]}"
    mark = hmac.new(json.dumps(public).encode(), signed.encode(), "sha256").digest()
    return f"{signed}.{b64.encode(mark)}"
