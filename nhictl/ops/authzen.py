"""AuthZEN requests put to the policy: one evaluation, or several with the semantic they ask for. Never writes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nhictl.formats import authzen
from nhictl.ops.check_policy import Bench, Call

if TYPE_CHECKING:
    from nhictl.core.policy.decide import Decision

SCHEMA = "nhictl.authzen/v1"


def evaluate(place: Bench, value: Any, at_us: int | None = None) -> tuple[dict[str, Any], int]:
    """The answer on an Access Evaluation or Evaluations request, and the exit status: 0 permitted, 1 not, 3 undecided.

    Several evaluations count as permitted if all are, with `permit_on_first_permit` if one is. InputError for no request.
    """
    several = authzen.batch(value)
    if several is None:
        made = _decide(place, value, at_us)
        return authzen.answer(made), 0 if made.allowed else 3 if made.reason == "indeterminate" else 1
    items, semantic = several
    answers = list(authzen.in_order(items, semantic, lambda item: authzen.answer(_decide(place, item, at_us))))
    permitted = [one["decision"] for one in answers]
    enough = any(permitted) if semantic == "permit_on_first_permit" else all(permitted)
    return {"evaluations": answers}, 0 if enough else 1


def _decide(place: Bench, value: Any, at_us: int | None) -> Decision:
    asked = authzen.evaluation(value)
    policy = place.policy()
    tool = policy.tool(asked.action) if policy is not None else None
    args = authzen.arguments(asked, tool)
    return place.decide(
        Call(asked.action, asked.subject, None, None, args, authzen.resource_id(asked, tool), asked.context, at_us)
    )
