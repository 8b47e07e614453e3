"""What a job asks for against what a trust allows: intent, audience, scope, and how long."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nhictl.core import times
from nhictl.core.token.verdict import RejectedError
from nhictl.core.trust.value import Trust

if TYPE_CHECKING:
    from nhictl.core.policy.box import Box


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


def granted(trust: Trust, asked: tuple[Box, ...], typed: tuple[Box, ...]) -> list[dict[str, Any]]:
    """Step 19: the boxes of the task, in mapping form: the ceiling, or what was asked for if it is inside.

    Inside is what is proved to be: each box is, condition for condition, one of the ceiling (`typed`: those boxes as
    today's catalogue reads them). A box that is merely narrower is refused until the subset test can prove it.
    """
    if not asked:
        return trust.scope
    from nhictl.core.policy.box import box_from_mapping

    ceiling = {*typed, *(box_from_mapping(box, stored=True) for box in trust.scope)}
    for number, box in enumerate(asked, 1):
        if box not in ceiling:
            message = f"box {number} ({', '.join(box.tools)}) is none of those the trust has"
            raise RejectedError(19, "scope_exceeds_trust", message)
    return [box.to_mapping() for box in asked]
