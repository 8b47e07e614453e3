"""Unused access: what a policy's permits or a scope's boxes grant, and no call of a log used.

A claim that something is unused has to hold whatever the log leaves out. So a condition on what a log does not carry (the
agent's attributes, the token, the context, the hour) counts as met, and a permit counts as used if a call fits everything
else: `unused` is certain, the number of uses is an upper bound. Calls that were denied use nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from nhictl.core.policy.catalogue import InvalidRequestError
from nhictl.core.policy.condition import TRUE
from nhictl.core.policy.facts import Facts
from nhictl.core.policy.glob import Glob
from nhictl.core.policy.registry import Agent
from nhictl.core.policy.scope import scope_verdict

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from nhictl.core.policy.box_value import Box
    from nhictl.core.policy.compiled import Policy
    from nhictl.core.policy.plan import Test
    from nhictl.core.policy.propose.evidence import Call

__all__ = ["Grant", "box_use", "permit_use"]

_TOLD: Final = frozenset({"resource", "data.sensitivity", "task.intent", "tool", "class"})
_NOBODY: Final = Agent("nobody", "", "")


class Grant:
    """A permit by its id, or a box by its number in the scope; `names` is what it says by name, `seen` what calls used of
    it: tools, intents, agents.
    """

    __slots__ = ("calls", "id", "names", "places", "runs", "seen")

    def __init__(self, id: str | int, names: dict[str, list[str]]) -> None:  # noqa: A002
        self.id = id
        self.names = names
        self.calls = 0
        self.runs: set[str | None] = set()
        self.places: list[str] = []
        self.seen: dict[str, set[str]] = {"tools": set(), "intents": set(), "agents": set()}

    def add(self, call: Call) -> None:
        """One call used it."""
        self.calls += 1
        self.runs.add(call.run)
        if len(self.places) < 3:
            self.places.append(call.place)
        for kind, name in (("tools", call.tool), ("intents", call.intent), ("agents", call.agent)):
            if name is not None:
                self.seen[kind].add(name)

    def unused(self) -> dict[str, list[str]]:
        """Of what it names, tools, intents and agents that no call used; kinds with none are left out."""
        made = {}
        for kind, names in self.names.items():
            left = [name for name in names if not any(_is(kind, name, seen) for seen in self.seen[kind])]
            if left:
                made[kind] = left
        return made

    def to_json(self) -> dict[str, Any]:
        """As JSON."""
        return {"id": self.id, "used": self.calls > 0, "calls": self.calls, "runs": len(self.runs), "places": self.places,
                "unused": self.unused()}  # fmt: skip


def _is(kind: str, name: str, seen: str) -> bool:
    return Glob(name).matches(seen) or (kind == "agents" and seen.endswith(f"/agent/{name}"))


def permit_use(policy: Policy, calls: Iterable[Call]) -> tuple[list[Grant], list[Call]]:
    """What the permits of a policy were used for, by id, and the calls that none of them fits."""
    grants = {
        rule["id"]: Grant(rule["id"], {"tools": rule["tools"], **_named(rule["match"])})
        for rule in policy.form["rules"]
        if rule["effect"] == "permit"
    }
    outside = []
    for call in calls:
        tool, facts = policy.tool(call.tool), _facts(policy, call)
        fitting = []
        if tool is not None and facts is not None:
            permits = [rule for rule in policy.rules_for(tool) if rule.effect == "permit"]
            fitting = [rule.id for rule in permits if all(_may(test, facts) for test in rule.dynamic)]
        for found in fitting:
            grants[found].add(call)
        if not fitting:
            outside.append(call)
    return [grants[key] for key in sorted(grants)], outside


def _named(match: dict[str, Any]) -> dict[str, list[str]]:
    return {kind: match[kind] for kind in ("intents", "agents") if kind in match}


def _facts(policy: Policy, call: Call) -> Facts | None:
    """The facts a log has of a call; None if the policy does not take it at all."""
    tool = policy.tool(call.tool)
    if tool is None:
        return None
    try:
        _, flat, resource = tool.validate(call.args, call.resource if isinstance(call.resource, str) else None)
    except InvalidRequestError:
        return None
    claims = {} if call.intent is None else {"task.intent": call.intent}
    made = Facts(_NOBODY, tool.name, flat, resource, claims, {}, 0, policy.sensitivity_rank)
    made.classes = tuple(gate.name for gate in policy.gates(tool))
    return made


def _may(test: Test, facts: Facts) -> bool:
    """Whether a condition holds, or reads what no log tells."""
    if test.boxes is not None:
        return any(all(_may(each, facts) for each in box) for box in test.boxes)
    told = test.path.startswith("args.") or test.path in _TOLD
    if test.path == "task.intent" and "task.intent" not in facts.claims:
        told = False
    if test.op == "same_as" and not str(test.operand).startswith("args.") and test.operand not in _TOLD:
        told = False
    return not told or test.run(facts) == TRUE


def box_use(boxes: Sequence[Box], policy: Policy | None, calls: Iterable[Call]) -> tuple[list[Grant], list[Call]]:
    """What the boxes of a scope were used for, by number from 0, and the calls that none of them covers."""
    grants = [Grant(number, {"tools": list(box.tools)}) for number, box in enumerate(boxes)]
    outside = []
    for call in calls:
        resource = call.resource if isinstance(call.resource, str) else None
        hits = [
            grant
            for grant, box in zip(grants, boxes, strict=True)
            if box.matches_tool(call.tool) and scope_verdict([box], policy, call.tool, call.args, resource).covered
        ]
        for grant in hits:
            grant.add(call)
        if not hits:
            outside.append(call)
    return grants, outside
