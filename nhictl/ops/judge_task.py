"""A call under a task for which no token is shown: what is left of the 20 steps where a task alone is named.

An enforcement point that the home's owner set up for a task may name it in place of a token. Nothing is proved by that, so
it is for points that run as the owner; whoever is separate from the home shows a token. Steps 14, 19 and 20 are the same,
and a cut-off that covers the task's tokens stops it as well: whoever revoked them all meant the work to stop.
"""

from __future__ import annotations

import json

from nhictl.core.token import state
from nhictl.core.token.verdict import RejectedError, Verdict
from nhictl.ops import agents, policies, tasks
from nhictl.ops.house import House
from nhictl.ops.token_facts import Question, Seen, frozen_by, lease_of
from nhictl.ops.verify_token import check_details, check_policy
from nhictl.store import agents as agent_table
from nhictl.store import belongings, cuts, work

LATEST = agent_table.LATEST


def judge_task(house: House, name: str, asked: Question, now_us: int) -> tuple[Verdict, Seen]:
    """Whether the task of that id allows the call now, read in the caller's snapshot. Writes nothing."""
    seen = Seen()
    try:
        row = work.task(house.db, name)
        if row is None:
            raise RejectedError(19, "task_unknown", "not in this authority's store")
        seen.task = row
        seen.agent = agent_table.by_id(house.db, row.agent)
        stopped = belongings.is_suspended(house.db, row.agent, row.instance, LATEST)
        facts = state.Facts(
            agents.state_at(seen.agent, now_us) if seen.agent else None, None, digest_ok=True, head_ok=True,
            task=tasks.state_at(row, now_us), uses=None, stopped=row.instance if stopped else None,
            frozen=frozen_by(house, seen.agent, LATEST) if work.any_freeze(house.db) else None,
            lease=lease_of(house, row, now_us, LATEST),
        )  # fmt: skip
        state.check_agent(facts)
        if work.later(house.db, row.seq)[0] and cuts.of_task(house.db, row.id) is not None:
            raise RejectedError(17, "token_revoked", "a cut-off covers all that was granted for the task")
        state.check_task(facts)
        policy = policies.active(house)
        check_details(policy, json.loads(row.doc)["scope"], asked, None)
        check_policy(policy, asked, now_us, seen)
    except RejectedError as e:
        return Verdict(e.reason, e.step, message=e.message, source="store", decision=seen.decision), seen
    return Verdict("valid", 20, source="store", decision=seen.decision), seen
