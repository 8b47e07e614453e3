"""Steps 1 to 7: a string becomes a header and claims, or a reason why not. Nothing is believed yet."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from nhictl.core import strict_json
from nhictl.core.token import b64, profile
from nhictl.core.token.verdict import RejectedError

MAX_TOKEN: Final = 16384
_BLANK: Final = bytes([*range(33), 127])
_FORBIDDEN: Final = ("b64", "zip", "enc")
_INJECTION: Final = ("jku", "jwk", "x5u", "x5c")


class Parsed(NamedTuple):
    """A token taken apart: header, claims, the bytes that are signed, the signature, and the token's own text."""

    header: dict[str, Any]
    claims: dict[str, Any]
    signed: bytes
    signature: bytes
    text: bytes


def json_object(data: bytes, step: int, what: str) -> dict[str, Any]:
    """The strict JSON object in a segment; RejectedError of `step` with a code that begins with `what`."""
    try:
        value = strict_json.loads(data)
    except strict_json.DuplicateMemberError as e:
        raise RejectedError(step, f"{what}_duplicate_member", str(e)) from e
    except strict_json.StrictJSONError as e:
        raise RejectedError(step, f"{what}_bad_json", str(e)) from e
    if not isinstance(value, dict):
        raise RejectedError(step, f"{what}_bad_json", "not an object")
    return value


def split(token: bytes, limit: int = MAX_TOKEN) -> tuple[bytes, list[bytes]]:
    """Steps 1 and 2: the token's text, at most `limit` bytes, and its three decoded segments."""
    text = token.removesuffix(b"\r\n") if token.endswith(b"\r\n") else token.removesuffix(b"\n")
    if not text:
        raise RejectedError(1, "token_empty")
    if len(text) > limit:
        raise RejectedError(1, "token_too_large", f"{len(text)} bytes, at most {limit}")
    if text[:1] in (b"{", b"["):
        raise RejectedError(2, "token_json_serialization", "JSON serialization of JWS is not accepted")
    if not text.isascii() or len(text.translate(None, _BLANK)) != len(text):
        raise RejectedError(2, "token_bad_charset")
    parts = text.split(b".")
    if len(parts) == 5:
        raise RejectedError(2, "token_is_jwe", "an encrypted token")
    if len(parts) != 3:
        raise RejectedError(2, "token_bad_segments", f"{len(parts)} segments, not 3")
    try:
        return text, [b64.decode(part) for part in parts]
    except ValueError as e:
        raise RejectedError(2, "token_bad_base64", str(e)) from e


def parse(
    token: bytes, typs: tuple[str | None, ...], algorithms: frozenset[str], *, foreign: bool = False
) -> Parsed:  # fmt: skip
    """Steps 1 to 7 for a token of one profile, `profile.TYPS`; RejectedError says which refused.

    Of a `foreign` one header members that are merely unknown are ignored (RFC 7515 §4).
    """
    text, (raw_header, raw_claims, signature) = split(token)
    header = json_object(raw_header, 3, "header")
    check_header(header)
    if not foreign and (extra := sorted(header.keys() - {"alg", "typ", "kid"})):
        raise RejectedError(4, "header_unexpected", f"header `{extra[0]}`")
    check_typ(header, typs)
    check_alg(header, algorithms)
    claims = json_object(raw_claims, 7, "claims")
    return Parsed(header, claims, text.rpartition(b".")[0], signature, text)


def kind_of(token: bytes) -> str:
    """Which of our profiles a token says it is of; `at+jwt` for one that cannot be told, which is refused by itself."""
    head = token[: MAX_TOKEN + 1].partition(b".")[0]
    try:
        typ = json_object(b64.decode(head), 3, "header").get("typ")
    except (RejectedError, ValueError):
        return profile.AT_JWT
    other = typ is None or (isinstance(typ, str) and typ.lower() in profile.TYPS[profile.JWT_SVID])
    return profile.JWT_SVID if other else profile.AT_JWT


def check_typ(header: dict[str, Any], typs: tuple[str | None, ...]) -> None:
    """Step 5: `typ` is one of `typs`, or missing where None is among them."""
    if "typ" not in header:
        if None not in typs:
            raise RejectedError(5, "typ_missing")
        return
    given = header["typ"]
    if not isinstance(given, str) or given.lower().removeprefix("application/") not in typs:
        raise RejectedError(5, "typ_mismatch", f"expected {' or '.join(filter(None, typs))}")


def check_header(header: dict[str, Any]) -> None:
    """Step 4 for any token: nothing that changes how it is read, nothing that brings a key along."""
    if "crit" in header:
        raise RejectedError(4, "header_crit_unsupported")
    for name in _FORBIDDEN:
        if name in header:
            raise RejectedError(4, "header_forbidden", f"header `{name}`")
    for name in _INJECTION:
        if name in header:
            raise RejectedError(4, "header_key_injection", f"header `{name}`: a token does not bring its own key")


def check_alg(header: dict[str, Any], algorithms: frozenset[str]) -> str:
    """Step 6: the algorithm, one of `algorithms` in exact case."""
    alg = header.get("alg")
    if isinstance(alg, str) and alg.lower() == "none":
        raise RejectedError(6, "alg_none")
    if not isinstance(alg, str) or alg not in algorithms:
        raise RejectedError(6, "alg_not_allowed", f"accepted: {', '.join(sorted(algorithms))}")
    return alg
