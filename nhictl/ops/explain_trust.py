"""`trust explain`: what a trust expects of a token and what one says, claim by claim; nothing is taken or recorded."""

from __future__ import annotations

from typing import Any

from nhictl.core.policy.box import box_from_mapping
from nhictl.core.token.verdict import RejectedError
from nhictl.core.trust import match
from nhictl.ops import agents, exchange_checks, exchange_token, openers, policies, trusts
from nhictl.ops.exchange_checks import Case
from nhictl.ops.house import House
from nhictl.store import sqlite


def explain(house: House, name: str, token: bytes | None, at_us: int | None = None) -> dict[str, Any]:
    """The trust, a row per claim, every check, and whether an exchange would get past them; `would` is None without a token.

    Only claims of the provider's list and those that the trust names are in it. NotFoundError (4) if there never was
    such a trust.
    """
    with sqlite.guarded("read the trusts"):
        below = agents.below_of(house, at_us)
        now = house.clock() if at_us is None else at_us
        row = exchange_token.find(house, name, below)
        case = Case(house, row, token or b"", now, below=below)
        body: dict[str, Any] = {"trust": trusts.to_json(house, row, now, below)}
        if token is None:
            claims = [one.to_json() for one in match.rows(case.trust, None)]
            return {**body, "would": None, "verified": False, "checks": [], "claims": claims, "other_claims": {}}
        checks = [_check("trust in force", RejectedError(8, "trust_removed") if row.ended is not None else None)]
        checks += [_check(name, outcome) for name, outcome in exchange_checks.everything(case)]
        opened = _openers(house, case) if at_us is None else []
    shown = case.shown()
    return {
        **body,
        "would": "exchange"
        if all(check["ok"] for check in checks) and any(c["ok"] for c in opened or checks)
        else "refuse",
        "verified": case.signed,
        "checks": [*checks, *opened],
        "claims": [one.to_json() for one in match.rows(case.trust, case.claims)],
        "other_claims": {claim: value for claim, value in shown.items() if claim not in case.trust.match},
    }


def _openers(house: House, case: Case) -> list[dict[str, Any]]:
    """For each intent of the trust, whether the policy in force lets whoever asks open its task, over the whole ceiling; none
    without openers. One intent that may be opened is enough for an exchange.
    """
    policy = policies.active(house)
    if policy is None or not policy.form.get("openers"):
        return []
    boxes = [box_from_mapping(box, stored=True) for box in case.trust.scope]
    made = []
    for intent in case.trust.intents:
        found = openers.prove(house, case.trust.agent, intent, boxes)
        refused = RejectedError(19, *found.refused) if found.refused is not None else None
        made.append(_check(f"opener for {intent}", refused))
    return made


def _check(name: str, outcome: RejectedError | bool | None) -> dict[str, Any]:
    """`{"check","ok","reason","step","message"}`; `ok` is null for one that could not be made."""
    if isinstance(outcome, RejectedError):
        return {"check": name, "ok": False, "reason": outcome.reason, "step": outcome.step, "message": outcome.message}
    return {"check": name, "ok": True if outcome is None else None, "reason": None, "step": None, "message": ""}
