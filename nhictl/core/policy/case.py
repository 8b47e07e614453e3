"""A call as evidence tells of it: a request of which parts may not be known."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nhictl.core.policy.registry import Agent

__all__ = ["Case"]


class Case:
    """One call as evidence tells of it. What is not known is None; `now_us` is microseconds since the Unix epoch.

    `agent` is the registry's entry; with `assumed` it is only assumed to be registered, so that its name alone is known.
    `args` None: all arguments are gone; `erased` names single ones that are. `resource_known` says that `resource` None means
    that none was named. `claims` holds the `task.*` and `token.*` facts that are known, `context` what is of the context.
    `approvals` are those by class that were used for this call; `counted` says for which task, agent, instance and principal
    limits count it, by their `per`.
    """

    __slots__ = (
        "agent", "approvals", "args", "assumed", "claims", "context", "counted", "erased", "intent", "name", "now_us",
        "resource", "resource_known", "tool",
    )  # fmt: skip

    def __init__(
        self,
        tool: str,
        name: str | None,
        agent: Agent | None,
        *,
        assumed: bool = False,
        args: dict[str, Any] | None = None,
        erased: frozenset[str] = frozenset(),
        resource: str | None = None,
        resource_known: bool = False,
        intent: str | None = None,
        now_us: int | None = None,
        claims: dict[str, Any] | None = None,
        context: dict[str, Any] | None = None,
        approvals: dict[str, str] | None = None,
        counted: dict[str, str | None] | None = None,
    ) -> None:
        self.tool = tool
        self.name = name
        self.agent = agent
        self.assumed = assumed
        self.args = args
        self.erased = erased
        self.resource = resource
        self.resource_known = resource_known or resource is not None
        self.intent = intent
        self.now_us = now_us
        self.claims = claims or {}
        self.context = context or {}
        self.approvals = approvals or {}
        self.counted = counted or {}

    def by(self, name: str | None, agent: Agent | None) -> Case:
        """The same call by another agent."""
        return Case(
            self.tool, name, agent, assumed=self.assumed, args=self.args, erased=self.erased, resource=self.resource,
            resource_known=self.resource_known, intent=self.intent, now_us=self.now_us, claims=self.claims,
            context=self.context, approvals=self.approvals, counted={**self.counted, "agent": name},
        )  # fmt: skip
