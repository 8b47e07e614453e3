"""Which tools a call could be allowed of at all: what an enforcement point may list. A list grants nothing."""

from __future__ import annotations

import json
from collections.abc import Mapping

from nhictl.core.policy.glob import Glob
from nhictl.ops import high_water, policies
from nhictl.ops.guard_call import Grip
from nhictl.ops.house import House
from nhictl.ops.token_facts import Question, Seen
from nhictl.store import agents as agent_table
from nhictl.store import work


def pinned(house: House, name: str) -> bool:
    """Whether the catalogue declares the tool with the digest of its description, against which calls are held."""

    def answer(_: object) -> bool:
        policy = policies.active(house)
        tool = policy.tool(name) if policy is not None else None
        return tool is not None and tool.digest is not None

    return high_water.checked(house, "read the policy", answer)


def usable(house: House, grip: Grip, tools: Mapping[str, str]) -> frozenset[str]:
    """Those of `tools` that the scope names, the catalogue declares and some permit may hold for, with whatever arguments.

    Given are digests of their descriptions by name: one that was declared with another digest is not among them.

    Nothing is written. With a token that does not verify, or a task that there is not, it is none.
    """

    def answer(_: object) -> frozenset[str]:
        seen = _seen(house, grip)
        policy = policies.active(house)
        if seen.task is None or seen.agent is None or policy is None:
            return frozenset()
        scope = json.loads(seen.task.doc)["scope"]
        actors = seen.lineage.actors if seen.lineage is not None else ()
        above = [scope, *(seen.lineage.scopes if seen.lineage is not None else ())]
        agents = [policies.agent_facts(row) for row in (seen.agent, *actors)]
        found = set()
        for name in tools:
            tool = policy.tool(name)
            if (
                tool is None
                or tool.digest not in (None, tools[name])
                or not all(_named(boxes, name) for boxes in above)
            ):
                continue
            plans = [policy.plan(tool, agent) for agent in agents]
            if all(plan.permits and all(tests for _, tests in plan.forbids) for plan in plans):
                found.add(name)
        return frozenset(found)

    return high_water.checked(house, "read the store", answer)


def _seen(house: House, grip: Grip) -> Seen:
    """Who holds the grip, as far as it is good now."""
    if grip.task is not None:
        seen = Seen()
        seen.task = work.task(house.db, grip.task)
        seen.agent = agent_table.by_id(house.db, seen.task.agent) if seen.task is not None else None
        return seen
    from nhictl.ops.verify_token import judge

    asked = Question(grip.token or b"", grip.audience, kind=grip.kind, proof=grip.proof)
    verdict, seen = judge(house, asked, house.clock(), consume=False)
    return seen if verdict.valid or verdict.reason == "use_required" else Seen()


def _named(boxes: list[dict[str, object]], name: str) -> bool:
    tools = [pattern for box in boxes for pattern in _tools(box)]
    return any(Glob(pattern).matches(name) for pattern in tools)


def _tools(box: dict[str, object]) -> list[str]:
    found = box.get("tools")
    return [one for one in found if isinstance(one, str)] if isinstance(found, list) else []
