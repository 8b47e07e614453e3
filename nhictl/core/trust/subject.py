"""A foreign issuer's token by steps 1 to 13 of reference/tokens.md §4, with the keys and the audience of one trust.

As everywhere: unknown header members are ignored and times may be finite floats, and nothing else is let pass that our
own tokens would be refused for. A token needs a `jti`, since without one it could be exchanged twice unseen.
"""

from __future__ import annotations

import math
from hashlib import sha256
from typing import Any, Final, NamedTuple

from nhictl.core.token import claims as steps
from nhictl.core.token import compact
from nhictl.core.token.claims import LEEWAY_S
from nhictl.core.token.verdict import RejectedError
from nhictl.core.trust.value import Trust

_TYPS: Final = ("jwt", "jose", None)
_MAX_JTI: Final = 1024


class Subject(NamedTuple):
    """A token taken apart, nothing of it believed: header, payload, the bytes that are signed, and the signature."""

    header: dict[str, Any]
    payload: bytes
    signed: bytes
    signature: bytes
    text: bytes


def parse(token: bytes) -> Subject:
    """Steps 1 to 5."""
    text, (raw_header, payload, signature) = compact.split(token)
    header = compact.json_object(raw_header, 3, "header")
    compact.check_header(header)
    compact.check_typ(header, _TYPS)
    return Subject(header, payload, text.rpartition(b".")[0], signature, text)


def claims_of(subject: Subject) -> dict[str, Any]:
    """Step 7."""
    return compact.json_object(subject.payload, 7, "claims")


def check_algorithm(subject: Subject, trust: Trust) -> None:
    """Step 6."""
    compact.check_alg(subject.header, frozenset(trust.algorithms))


def check_issuer(claims: dict[str, Any], trust: Trust) -> None:
    """Step 8: the very same text; a slash more is somebody else."""
    if "iss" not in claims:
        raise RejectedError(8, "iss_missing")
    if claims["iss"] != trust.issuer:
        raise RejectedError(8, "iss_untrusted", f"expected {trust.issuer}")


def check_signature(subject: Subject, trust: Trust) -> None:
    """Steps 9 and 10: only a pinned key of this trust counts, the one the token names."""
    pinned = tuple((key, False) for key in trust.keys)
    hint = f"none of the {len(pinned)} pinned keys: has the issuer new ones?"
    key, _ = steps.named_key(subject.header, pinned, hint)
    steps.check_foreign_signature(subject.header, subject.signed, subject.signature, key)


def check_types(claims: dict[str, Any]) -> None:
    """Step 11. `aud` is looked at in step 13."""
    for name in ("sub", "aud", "exp", "iat", "jti"):
        if name not in claims:
            raise RejectedError(11, f"claim_missing:{name}")
    for name in ("sub", "jti"):
        if not isinstance(claims[name], str) or not 1 <= len(claims[name]) <= _MAX_JTI:
            raise RejectedError(11, f"claim_type:{name}")
    for name in ("exp", "iat", "nbf"):
        if name in claims:
            steps.check_moment(claims, name)


def check_times(claims: dict[str, Any], trust: Trust, now_us: int) -> None:
    """Step 12; the longest life is the trust's."""
    steps.check_times(claims, now_us, longest_s=trust.max_lifetime_s)


def mark(claims: dict[str, Any], trust: Trust) -> bytes:
    """What a token is remembered by: SHA-256 over issuer and `jti`, however the token was spelt."""
    return sha256(f"{trust.issuer}\0{claims['jti']}".encode()).digest()


def forget_after_s(claims: dict[str, Any]) -> int:
    """The second after which nobody's clock can take the token for good any more, so that its `jti` may be forgotten.

    Twice the leeway and a minute: clocks here may go back by one leeway without being refused.
    """
    exp: float = claims["exp"]
    return math.ceil(exp) + 2 * LEEWAY_S + 60


def check_audience(claims: dict[str, Any], trust: Trust) -> None:
    """Step 13: one audience, and it is the trust's."""
    if not isinstance(claims["aud"], str):
        raise RejectedError(13, "aud_multiple" if isinstance(claims["aud"], list) else "claim_type:aud")
    if claims["aud"] != trust.audience:
        raise RejectedError(13, "aud_mismatch", f"expected {trust.audience}")
