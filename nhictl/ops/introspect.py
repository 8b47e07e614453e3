"""RFC 7662 token introspection: what a token says, if it is good here and now, and nothing about one that is not.

It is a look, not a use: nothing is written. A token with a use limit is good only for the check that takes a use, so here it
is not active; ask for an evaluation with it. Of a bound token the answer says the key (`cnf`), and that its holder has it is
for whoever asks to see (RFC 9449 §6.2, RFC 8705 §3.2).
"""

from __future__ import annotations

from typing import Any, Final

from nhictl.core.caller_file import INTROSPECT
from nhictl.core.token import compact
from nhictl.core.token.verdict import RejectedError
from nhictl.errors import InputError, UnsafeError
from nhictl.ops.callers import Caller
from nhictl.ops.house import House
from nhictl.ops.token_facts import Question
from nhictl.ops.verify_token import verify

INACTIVE: Final[dict[str, Any]] = {"active": False}


def introspect(house: House, caller: Caller, token: bytes) -> dict[str, Any]:
    """The members of an introspection response (§2.2); exactly `{"active": false}` for a token that is not good, or for others.

    RefusedError (1) for a caller that may not ask, UnsafeError (6) where our own clock went back.
    """
    caller.require(INTROSPECT)
    kind = compact.kind_of(token)
    audience = _audience(token)
    if audience is None or (caller.audiences is not None and audience not in caller.audiences):
        return INACTIVE
    try:
        verdict = verify(house, Question(token, audience, kind=kind, proved_elsewhere=True))
    except InputError:
        return INACTIVE  # an audience that is none
    if verdict.reason == "clock_regressed":
        raise UnsafeError(verdict.message, code="clock_regressed")
    claims = verdict.claims or {}
    if not verdict.valid:
        return INACTIVE
    return {"active": True, "token_type": "DPoP" if "jkt" in claims.get("cnf", {}) else "Bearer", **claims}


def _audience(token: bytes) -> str | None:
    """For whom the token says it is, believed only as the question that verification answers."""
    try:
        claims = compact.json_object(compact.split(token)[1][1], 7, "claims")
    except RejectedError:
        return None
    found = claims.get("aud")
    return found if isinstance(found, str) else None
