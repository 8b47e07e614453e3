"""What operations need of the policy in force: loading it by digest, typing scopes by it, asking it."""

from __future__ import annotations

import json
import weakref
from typing import TYPE_CHECKING, Any

from nhictl.core import strict_json
from nhictl.errors import UnsafeError
from nhictl.ops.house import House
from nhictl.store import agents as agent_table
from nhictl.store import sqlite, work

if TYPE_CHECKING:
    from nhictl.core.policy.compiled import Policy
    from nhictl.core.policy.registry import Agent

LATEST = agent_table.LATEST
_KEPT: weakref.WeakKeyDictionary[House, Policy] = weakref.WeakKeyDictionary()
"""By house, and so by thread, the policy it loaded last: for as long as the digest in force is the same, it means the same."""


def active(house: House, below: int = LATEST) -> Policy | None:
    """The policy in force now, or as of the first `below` records; None if none was activated."""
    kept = _KEPT.get(house)
    with sqlite.guarded("read the policy"):
        if kept is not None and kept.digest == work.active_digest(house.db, below):
            return kept
        row = work.active_policy(house.db, below)
    if row is None:
        return None
    from nhictl.core.policy.compiled import Policy

    policy = Policy.from_json(row[2])
    if policy.digest != row[1]:
        raise UnsafeError(f"the policy in force is not the one that was activated ({row[1]})", code="store_damaged")
    _KEPT[house] = policy
    return policy


def active_digest(house: House) -> str | None:
    """The digest of the policy in force."""
    return work.active_digest(house.db)


def agent_facts(row: agent_table.AgentRow) -> Agent:
    """A registered agent as the policy sees it."""
    from nhictl.core.policy.registry import Agent

    doc: dict[str, Any] = json.loads(row.doc)
    return Agent(
        row.name, doc["owner"], doc["purpose"], doc["env"], doc["trust"], doc["groups"], doc["labels"], row.state,
        doc["expires_us"], attested=doc["attested"], aliases=doc.get("aliases", ()),
    )  # fmt: skip


def version(house: House, below: int = LATEST) -> int:
    """The number of the record that put the policy in force, -1 if none did: what a cache may be keyed on."""
    row = work.policy_version(house.db, below)
    return -1 if row is None else row


def outside(
    policy: Policy | None, scope: list[Any], tool: str, args: dict[str, Any], resource: str | None
) -> tuple[str, str] | None:
    """Reason code of step 19 and the words for it, if a stored scope (boxes in mapping form) does not cover a call."""
    from nhictl.core.policy.box import box_from_mapping, scope_verdict

    boxes = [box_from_mapping(entry, stored=True) for entry in scope]
    verdict = scope_verdict(boxes, policy, tool, args, resource)
    if verdict.covered:
        return None
    return verdict.reason or "authz_insufficient", _why_outside(tool, verdict.near)


def _why_outside(tool: str, near: list[dict[str, Any]]) -> str:
    """In words, what of the closest box the call does not meet."""
    if not near:
        return f"the task's scope does not name {tool}"
    first = near[0]
    if "unknown" in first:
        return f"the scope holds what this version does not know: {', '.join(first['unknown'])}"
    said = []
    for miss in first["failed"]:
        if "invalid" in miss:
            said.append(str(miss["invalid"]))
        else:
            operand, value = strict_json.dumps(miss["operand"]), strict_json.dumps(miss["value"])
            said.append(f"{miss['fact']} {miss['op']} {operand}, saw {value}")
    return "outside the task's scope: " + "; ".join(said)
