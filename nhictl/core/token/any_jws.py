"""A compact JWS with any payload against the one key given: steps 1 to 4, 6, 9 and 10 of verification.

Header members that are merely unknown are ignored, as RFC 7515 §4 has it. What the key says about itself binds: `alg`,
`use`, `key_ops`, and `kid` where both sides have one.
"""

from __future__ import annotations

from typing import Any

from nhictl.core.token import algorithms, compact, jwk
from nhictl.core.token.jws import KeyFaultError
from nhictl.core.token.verdict import RejectedError


def verify(data: bytes, key: Any, limit: int) -> tuple[dict[str, Any], bytes]:
    """The header and payload of a JWS of at most `limit` bytes that the JWK `key` verifies; RejectedError says why not."""
    text, (raw_header, payload, signature) = compact.split(data, limit)
    header = compact.json_object(raw_header, 3, "header")
    compact.check_header(header)
    alg = compact.check_alg(header, algorithms.ALGORITHMS)
    if not isinstance(key, dict):
        raise RejectedError(9, "key_malformed", "the key is no JSON object")
    try:
        loaded = jwk.load(key, alg)
    except KeyFaultError as e:
        raise RejectedError(9, e.reason, f"the key {e}") from e
    if "kid" in header:
        if not isinstance(header["kid"], str):
            raise RejectedError(9, "kid_missing", "header `kid` is no string")
        if key.get("kid", header["kid"]) != header["kid"]:
            raise RejectedError(9, "kid_unknown", "header and key name different keys")
    if not algorithms.verify(alg, loaded, text.rpartition(b".")[0], signature):
        raise RejectedError(10, "signature_invalid")
    return header, payload
