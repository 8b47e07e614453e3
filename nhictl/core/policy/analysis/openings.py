"""Who can call a tool, and what an agent can call: the calls that a policy allows, as regions, within what was asked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nhictl.core.policy.algebra.budget import UndecidedError
from nhictl.core.policy.algebra.search import intersect
from nhictl.core.policy.analysis.region import Region, alike, merged
from nhictl.core.policy.analysis.sets import APPROVABLE, PERMITTED, Sets, outcome
from nhictl.core.policy.catalogue import InvalidRequestError
from nhictl.core.policy.resource import Refused, normal_resource

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nhictl.core.policy.algebra.grid import Box
    from nhictl.core.policy.algebra.witness import Witness
    from nhictl.core.policy.analysis.sets import Part
    from nhictl.core.policy.catalogue import Tool
    from nhictl.core.policy.compiled import Policy
    from nhictl.core.policy.registry import Agent

__all__ = ["Openings", "what_can", "who_can"]

MAX_REGIONS = 400


class Openings:
    """Regions of calls that are allowed, and `undecided`: by tool, why there may be more."""

    def __init__(self) -> None:
        self.regions: list[Region] = []
        self.undecided: dict[str, str] = {}


def who_can(
    policy: Policy, agents: Sequence[Agent] | None, now_us: int, tool: str, args: dict[str, Any], resource: str | None
) -> Openings:
    """The calls of a tool that are allowed, with these arguments as far as they are given, and whoever may make them.

    Raises InvalidRequestError for an argument or resource that the tool does not take.
    """
    made = Openings()
    declared = policy.tool(tool)
    if declared is None:
        raise InvalidRequestError("tool", f"is not declared: `{tool}`")
    facts = _normal(declared, args, resource)
    _open(made, policy, agents, now_us, tool, facts)
    return made


def what_can(policy: Policy, agent: Agent | str, now_us: int) -> Openings:
    """The calls that are allowed to one agent: a registered one, or whichever goes by a name."""
    made = Openings()
    for name in sorted(policy.form["tools"]):
        if isinstance(agent, str):
            _open(made, policy, None, now_us, name, {"agent.name": agent})
        else:
            _open(made, policy, [agent], now_us, name, {})
    return made


def _normal(tool: Tool, args: dict[str, Any], resource: str | None) -> dict[str, Any]:
    facts: dict[str, Any] = {}
    level: list[tuple[str, Any]] = [("", args)]
    while level:
        prefix, value = level.pop()
        for name, item in value.items():
            path = prefix + name
            of = tool.argument_type(path)
            if of is None and isinstance(item, dict):
                level.append((f"{path}.", item))
            elif of is None:
                if not tool.open:
                    raise InvalidRequestError(f"args.{path}", "is not declared")
            elif item is not None:
                try:
                    facts[f"args.{path}"] = of.normal(item)
                except Refused as e:
                    raise InvalidRequestError(f"args.{path}", str(e)) from e
    if resource is not None:
        if tool.resource is None:
            raise InvalidRequestError("resource", f"is not taken by `{tool.name}`")
        try:
            facts["resource"] = normal_resource(resource, None if "{" in tool.resource else tool.resource)
        except Refused as e:
            raise InvalidRequestError("resource", str(e)) from e
    return facts


def _open(
    made: Openings, policy: Policy, agents: Sequence[Agent] | None, now_us: int, name: str, facts: dict[str, Any]
) -> None:
    parts: list[tuple[str, Part]] = []
    try:
        sets = Sets(name, [policy], agents, now_us)
    except UndecidedError as e:
        made.undecided[name] = str(e)
        return
    within = {path: alike(sets.grid, path, value) for path, value in facts.items() if path in sets.grid.axes}
    try:
        _allowed(sets, within, parts)
    except UndecidedError as e:
        made.undecided[name] = str(e)
    full = {axis.name: axis.full for axis in sets.grid.axes.values()}
    for level in (PERMITTED, APPROVABLE):
        for box, shown in merged([part for at, part in parts if at == level], full):
            made.regions.append(Region(sets, box, shown, level, None, sets.decide(0, shown)))


def _allowed(sets: Sets, within: Box, parts: list[tuple[str, Part]]) -> None:
    taken = [held.box for held in sets.forbids(0)]
    for level in (PERMITTED, APPROVABLE) if sets.gated_sides else (PERMITTED,):

        def holds(asked: Witness, level: str = level) -> bool:
            return outcome(sets.decide(0, asked)) == level

        for held in sets.permits(0, level):
            box = intersect(held.box, within)
            if box is None or not all(box.values()):
                continue
            for part in sets.left(box, taken, holds):
                parts.append((level, part))
                taken.append(part.box)
                if len(parts) > MAX_REGIONS:
                    raise UndecidedError(f"more than {MAX_REGIONS} regions")
