"""Delegation in a token's claims: who may hand on what, and the chain of actors (RFC 8693 §4.1).

The current actor is the outermost `act`, the ones before it are nested inside; `sub` stays the agent that the task was
given to. An entry of `authorization_details` without `delegation` cannot be handed on.
"""

from __future__ import annotations

from typing import Any, Final

from nhictl.core.identity import spiffe
from nhictl.core.token.verdict import RejectedError

MAX_DEPTH: Final = 5
"""Actors in a chain at most."""
PROOF_METHOD: Final = "DELEGATE"
"""The `htm` of the proof for delegating a key-bound token; its `htu` is the issuer. No request elsewhere has this method,
so that no proof that was made for one can be used to delegate."""
_MEMBERS: Final = frozenset({"sub", "iss", "sub_profile", "act"})


def permission(max_depth: int, delegates: list[str]) -> dict[str, Any]:
    """What stands in an entry that may be handed on: how many times over, and to which SPIFFE IDs."""
    return {"max_depth": max_depth, "allowed_delegates": delegates}


def act_claim(actor: str, issuer: str, before: dict[str, Any] | None) -> dict[str, Any]:
    """The `act` of a token for `actor`, around that of the token it was made from."""
    made: dict[str, Any] = {"sub": actor, "iss": issuer, "sub_profile": "ai_agent"}
    return made if before is None else made | {"act": before}


def chain(claims: dict[str, Any], issuer: str, trust_domain: str) -> list[str]:
    """Step 15: the names of the actors, the current one first; RejectedError if the chain is not as we make them."""
    found: list[str] = []
    act: Any = claims["act"]
    while act is not None:
        if not isinstance(act, dict) or not act.keys() <= _MEMBERS or act.get("iss") != issuer:
            raise RejectedError(15, "act_malformed", "an actor has `sub`, `iss` and `sub_profile`, of this issuer")
        name = spiffe.agent_name(act["sub"], trust_domain) if isinstance(act.get("sub"), str) else None
        if name is None or act.get("sub_profile", "ai_agent") != "ai_agent":
            raise RejectedError(15, "act_malformed", "an actor is an agent of the trust domain")
        found.append(name)
        if len(found) > MAX_DEPTH:
            raise RejectedError(15, "act_depth", f"at most {MAX_DEPTH} actors")
        if "act" in act and act["act"] is None:
            raise RejectedError(15, "act_malformed", "an actor that is null")
        act = act.get("act")
    own = claims.get("nhictl")
    if "cnf" not in claims or not isinstance(own, dict) or not isinstance(own.get("parent_jti"), str):
        raise RejectedError(15, "act_malformed", "a delegated token is bound to a key and names its parent")
    return found


def foreign_chain(claims: dict[str, Any]) -> None:
    """Step 15 for a token of another issuer: every actor is an object that says who (RFC 8693 §4.1), and they are few."""
    act: Any = claims["act"]
    for depth in range(MAX_DEPTH + 1):
        if not isinstance(act, dict) or not isinstance(act.get("sub"), str) or not act["sub"]:
            raise RejectedError(15, "act_malformed", "an actor says who it is: a `sub`")
        if depth == MAX_DEPTH:
            raise RejectedError(15, "act_depth", f"at most {MAX_DEPTH} actors")
        if "act" not in act:
            return
        act = act["act"]


def handed_on(entries: list[dict[str, Any]], delegate: str) -> tuple[list[dict[str, Any]], dict[str, Any] | None]:
    """The entries that may be handed on to the SPIFFE ID `delegate`, and what is left of that permission afterwards.

    The rest is the least that any of the entries leaves: None when it is used up.
    """
    found: list[dict[str, Any]] = []
    depths: list[int] = []
    allowed: list[str] | None = None
    for entry in entries:
        given: Any = entry.get("delegation")
        if not _is_permission(given) or given["max_depth"] < 1 or delegate not in given["allowed_delegates"]:
            continue
        found.append(entry)
        depths.append(given["max_depth"] - 1)
        mine = given["allowed_delegates"]
        allowed = mine if allowed is None else [one for one in allowed if one in mine]
    left = min(depths, default=0)
    return found, permission(left, allowed or []) if left and allowed else None


def _is_permission(given: Any) -> bool:
    """Whether `delegation` says what this version understands, and no more."""
    if not isinstance(given, dict) or given.keys() != {"max_depth", "allowed_delegates"}:
        return False
    depth, names = given["max_depth"], given["allowed_delegates"]
    whole = isinstance(depth, int) and not isinstance(depth, bool)
    return whole and isinstance(names, list) and all(isinstance(name, str) for name in names)
