"""What a job asks for against what a trust allows: intent, audience, scope, and how long."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nhictl.core import times
from nhictl.core.token.verdict import RejectedError
from nhictl.core.trust.value import Trust

if TYPE_CHECKING:
    from nhictl.core.policy.box import Box
    from nhictl.core.policy.compiled import Policy


def check_intent(trust: Trust, intent: str) -> None:
    """Step 19."""
    if intent not in trust.intents:
        raise RejectedError(19, "intent_not_listed", f"the trust lists {', '.join(trust.intents)}")


def check_audience(trust: Trust, audience: str) -> None:
    """Step 19: the audience of the token to be issued."""
    if trust.token_audiences and audience not in trust.token_audiences:
        raise RejectedError(19, "audience_not_listed", f"the trust lists {', '.join(trust.token_audiences)}")


def check_lengths(trust: Trust, ttl_s: int | None, deadline_s: int | None) -> None:
    """Step 19: no longer than the trust allows; what is not said is what it allows."""
    for word, asked, most in (("ttl", ttl_s, trust.ttl_s), ("deadline", deadline_s, trust.deadline_s)):
        if asked is not None and asked > most:
            raise RejectedError(19, f"{word}_exceeds_trust", f"at most {times.duration(most)}")


def granted(
    trust: Trust, asked: tuple[Box, ...], typed: tuple[Box, ...], policy: Policy | None = None
) -> list[dict[str, Any]]:
    """Step 19: the boxes of the task, in mapping form: the ceiling, or what was asked for if it is inside.

    Inside is what is proved to be: each box is, condition for condition, one of the ceiling (`typed`: those boxes as
    today's catalogue reads them), or the algebra of scopes shows that all it allows the ceiling allows.
    """
    if not asked:
        return trust.scope
    from nhictl.core.policy.box import box_from_mapping

    ceiling = {*typed, *(box_from_mapping(box, stored=True) for box in trust.scope)}
    for number, box in enumerate(asked, 1):
        if box not in ceiling and (why := _outside(box, typed, policy)) is not None:
            message = f"box {number} ({', '.join(box.tools)}) is not inside what the trust has: {why}"
            raise RejectedError(19, "scope_exceeds_trust", message)
    return [box.to_mapping() for box in asked]


def _outside(box: Box, ceiling: tuple[Box, ...], policy: Policy | None) -> str | None:
    """Why a box is not proved to lie inside the ceiling; None if it is."""
    from nhictl.core import strict_json
    from nhictl.core.policy.algebra import regions

    found = regions.subset(regions.union((box,)), regions.union(ceiling), policy)
    if found.holds:
        return None
    if found.witness is not None:
        return f"it also allows {strict_json.dumps(found.witness.to_json())}"
    return f"not proved: {found.why}"
