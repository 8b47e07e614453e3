"""`policy unused`: what a policy or a scope grants and no call of a log used, and what would have been enough."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from nhictl.core.policy.box_file import parse_scope_file
from nhictl.core.policy.document import parse_policy
from nhictl.core.policy.propose.collect import collect
from nhictl.core.policy.propose.documents import count
from nhictl.core.policy.propose.evidence import place
from nhictl.core.policy.propose.proposal import propose_rules, propose_scope
from nhictl.core.policy.propose.unused import Grant, box_use, permit_use
from nhictl.errors import NotFoundError
from nhictl.ops import policies
from nhictl.ops.house import House
from nhictl.ops.propose_policy import Wanted, high_impact, story_of
from nhictl.ops.replay import Story

__all__ = ["Unused", "count", "unused"]

if TYPE_CHECKING:
    from nhictl.core.policy.compiled import Policy
    from nhictl.core.policy.propose.evidence import Evidence


class Unused(NamedTuple):
    """Grants with their use; of the `calls`, how many no grant covers (`outside`) and how many cannot be judged
    (`unreadable`); `narrowest` is what would have been enough, None where no one document says it.
    """

    kind: str
    grants: list[Grant]
    calls: int
    outside: int
    unreadable: int
    narrowest: str | None
    story: Story

    @property
    def idle(self) -> int:
        """How many grants no call used."""
        return sum(not grant.calls for grant in self.grants)

    def to_json(self) -> dict[str, Any]:
        """The answer as JSON, without its schema."""
        return {
            "kind": self.kind, "calls": self.calls, "outside": self.outside, "unreadable": self.unreadable,
            "unused": self.idle, "grants": [grant.to_json() for grant in self.grants], "narrowest": self.narrowest,
            "integrity": self.story.integrity, "unproven": self.story.unproven,
        }  # fmt: skip


def unused(house: House, wanted: Wanted, files: Sequence[tuple[str, bytes]], scope: tuple[str, bytes] | None) -> Unused:
    """Compare logs, or the home's own, with a scope file, else with policy files, else with the policy in force.

    NotFoundError (4) if there is nothing to compare with. What a log does not tell counts in favour of the grant.
    """
    policy = parse_policy(files) if files else policies.active(house) if house.exists() else None
    if policy is None and scope is None:
        raise NotFoundError("no policy to compare with", hint="--policy FILE or --scope FILE")
    story = story_of(house, wanted)
    evidence = collect(story.events)
    if scope is not None:
        grants, outside = box_use(parse_scope_file(*scope, policy), policy, evidence.calls)
    else:
        assert policy is not None  # noqa: S101 - one of the two was given
        grants, outside = permit_use(policy, evidence.calls)
    left = {call.place for call in outside}
    used = collect([event for event in story.events if event.tool is None or place(event) not in left])
    unreadable = sum(len(places) for places in evidence.unreadable.values())
    kind = "scope" if scope is not None else "policy"
    enough = _narrowest(used, kind, policy)
    return Unused(kind, grants, len(evidence.calls), len(outside), unreadable, enough, story)


def _narrowest(used: Evidence, kind: str, policy: Policy | None) -> str | None:
    """The proposal from the calls that were covered; none for a scope of several intents, or if nothing was used."""
    intents = sorted({intent for intent, _ in used.usage}, key=lambda intent: intent or "")
    if not intents or (kind == "scope" and len(intents) > 1):
        return None
    head = ["what would have covered every call that was covered: review it; nothing is in force"]
    withheld = high_impact(policy)
    if kind == "scope":
        made = propose_scope(used, intents[0], policy, withheld, head)
    else:
        made = propose_rules(used, intents, withheld, head, closed=False)
    return made.text if made.entries else None
