"""`token inspect`: what a token says. Proves nothing, needs no home."""

from __future__ import annotations

from typing import Any

from nhictl.core import strict_json
from nhictl.core.token import compact
from nhictl.core.token.verdict import RejectedError
from nhictl.errors import InputError


def inspect(token: bytes) -> dict[str, Any]:
    """Header and claims as decoded, unproved; InputError (2) with the reason code if it is no token at all."""
    try:
        _, (head, body, signature) = compact.split(token)
        header, claims = strict_json.loads(head), strict_json.loads(body)
    except RejectedError as e:
        raise InputError(f"not a token: {e.message or e.reason}", code=e.reason) from e
    except strict_json.StrictJSONError as e:
        raise InputError(f"not a token: {e}", code="token_bad_json") from e
    if not isinstance(header, dict) or not isinstance(claims, dict):
        raise InputError("not a token: header or claims are no object", code="token_bad_json")
    return {"proved": False, "header": header, "claims": claims, "signature_bytes": len(signature)}
