"""DPoP proofs (RFC 9449): who presents a key-bound token shows that it holds the key, for this very request.

A proof is a JWS with its public key in the header, over method, address, time, an id, and the hash of the token it comes
with. It is good once and for a minute. `check` follows RFC 9449 §4.3 in the order of the reason codes of verification
step 16; remembering ids is the caller's, since nothing here keeps anything.
"""

from __future__ import annotations

from hashlib import sha256
from typing import Any, Final, NamedTuple

from nhictl.core.token import algorithms, b64, compact, jwk, jws
from nhictl.core.token.jws import KeyFaultError
from nhictl.core.token.verdict import RejectedError

TYP: Final = "dpop+jwt"
WINDOW_S: Final = 60
"""How far the proof's `iat` may lie from now, either way."""
REMEMBER_S: Final = 120
"""How long an id has to be remembered: as long as a proof that carries it could be accepted."""
MAX_PROOF: Final = 8192
_PORTS: Final = {"http": "80", "https": "443"}
_UNRESERVED: Final = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")


class Asked(NamedTuple):
    """What the proof has to be for: the method and address of the request, as the server that was asked knows them."""

    method: str
    address: str


class Proof(NamedTuple):
    """A proof that holds: the thumbprint of its key, and what it is remembered by."""

    jkt: str
    mark: bytes


def check(proof: bytes, asked: Asked, now_us: int, *, token: bytes | None = None, jkt: str | None = None) -> Proof:
    """The proof, if it is for this request, now, by the key `jkt`, with `token`; RejectedError of step 16 if not.

    Without `token` the proof need not name one; without `jkt` any key will do.
    """
    header, claims, signed, signature = _parsed(proof)
    if header.get("typ") != TYP:
        raise RejectedError(16, "dpop_typ", f"expected {TYP}")
    alg = header.get("alg")
    if not isinstance(alg, str) or alg not in algorithms.ALGORITHMS:
        raise RejectedError(16, "dpop_alg", f"accepted: {', '.join(sorted(algorithms.ALGORITHMS))}")
    key = header.get("jwk")
    if not isinstance(key, dict):
        raise RejectedError(16, "dpop_malformed", "no `jwk` in the header")
    if not jws.SECRET.isdisjoint(key) or key.get("kty") == "oct":
        raise RejectedError(16, "dpop_private_jwk", "a proof carries the public key only")
    try:
        public = jwk.load(key, alg)
        mine = jwk.thumbprint(key)
    except KeyFaultError as e:
        raise RejectedError(16, "dpop_malformed", f"the key {e}") from e
    if not algorithms.verify(alg, public, signed, signature):
        raise RejectedError(16, "dpop_signature")
    _check_claims(claims, asked, now_us, token)
    if jkt is not None and mine != jkt:
        raise RejectedError(16, "dpop_key_mismatch", "the proof is by another key than the token is bound to")
    return Proof(mine, sha256(f"{mine}\n{claims['jti']}".encode()).digest())


def _parsed(proof: bytes) -> tuple[dict[str, Any], dict[str, Any], bytes, bytes]:
    try:
        text, (raw_header, raw_claims, signature) = compact.split(proof, MAX_PROOF)
        header = compact.json_object(raw_header, 16, "header")
        claims = compact.json_object(raw_claims, 16, "claims")
        compact.check_header({name: value for name, value in header.items() if name != "jwk"})
    except RejectedError as e:
        why = f"{e.reason}{f': {e.message}' if e.message else ''}"
        raise RejectedError(16, "dpop_malformed", why) from e
    return header, claims, text.rpartition(b".")[0], signature


def _check_claims(claims: dict[str, Any], asked: Asked, now_us: int, token: bytes | None) -> None:
    for name in ("jti", "htm", "htu", "iat", *(("ath",) if token is not None else ())):
        if name not in claims:
            raise RejectedError(16, f"dpop_missing:{name}")
    for name in ("jti", "htm", "htu", *(("ath",) if token is not None else ())):
        if not isinstance(claims[name], str) or not claims[name]:
            raise RejectedError(16, "dpop_malformed", f"`{name}` is no text")
    iat = claims["iat"]
    if isinstance(iat, bool) or not isinstance(iat, int | float):
        raise RejectedError(16, "dpop_malformed", "`iat` is no number")
    if claims["htm"] != asked.method:
        raise RejectedError(16, "dpop_htm", f"expected {asked.method}")
    wanted, said = normal_address(asked.address), normal_address(claims["htu"])
    if said is None or said != wanted:
        raise RejectedError(16, "dpop_htu", f"expected {asked.address}")
    if not -WINDOW_S * 1_000_000 <= iat * 1_000_000 - now_us <= WINDOW_S * 1_000_000:
        raise RejectedError(16, "dpop_iat", f"not within {WINDOW_S} s of now")
    if token is not None and claims["ath"] != b64.encode(sha256(token).digest()):
        raise RejectedError(16, "dpop_ath", "the proof is for another token")


def normal_address(text: str) -> str | None:
    """An address as two are compared (RFC 9449 §4.3, RFC 3986 §6.2.2 and §6.2.3), without query and fragment; None for none.

    Scheme and host in lower case, no default port, an empty path is `/`, percent-encodings in capitals and only where they
    are needed. Dot segments are not resolved: a server that is asked for one does not compare equal.
    """
    head = text.partition("#")[0].partition("?")[0]
    scheme, mark, rest = head.partition("://")
    if not mark or not scheme or not rest or not text.isascii() or any(c <= " " or c == "\x7f" for c in text):
        return None
    host, slash, path = rest.partition("/")
    scheme, host = scheme.lower(), host.lower()
    name, colon, port = host.rpartition(":")
    if colon and port in ("", _PORTS.get(scheme)) and not name.endswith(":"):
        host = name
    if not host or "@" in host:
        return None
    plain = _percent(slash + path)
    return None if plain is None else f"{scheme}://{host}{plain or '/'}"


def _percent(path: str) -> str | None:
    """Percent-encodings in one form: decoded where nothing forces them, else with capitals; None where one is broken."""
    parts = path.split("%")
    made = [parts[0]]
    for part in parts[1:]:
        code = part[:2]
        if len(code) < 2 or any(c not in "0123456789abcdefABCDEF" for c in code):
            return None
        char = chr(int(code, 16))
        made.append((char if char in _UNRESERVED else f"%{code.upper()}") + part[2:])
    return "".join(made)
