"""The facts a condition may read: their paths, their types, and how to see their value in one request.

Agent attributes come from the registry, never from the request. `task.*` and `token.*` come from an enforcement point;
a dry run has none, and they are unknown unless `context` claims them under the same path. What an enforcement point
gives is never filled up from claims (reference `policy.md` §1, design §5).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nhictl.core.policy.catalogue import InvalidRequestError
from nhictl.core.policy.condition import MISTYPED
from nhictl.core.policy.types import ArgType, Refused

if TYPE_CHECKING:
    from collections.abc import Callable

    from nhictl.core.policy.registry import Agent
    from nhictl.core.policy.request import Request

__all__ = ["CLAIMABLE", "FACT_TYPES", "NO_CLAIMS", "Facts", "claims_of", "fact_type", "getter"]

_STRING, _INTEGER, _BOOLEAN, _ANY = ArgType("string"), ArgType("integer"), ArgType("boolean"), ArgType("any")
FACT_TYPES: dict[str, ArgType] = {
    "agent.name": _STRING,
    "agent.owner": _STRING,
    "agent.env": _STRING,
    "agent.trust": _INTEGER,
    "agent.groups": ArgType("list", item=_STRING),
    "agent.attested": _BOOLEAN,
    "agent.state": _STRING,
    "task.intent": _STRING,
    "task.principal": _STRING,
    "task.delegation_depth": _INTEGER,
    "task.id": _STRING,
    "token.ttl_s": _INTEGER,
    "token.bound": _BOOLEAN,
    "tool": _STRING,
    "env": _STRING,
    "resource": ArgType("resource"),
    "data.sensitivity": ArgType("sensitivity"),
    "class": ArgType("list", item=_STRING),
}
CLAIMABLE = ("task.intent", "task.principal", "task.delegation_depth", "task.id", "token.ttl_s", "token.bound")
NO_CLAIMS: dict[str, Any] = {}


class Facts:
    """What one validated request offers to conditions. `args` maps dotted names to normal values, `arguments` is the
    same nested as it was given.
    """

    __slots__ = (
        "agent", "args", "arguments", "claims", "classes", "context", "guardrails", "now_us", "rank", "resource",
        "sensitivity", "tool",
    )  # fmt: skip

    def __init__(
        self,
        agent: Agent,
        tool: str,
        args: dict[str, Any],
        resource: str | None,
        claims: dict[str, Any],
        context: dict[str, Any],
        now_us: int,
        rank: Callable[[str], int],
    ) -> None:
        self.agent = agent
        self.tool = tool
        self.args = args
        self.arguments = args
        self.resource = resource
        self.claims = claims
        self.context = context
        self.now_us = now_us
        self.rank = rank
        self.sensitivity: int | None = None
        self.classes: tuple[str, ...] = ()
        self.guardrails: list[str] = []


def _sensitivity(facts: Any) -> Any:
    if facts.sensitivity is None and facts.resource is not None:
        facts.sensitivity = facts.rank(facts.resource)
    return facts.sensitivity


_GETTERS: dict[str, Callable[[Any], Any]] = {
    "agent.name": lambda f: f.agent.name,
    "agent.owner": lambda f: f.agent.owner,
    "agent.env": lambda f: f.agent.env,
    "agent.trust": lambda f: f.agent.trust,
    "agent.groups": lambda f: list(f.agent.groups),
    "agent.attested": lambda f: f.agent.attested,
    "agent.state": lambda f: f.agent.state,
    "tool": lambda f: f.tool,
    "env": lambda f: f.agent.env,
    "resource": lambda f: f.resource,
    "data.sensitivity": _sensitivity,
    "class": lambda f: list(f.classes),
}


def fact_type(path: str) -> ArgType | None:
    """Return the type of a fact that is no argument; None if there is no such fact."""
    known = FACT_TYPES.get(path)
    if known is not None:
        return known
    if path.startswith("agent.labels.") and len(path) > 13:
        return _STRING
    if path.startswith("context.") and len(path) > 8:
        return _ANY
    return None


def getter(path: str) -> Callable[[Any], Any]:
    """Return the function that sees the fact at `path`; None stands for an absent value."""
    known = _GETTERS.get(path)
    if known is not None:
        return known
    if path.startswith("args."):
        name = path[5:]
        return lambda f: f.args.get(name)
    if path.startswith("agent.labels."):
        label = path[13:]
        return lambda f: f.agent.labels.get(label)
    if path.startswith("context."):
        return _context(path[8:])
    return lambda f: f.claims.get(path)


def _context(key: str) -> Callable[[Any], Any]:
    def see(facts: Any) -> Any:
        value = facts.context.get(key)
        if value is None:
            return None
        try:
            return _ANY.normal(value)
        except Refused:
            return MISTYPED

    return see


def claims_of(request: Request) -> dict[str, Any]:
    """Collect `task.*` and `token.*`: what an enforcement point gives, else what the context claims."""
    if request.intent is None and request.task is None and request.token is None and not request.context:
        return NO_CLAIMS
    given: dict[str, Any] = {}
    for path in CLAIMABLE:
        origin, name = path.split(".", 1)
        known = request.task if origin == "task" else request.token
        field = path if known is not None else f"context.{path}"
        value = known.get(name) if known is not None else request.context.get(path)
        if path == "task.intent" and request.intent is not None:
            if value is not None and value != request.intent:
                raise InvalidRequestError("intent", f"is `{request.intent}`, but the task says otherwise")
            value, field = request.intent, "intent"
        if value is not None:
            try:
                given[path] = FACT_TYPES[path].normal(value)
            except Refused as e:
                raise InvalidRequestError(field, str(e)) from e
    return given
