"""From a part of a grid to a whole request, and the evaluator's word on it: nothing is said to exist that it denies."""

from __future__ import annotations

from itertools import islice, product
from typing import TYPE_CHECKING, Any

from nhictl.core.policy.algebra.call import liken, make
from nhictl.core.policy.algebra.cells import ABSENT, ODD
from nhictl.core.policy.algebra.literals import SAME_MARK
from nhictl.core.policy.facts import CLAIMABLE
from nhictl.core.policy.instant import instant_text
from nhictl.core.policy.registry import Agent
from nhictl.core.policy.request import Request
from nhictl.core.policy.types import plain

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from nhictl.core.policy.algebra.grid import Box, Grid
    from nhictl.core.policy.algebra.rooms import Shape

__all__ = ["TRIES", "Witness", "inhabited", "witness"]

TRIES = 64
_CHOICES = 6


class Witness:
    """A request and the agent that makes it."""

    __slots__ = ("agent", "request")

    def __init__(self, agent: Agent, request: Request) -> None:
        self.agent = agent
        self.request = request

    def to_json(self, *, known: bool) -> dict[str, Any]:
        """`{request, agent}`: the request as `policy check --request` takes it; the agent with what it has to be registered
        with, unless it is `known` from a registry.
        """
        asked = self.request
        made: dict[str, Any] = {"agent": asked.agent, "tool": asked.tool, "args": plain(asked.args)}
        if asked.intent is not None:
            made["intent"] = asked.intent
        if asked.resource is not None:
            made["resource"] = asked.resource
        if asked.context:
            made["context"] = plain(asked.context)
        made["at"] = instant_text(asked.now_us)
        if known:
            return {"request": made}
        of = self.agent
        attributes: dict[str, Any] = {"name": of.name, "owner": of.owner, "purpose": of.purpose, "trust": of.trust}
        if of.env is not None:
            attributes["env"] = of.env
        if of.groups:
            attributes["groups"] = list(of.groups)
        if of.labels:
            attributes["labels"] = dict(of.labels)
        return {"request": made, "agent": attributes | ({"attested": True} if of.attested else {})}


def inhabited(grid: Grid, box: Box) -> Iterator[tuple[Shape, Box]]:
    """The shapes in which a box has calls at all, with what is left of it there."""
    for shape, limits in grid.shapes():
        made = dict(box)
        for axis, bits in limits.items():
            made[axis] = made[axis] & bits if axis in made else bits
        if all(made.values()) and (grid.agents is None or grid.agents):
            yield shape, made


def witness(grid: Grid, shape: Shape, box: Box, holds: Callable[[Witness], bool]) -> Witness | None:
    """A request in the box of which `holds` is true; None if none of those tried is one."""
    names = [name for name in grid.axes if name]
    if grid.agents is not None and "agent" not in names:
        names.append("agent")
    offered = []
    for name in names:
        axis = grid.axis(name)
        offered.append(_some(axis.values, box.get(name, axis.full), many=name in box or name.startswith(SAME_MARK)))
    for chosen in islice(product(*offered), TRIES):
        made = _request(grid, shape, dict(zip(names, chosen, strict=True)))
        if made is not None and holds(made):
            return made
    return None


def _some(values: list[Any], bits: int, *, many: bool) -> list[Any]:
    """A few of the values chosen, those that read best first; what is free may be absent."""
    found: list[Any] = []
    while bits and len(found) < 24:
        low = bits & -bits
        found.append(values[low.bit_length() - 1])
        bits ^= low
    found.sort(key=_oddity)
    if bits and values[bits.bit_length() - 1] is ABSENT:
        found.append(ABSENT)
    if not many and ABSENT in found:
        found.remove(ABSENT)
        found.insert(0, ABSENT)
    return found[: _CHOICES if many else 2]


def _oddity(value: Any) -> int:
    if value is ABSENT or value is ODD:
        return 3
    if isinstance(value, int | float) and not isinstance(value, bool):
        return 1 if value < 0 else 0
    return len(value) if isinstance(value, list) else 0


def _request(grid: Grid, shape: Shape, chosen: dict[str, Any]) -> Witness | None:
    values = dict(chosen)
    now_us = values.pop("time", grid.now_us)
    agent = values.pop("agent", None)
    for name in [name for name in values if name.startswith(SAME_MARK)]:
        wanted = values.pop(name)
        path, _, other = name.removeprefix(SAME_MARK).partition(" ")
        if wanted is not ODD:
            if agent is not None and other.startswith("agent."):
                values[other] = _attribute(agent, other)
            liken(shape, values, path, other, wanted)
    called = make(grid.name, shape, {k: v for k, v in values.items() if k.startswith("args.") or k == "resource"}, {})
    if agent is None:
        agent = _agent({k: v for k, v in values.items() if k.startswith("agent.") and v is not ABSENT})
    context: dict[str, Any] = {}
    for name, value in values.items():
        if value is ABSENT:
            continue
        if name.startswith("context."):
            context[name[8:]] = {} if value is ODD else value
        elif name in CLAIMABLE and name != "task.intent":
            context[name] = value
    intent = values.get("task.intent", ABSENT)
    return Witness(
        agent,
        Request(
            agent.name, called.tool, called.args, called.resource, None if intent is ABSENT else intent, now_us, context
        ),
    )


def _attribute(agent: Agent, path: str) -> Any:
    name = path.removeprefix("agent.")
    found = agent.labels.get(name[7:]) if name.startswith("labels.") else getattr(agent, name, None)
    return ABSENT if found is None else found


def _agent(values: dict[str, Any]) -> Agent:
    labels = {name[13:]: value for name, value in values.items() if name.startswith("agent.labels.")}
    return Agent(
        values.get("agent.name", "some-agent"),
        values.get("agent.owner", "owner@example.org"),
        "an example",
        values.get("agent.env"),
        values.get("agent.trust", 0),
        values.get("agent.groups", ()),
        labels,
        attested=values.get("agent.attested", False),
    )
