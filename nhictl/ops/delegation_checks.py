"""Whether a token may be made from a token: who may be handed what, and that it is provably less. Nothing here writes."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from nhictl.core import strict_json
from nhictl.core.identity import spiffe
from nhictl.core.policy.algebra import regions
from nhictl.core.policy.box import Box, box_from_mapping
from nhictl.core.token import compact, delegation, profile
from nhictl.core.token.confirmation import Confirmation
from nhictl.core.token.verdict import RejectedError
from nhictl.errors import InputError
from nhictl.ops import agents, binding, frozen, policies
from nhictl.ops.act import Act
from nhictl.ops.house import House
from nhictl.ops.issue_token import MAX_USES
from nhictl.ops.open_task import MAX_BOXES
from nhictl.ops.token_facts import Question, Seen
from nhictl.store import agents as agent_table

STEP: Final = 15
"""The step of verification that a refusal belongs to: who may act for whom."""


class Wanted(NamedTuple):
    """What the child is to be: for which agent, which boxes, bound to which key (or `agent` for the agent's own)."""

    to: str
    boxes: tuple[Box, ...]
    bind: binding.Bound
    audience: str | None = None
    ttl_s: int | None = None
    instance: str | None = None
    uses: int | None = None


class Refused(NamedTuple):
    """Why there is no child; `witness` is a request that it would have allowed and its parent does not."""

    reason: str
    step: int
    message: str
    witness: dict[str, Any] | None = None
    recorded: bool = True


class Plan(NamedTuple):
    """What was settled before the lock: the parent's claims, the child's permission to hand on, and the proof or refusal."""

    claims: dict[str, Any]
    left: dict[str, Any] | None
    refused: Refused | None
    policy: int


def check(wanted: Wanted) -> None:
    """InputError (2) for what could be nobody's token."""
    if not 1 <= len(wanted.boxes) <= MAX_BOXES:
        raise InputError(f"a token has 1 to {MAX_BOXES} boxes of scope", code="invalid_scope", hint="--allow BOX")
    if wanted.ttl_s is not None and not 1 <= wanted.ttl_s <= profile.MAX_BOUND_TTL_S:
        raise InputError(f"a delegated token lives 1 to {profile.MAX_BOUND_TTL_S} s", code="invalid_ttl")
    if wanted.uses is not None and not 1 <= wanted.uses <= MAX_USES:
        raise InputError(f"--uses {wanted.uses} is not 1 to {MAX_USES}", code="usage")
    if not isinstance(wanted.bind, Confirmation) and wanted.bind != binding.OWN:
        raise InputError("a delegated token is bound to a key", code="usage")


def question(house: House, parent: bytes, proof: bytes | None, certificate: bytes | None = None) -> Question:
    """The question whether the parent is good for its own audience: delegating is no use of it at a resource.

    A certificate is public: without a proof by its key it shows nothing, and does not count.
    """
    audience = _unproven(parent).get("aud")
    shown = None if proof is None else (proof, delegation.PROOF_METHOD, house.meta["issuer"])
    named = audience if isinstance(audience, str) and audience else "-"
    return Question(parent, named, proof=shown, certificate=certificate if shown is not None else None)


def _unproven(token: bytes) -> dict[str, Any]:
    """The claims of a token that nobody has checked; nothing where there are none."""
    try:
        return compact.json_object(compact.split(token)[1][1], 7, "claims")
    except RejectedError:
        return {}


def plan(house: House, parent: bytes, wanted: Wanted) -> Plan:
    """Whether the child is narrower than the parent, which was found to be good: the costly part, without the lock."""
    claims = _unproven(parent)
    version = policies.version(house)
    policy = policies.active(house)
    delegate_id = spiffe.agent_id(house.meta["trust_domain"], agents.find(house, wanted.to).name)
    entries, left = delegation.handed_on(claims.get("authorization_details", []), delegate_id)
    refused = _not_allowed(claims, wanted, entries)
    if refused is None:
        inside = profile.boxes(entries) or []
        outer = regions.union(box_from_mapping(entry, stored=True) for entry in inside)
        refused = _wider(regions.subset(regions.union(wanted.boxes), outer, policy), wanted)
    return Plan(claims, left, refused, version)


def _not_allowed(claims: dict[str, Any], wanted: Wanted, entries: list[dict[str, Any]]) -> Refused | None:
    if wanted.audience is not None and wanted.audience != claims["aud"]:
        return Refused("audience_widened", 13, f"the parent is for {claims['aud']}")
    if entries:
        return None
    permitted = [e["delegation"] for e in claims.get("authorization_details", []) if e.get("delegation")]
    if not permitted:
        return Refused("delegation_not_allowed", STEP, "nothing in the parent may be handed on")
    return Refused("delegate_not_allowed", STEP, f"the parent may not be handed on to `{wanted.to}`")


def _wider(found: regions.Answer, wanted: Wanted) -> Refused | None:
    """The refusal of a child that is not proven to lie inside what its parent may hand on."""
    if found.holds:
        return None
    if found.witness is not None and found.exceeded is not None:
        box = strict_json.dumps(wanted.boxes[found.exceeded].to_mapping())
        call = found.witness.to_json()
        return Refused("scope_widened", 19, f"{box} allows what the parent does not: {strict_json.dumps(call)}", call)
    return Refused("scope_undecided", 19, f"not proven to lie inside the parent: {found.why}")


def unfit(act: Act, holder: agent_table.AgentRow, seen: Seen) -> Refused | None:
    """Why the agent cannot be the next actor of this chain."""
    names = [seen.agent.name if seen.agent else "", *(seen.lineage.names if seen.lineage else ())]
    if holder.name in names:
        return Refused("delegation_cycle", STEP, f"`{holder.name}` is in the chain already")
    if len(names) > delegation.MAX_DEPTH:
        return Refused("act_depth", STEP, f"at most {delegation.MAX_DEPTH} actors")
    if (state := agents.state_at(holder, act.now_us)) != "active":
        return Refused("actor_not_active", STEP, f"`{holder.name}` is {state}")
    if (freeze := frozen.by(act.house, holder)) is not None:
        return Refused("frozen", STEP, f"`{holder.name}` is frozen, by the freeze of {freeze}")
    return None
