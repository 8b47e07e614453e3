"""Calls that have to be denied by what was used, by how a tool is described, or for want of a yes that counts."""

from __future__ import annotations

from typing import Any, Final

from nhictl.core.token import jws
from nhictl.ops.house import House
from nhictl.ops.token_facts import Question

DESCRIBED: Final = "sha256:" + "0" * 64
BOSS: Final = {"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}
"""A public key of which nobody here has the private half (RFC 8037, appendix A.2)."""
POLICY: Final = {
    "nhictl_policy": 1,
    "tools": {
        "read": {"args": {"limit": "integer"}},
        "purge": {"args": {}},
        "pay": {"args": {"amount": "number"}},
        "count": {"args": {}},
        "spend": {"args": {"amount": "number"}, "cost": {"amount": "args.amount", "currency": "EUR"}},
        "described": {"args": {}, "digest": DESCRIBED},
    },
    "classes": {"money": {"tools": ["pay"], "impact": "high", "requires": "approval"}},
    "rules": [
        {
            "id": "P",
            "effect": "permit",
            "match": {"agents": ["bot"], "tools": ["read", "purge", "pay", "count", "spend", "described"]},
        },
        {"id": "F", "effect": "forbid", "match": {"tools": ["purge"]}},
    ],
    "limits": [
        {"id": "L", "match": {"tools": ["count"]}, "per": "task", "calls": 1},
        {"id": "S", "match": {"tools": ["spend"]}, "per": "task", "spend": {"unit": "EUR", "max": 10}},
    ],
    "approvers": [{"name": "boss", "key": BOSS, "classes": ["money"]}],
}

COUNTED: Final[tuple[tuple[str, str, str, dict[str, Any], dict[str, Any] | None], ...]] = (
    ("control: the one call of a limit", "valid", "count", {}, None),
    ("a call beyond a limit", "limit_exceeded", "count", {}, None),
    ("control: money within a limit", "valid", "spend", {"amount": 9.99}, None),
    ("money beyond a limit", "limit_exceeded", "spend", {"amount": 0.02}, None),
    ("a negative cost", "invalid_request", "spend", {"amount": -5}, None),
    ("control: a tool as it was declared", "valid", "described", {}, {"tool.digest": DESCRIBED}),
    ("a tool whose description changed", "tool_drift", "described", {}, {"tool.digest": "sha256:" + "1" * 64}),
)
"""Name, what must come out, tool, arguments and context: one after another under one task, live."""


def approved_by_nobody(house: House, token: str, audience: str) -> str:
    """What becomes of an approval that a stranger's key signs."""
    from nhictl.core.identity import approver_key
    from nhictl.errors import RefusedError
    from nhictl.ops import decide_approval
    from nhictl.ops.verify_token import consume

    verdict = consume(house, Question(token.encode(), audience, "pay", {"amount": 2}))[0]
    request = (verdict.decision or {})["access_request"]["id"]
    stranger = jws.private_from_bytes(jws.new_private(house.random(40)))
    try:
        decide_approval.grant(
            house, decide_approval.show(house, request), lambda text: approver_key.sign(stranger, text).encode()
        )
    except RefusedError as e:
        return e.code
    return "granted"
