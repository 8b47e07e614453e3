"""`policy check`: what the rules would decide. Never writes, and never answers more leniently than the live path."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from nhictl.core.policy.compiled import Policy
from nhictl.core.policy.decide import Decision, decide
from nhictl.core.policy.registry import Agent, Registry
from nhictl.core.policy.request import Request
from nhictl.errors import InputError
from nhictl.ops import agents, frozen, high_water, policies, reading, tasks
from nhictl.ops.call_decision import stored_counters
from nhictl.ops.house import House
from nhictl.store import agents as agent_table
from nhictl.store import belongings, sqlite, work
from nhictl.store.freezes import Freeze

if TYPE_CHECKING:
    from nhictl.core.policy.limits import Counters


class Call(NamedTuple):
    """One call asked about: by agent and intent, or by the task it belongs to."""

    tool: str
    agent: str | None = None
    intent: str | None = None
    task: str | None = None
    args: dict[str, Any] | None = None
    resource: str | None = None
    context: dict[str, Any] | None = None
    at_us: int | None = None
    supported: frozenset[str] | None = None


class Bench:
    """Where the facts come from: files given with the question, else the home. Built once, asked many times."""

    def __init__(self, house: House, policy: Policy | None, registry: Registry | None) -> None:
        self.house = house
        self._policy = policy
        self._registry = registry
        self._cached: tuple[int, Policy | None] | None = None

    def policy(self, below: int = agent_table.LATEST) -> Policy | None:
        """The policy given, else the one in force as of the first `below` records."""
        if self._policy is not None:
            return self._policy
        with sqlite.guarded("read the policy"):
            row = policies.version(self.house, below)
        if self._cached is None or self._cached[0] != row:
            self._cached = (row, policies.active(self.house, below))
        return self._cached[1]

    def needs_home(self) -> bool:
        """Whether a question can be answered from the files alone."""
        return self._policy is None or self._registry is None

    def decide(self, call: Call) -> Decision:
        """The decision on one call. One that names a task is held to everything that the live path holds it to."""
        found = self._find(call)
        if isinstance(found, Decision):
            return found
        policy, agent, request, doc = found
        if doc is not None and (refused := _outside(policy, request, doc)):
            return refused
        decision = decide(policy, agent, request, call.supported, self._counters(policy, call))
        if decision.allowed and doc is not None and doc["max_calls"] is not None and doc["calls"] >= doc["max_calls"]:
            return Decision("limit_exceeded", decision.digest, message=f"the task has had its {doc['max_calls']} calls")
        return decision

    def _counters(self, policy: Policy | None, call: Call) -> Counters | None:
        """What limits stand at as of the moment asked about; without a home nothing was used."""
        if policy is None or not policy.limited or not (self.needs_home() or call.task is not None):
            return None
        return stored_counters(self.house, policy, agents.below_of(self.house, call.at_us))

    def explain(self, call: Call) -> list[dict[str, Any]]:
        """The rule table of one call: forbids first, each condition with the value seen."""
        from nhictl.core.policy.explain import explain, explain_limits

        found = self._find(call)
        if isinstance(found, Decision) or found[0] is None:
            return []
        return explain(*found[:3]) + explain_limits(found[0], found[1], found[2])

    def _find(self, call: Call) -> Decision | tuple[Policy | None, Agent | None, Request, dict[str, Any] | None]:
        """The policy, agent, request and task of a question; a decision where it names a task that there is not."""
        at_us = call.at_us
        below = agent_table.LATEST
        if self.needs_home() or call.task is not None:
            high_water.refuse_put_back(self.house)
            below = agents.below_of(self.house, at_us)
        now = at_us if at_us is not None else self.house.clock()
        policy = self.policy(below)
        name, intent, task, doc = call.agent or "", call.intent, None, None
        if call.task is not None:
            with sqlite.guarded("read the tasks"):
                row = work.task(self.house.db, call.task, below)
                if row is None:
                    digest = policy.digest if policy else None
                    return Decision("invalid_request", digest, message=f"no task `{call.task}`", field="task")
                who = agent_table.by_id(self.house.db, row.agent, below)
                doc = tasks.to_json(self.house, row, now, below)
                doc["stopped"] = belongings.is_suspended(self.house.db, row.agent, row.instance, below)
                doc["frozen"] = frozen.by(self.house, who, below) if who else None
                doc["lease"] = self._lease(row, at_us)
            name, intent = (who.name if who else ""), doc["intent"]
            task = {
                "id": row.name,
                "intent": intent,
                "principal": doc["principal"],
                "delegation_depth": 0,
                "instance": row.instance,
            }
        agent, freeze = self._agent(name, below)
        if freeze is not None and task is None:
            digest, why = policy.digest if policy else None, f"agent is frozen: `{name}`, by the freeze of {freeze}"
            return Decision("invalid_request", digest, message=why, field="agent")
        known = name if agent is None else agent.name
        request = Request(known, call.tool, call.args or {}, call.resource, intent, now, call.context or {}, task, None)
        return policy, agent, request, doc

    def _lease(self, row: work.TaskRow, at_us: int | None) -> str | None:
        """How the lease of the task stands, if it has one and the question is not about the past."""
        if row.lease is None or (at_us is not None and at_us < self.house.clock()):
            return None
        from nhictl.ops import leases

        return leases.standing(self.house, row)

    def _agent(self, name: str, below: int) -> tuple[Agent | None, Freeze | None]:
        """The agent, and what freezes it; an agents file knows of no freeze."""
        if self._registry is not None:
            return self._registry.find(name) or self._by_spiffe_id(self._registry, name), None
        with sqlite.guarded("read the agents"):
            row = agents.known_as(self.house, name, below)
            return (policies.agent_facts(row), frozen.by(self.house, row, below)) if row else (None, None)

    def _by_spiffe_id(self, registry: Registry, name: str) -> Agent | None:
        """An agent of a file by its SPIFFE ID: of the home's trust domain, and of any where there is no home to say which."""
        from nhictl.core.identity import spiffe

        if not name.startswith("spiffe://"):
            return None
        domain = self.house.meta["trust_domain"] if self.house.exists() else name[9:].partition("/")[0]
        found = spiffe.agent_name(name, domain)
        agent = registry.find(found) if found is not None else None
        return agent if agent is not None and agent.name == found else None


def _outside(policy: Policy | None, request: Request, doc: dict[str, Any]) -> Decision | None:
    """The refusal of a call that its task does not cover, before any rule is asked: codes of steps 14 and 19."""
    digest = policy.digest if policy else None
    if doc["stopped"]:
        return Decision("agent_suspended", digest, message=f"its instance `{doc['instance']}` is suspended")
    if doc["state"] != "open":
        return Decision(f"task_{doc['state']}", digest, message=f"task `{doc['id']}` is {doc['state']}")
    if doc["frozen"] is not None:
        return Decision("frozen", digest, message=f"by the freeze of {doc['frozen']}")
    if doc["lease"] == "lost":
        return Decision("lease_lost", digest, message=f"the process that task `{doc['id']}` was bound to is gone")
    if "erased" in doc:
        return Decision(
            "indeterminate", digest, message=f"what task `{doc['id']}` was opened for has been erased since"
        )
    if doc["lease"] == "unseen":
        return Decision("indeterminate", digest, message=f"whether task `{doc['id']}` is held cannot be seen from here")
    refused = policies.outside(policy, doc["scope"], request.tool, request.args, request.resource)
    return Decision(refused[0], digest, message=refused[1]) if refused else None


def bench(house: House, policy_files: Sequence[tuple[str, bytes]], registry_file: tuple[str, bytes] | None) -> Bench:
    """Set up from the files given; a part that is not given comes from the home."""
    policy = registry = None
    if policy_files:
        from nhictl.core.policy.document import parse_policy

        policy = parse_policy(policy_files)
    if registry_file is not None:
        from nhictl.core.policy.registry import parse_agents

        registry = Registry(parse_agents(*registry_file))
    return Bench(house, policy, registry)


def from_mapping(value: Any, now_us: int) -> Call:
    """A request or batch line as a call; InputError names the member that is wrong."""
    from nhictl.core import times

    if not isinstance(value, dict):
        raise InputError("a request is an object", code="invalid_request_line")
    if extra := sorted(
        value.keys() - {"id", "agent", "intent", "task", "tool", "args", "resource", "context", "at", "supported"}
    ):
        raise InputError(f"no member `{extra[0]}` in a request", code="invalid_request_line")
    for name in ("agent", "intent", "task", "tool", "resource", "at"):
        if not isinstance(value.get(name), str | None):
            raise InputError(f"`{name}` is no string", code="invalid_request_line")
    for name in ("args", "context"):
        if not isinstance(value.get(name), dict | None):
            raise InputError(f"`{name}` is no object", code="invalid_request_line")
    if value.get("tool") is None or (value.get("agent") is None) == (value.get("task") is None):
        raise InputError("a request names a tool, and either an agent or a task", code="invalid_request_line")
    if value.get("task") is not None and value.get("intent") is not None:
        raise InputError("a task has its own intent", code="invalid_request_line")
    try:
        at_us = times.parse_time(value["at"], now_us) if value.get("at") is not None else None
    except (ValueError, OverflowError) as e:
        raise InputError(f"`at`: {e}", code="invalid_request_line") from e
    return Call(
        value["tool"], value.get("agent"), value.get("intent"), value.get("task"), value.get("args"),
        value.get("resource"), value.get("context"), at_us, reading.supported(value.get("supported")),
    )  # fmt: skip
