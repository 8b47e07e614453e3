"""`policy who-can|what-can`: which agents may call a tool, and what an agent may call, under which conditions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from nhictl.core.policy.analysis.openings import Openings, what_can, who_can
from nhictl.core.policy.catalogue import InvalidRequestError
from nhictl.errors import InputError, NotFoundError
from nhictl.ops import reading
from nhictl.ops.house import House
from nhictl.ops.policy_files import File, active_files, at_home, parsed, registered

if TYPE_CHECKING:
    from nhictl.core.policy.compiled import Policy
    from nhictl.core.policy.registry import Agent


def who(
    house: House, files: Sequence[File], registry: File | None, tool: str, pairs: list[tuple[str, str]],
    resource: str | None,
) -> dict[str, Any]:  # fmt: skip
    """Who may call a tool, with these arguments as far as they are given; NotFoundError (4) for a tool not declared."""
    policy, agents, now = _sources(house, files, registry)
    if policy.tool(tool) is None:
        raise NotFoundError(f"no tool `{tool}` is declared", code="no_tool")
    args = reading.arguments(policy, tool, pairs)
    try:
        found = who_can(policy, agents, now, tool, args, resource)
    except InvalidRequestError as e:
        raise InputError(str(e), code="invalid_request") from e
    names = {name for region in found.regions for name in region.agents or ()}
    return {"tool": tool, "agents": None if agents is None else sorted(names)} | _answer(found)


def what(house: House, files: Sequence[File], registry: File | None, name: str) -> dict[str, Any]:
    """What an agent may call; NotFoundError (4) for one that is not registered, or may not act."""
    policy, agents, now = _sources(house, files, registry)
    agent: Agent | str = name
    if agents is not None:
        known = next((each for each in agents if name == each.name or name in each.aliases), None)
        if known is None:
            raise NotFoundError(f"no agent `{name}` that may act", code="no_agent")
        agent = known
    found = what_can(policy, agent, now)
    return {"agent": name, "tools": sorted({region.sets.name for region in found.regions})} | _answer(found)


def _sources(house: House, files: Sequence[File], registry: File | None) -> tuple[Policy, list[Agent] | None, int]:
    now = house.clock()
    policy = parsed(files or active_files(house))
    if registry is not None:
        return policy, registered(registry, now), now
    return policy, None if files else at_home(house), now


def _answer(found: Openings) -> dict[str, Any]:
    return {
        "regions": [region.to_json() for region in found.regions],
        "undecided": [{"tool": tool, "why": why} for tool, why in sorted(found.undecided.items())],
    }
