"""Step 20: what the policy says about a call, asked for every agent that acts; limits and approvals included.

The live path and a plain check ask the same way. What an allowed call takes from counters and which approvals it uses up
is noted for the act that records it.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from nhictl.core.policy.decide import Decision, decide
from nhictl.core.policy.request import Request
from nhictl.core.token.verdict import RejectedError
from nhictl.ops import policies
from nhictl.ops.house import House
from nhictl.ops.token_facts import Question, Seen

if TYPE_CHECKING:
    from nhictl.core.policy.compiled import Policy
    from nhictl.core.policy.limits import Counters
    from nhictl.store import agents as agent_table


def check(house: House, policy: Policy | None, asked: Question, now_us: int, below: int, seen: Seen) -> None:
    """RejectedError at step 20 unless the policy allows the call to all who act, and the task has a call left."""
    if seen.agent is None or seen.task is None:
        raise RejectedError(20, "invalid_request", "agent or task is unknown")
    doc = json.loads(seen.task.doc)
    actors = seen.lineage.actors if seen.lineage is not None else ()
    task = {
        "id": seen.task.name, "intent": doc["intent"], "principal": doc["principal"], "delegation_depth": len(actors),
        "instance": seen.instance,
    }  # fmt: skip
    token: dict[str, Any] = {}  # of no token nothing is known, and nothing may be claimed
    if (mine := seen.claims) is not None:
        token = {"ttl_s": mine["exp"] - mine["iat"], "bound": "cnf" in mine}
    counters = stored_counters(house, policy, below)
    for agent in (seen.agent, *reversed(actors)):  # a delegate may do what all before it may do as well
        request = Request(
            agent.name, asked.tool or "", asked.args or {}, asked.resource, doc["intent"], now_us, asked.context or {},
            task, token,
        )  # fmt: skip
        decision = _decide(house, policy, agent, request, asked, counters, seen)
        before, seen.decision = seen.decision, decision.to_json()
        if not decision.allowed:
            who = f"agent `{agent.name}`: " if actors else ""
            raise RejectedError(20, decision.reason, f"{who}{decision.message or ''}".removesuffix(": "))
        seen.charges.update((charge.counter, charge) for charge in decision.charges)
        seen.approvals = list(dict.fromkeys([*seen.approvals, *decision.approvals]))
        if before is not None:
            _add(seen.decision, before)
    limit = doc["max_calls"]
    if limit is not None and seen.task.calls >= limit:
        seen.decision = None
        raise RejectedError(20, "limit_exceeded", f"the task has had its {limit} calls")


def stored_counters(house: House, policy: Policy | None, below: int) -> Counters | None:
    """What limits stand at, where the policy has any."""
    if policy is None or not policy.limited:
        return None
    from nhictl.ops.limits import StoredCounters

    return StoredCounters(house, below)


def _decide(
    house: House, policy: Policy | None, agent: agent_table.AgentRow, request: Request, asked: Question,
    counters: Counters | None, seen: Seen,
) -> Decision:  # fmt: skip
    """The decision; a call held back by a class is asked about again with the approvals that are good for it."""
    facts = policies.agent_facts(agent)
    decision = decide(policy, facts, request, asked.supported, counters)
    if decision.reason != "approval_required" or policy is None or seen.task is None or asked.at_us is not None:
        return decision
    from nhictl.ops import approvals

    seen.wanted = approvals.call_of(house, asked, seen, decision, policy)
    if seen.wanted is None:
        return decision
    given = approvals.good_for(house, seen.task.id, seen.wanted, policy, request.now_us)
    return decide(policy, facts, request, asked.supported, counters, given) if given else decision


def _add(decision: dict[str, Any], before: dict[str, Any]) -> None:
    """What the decision on an earlier actor rests on and obliges to, beside that on a later one."""
    for name in ("rules", "obligations", "classes", "guardrails", "approvals"):
        if name in before:
            mine = decision.setdefault(name, [])
            mine.extend(one for one in before[name] if one not in mine)
