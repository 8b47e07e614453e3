"""Who may open a task: the `openers` of the policy in force, by user id, agent, intent and a ceiling of scope.

Without openers it is the home's owner, and the record says so. The ceiling is proven before the lock is taken, since
the proof can take a second; inside the act it holds only if the policy is still the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from nhictl.core import strict_json
from nhictl.core.policy.box import Box, box_from_mapping
from nhictl.core.policy.glob import Glob
from nhictl.errors import RefusedError
from nhictl.ops import agents, people, policies
from nhictl.ops.act import Act
from nhictl.ops.house import House


class Proof(NamedTuple):
    """What was found about an order: under which policy (its record), for whom, what the record says, or why not."""

    version: int
    uid: int
    ext: dict[str, Any]
    refused: tuple[str, str] | None


def prove(house: House, agent: str, intent: str, boxes: Sequence[Box]) -> Proof:
    """Whether the person at the keyboard may open such a task."""
    version, uid = policies.version(house), people.person(house).uid
    policy = policies.active(house)
    openers = policy.form.get("openers", []) if policy is not None else []
    if not openers:
        return Proof(version, uid, {"by": "owner"}, None)
    ext = {"by": "policy", "uid": uid}
    mine = [one for one in openers if uid in one["uid"]]
    fitting = [one for one in mine if _named(one["agents"], agent) and _named(one["intents"], intent)]
    if not fitting:
        what = f"tasks of `{agent}` for `{intent}`" if mine else "tasks"
        return Proof(version, uid, ext, ("opener_not_listed", f"the policy does not let uid {uid} open {what}"))
    if any(one["scope"] is None for one in fitting):
        return Proof(version, uid, ext, None)
    from nhictl.core.policy.algebra import regions

    ceiling = [box_from_mapping(box, stored=True) for one in fitting for box in one["scope"]]
    found = regions.subset(regions.union(boxes), regions.union(ceiling), policy)
    if found.holds:
        return Proof(version, uid, ext, None)
    if found.holds is False and found.witness is not None:
        call = strict_json.dumps(found.witness.to_json())
        why = f"the scope goes beyond what uid {uid} may open: {call}"
        return Proof(version, uid, ext, ("scope_exceeds_opener", why))
    return Proof(
        version, uid, ext, ("scope_undecided", f"not proven to lie inside what uid {uid} may open: {found.why}")
    )


def holds(house: House, proof: Proof | None, agent: str, intent: str, boxes: Sequence[Box]) -> Proof:
    """The proof as of now: the one at hand, or another where the policy was replaced or there was none."""
    if proof is not None and proof.version == policies.version(house):
        return proof
    return prove(house, agent, intent, boxes)


def record(act: Act, agent: str, intent: str, error: RefusedError) -> RefusedError:
    """Record that a task was refused to whoever wanted it; the error, to be raised once that is durable."""
    name = agents.find(act.house, agent).name
    return people.refused(act, "task.open", error.code, error.message, error.hint, agent=name, more={"intent": intent})


def _named(wanted: list[str] | None, name: str) -> bool:
    return wanted is None or any(Glob(text).matches(name) for text in wanted)
