"""What one policy allows and another does not: exact regions, each shown by a request that the two decide differently.

With P the permits, F the forbids, of what the new policy allows and the old one does not, each call lies in a new permit
and no new forbid, and either in no old permit or in an old forbid. So tools whose rules did not change cost nothing, and
of the others only rules that are on one side alone are asked about.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nhictl.core.policy.algebra.budget import UndecidedError
from nhictl.core.policy.algebra.catalogues import differing, unfollowed
from nhictl.core.policy.algebra.search import intersect
from nhictl.core.policy.analysis.limit_rules import LimitChange, changed_limits
from nhictl.core.policy.analysis.people_changes import PeopleChange, changed_people
from nhictl.core.policy.analysis.region import Region, merged
from nhictl.core.policy.analysis.sets import APPROVABLE, PERMITTED, Held, Sets, outcome

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nhictl.core.policy.algebra.grid import Box
    from nhictl.core.policy.algebra.witness import Witness
    from nhictl.core.policy.analysis.sets import Part
    from nhictl.core.policy.compiled import Policy
    from nhictl.core.policy.registry import Agent

__all__ = ["Comparison", "compare"]

MAX_REGIONS = 400
"""Regions of one tool that are told apart; where there are more, that tool is undecided beyond them."""
_LIMIT = ("match", "all", "any", "calls", "spend", "bytes_out")
_RANK = {None: 0, APPROVABLE: 1, PERMITTED: 2}


class Comparison:
    """Regions `gained` and `lost` by the new policy, and `undecided`: by tool, why more may have changed.

    `limits` are those that differ: what one that was loosened lets through depends on what was used, and counts as gained,
    as do `people` who newly may open tasks or approve.
    `disjoint` is None where it was not decided.
    """

    def __init__(self) -> None:
        self.gained: list[Region] = []
        self.lost: list[Region] = []
        self.undecided: dict[str, str] = {}
        self.limits: list[LimitChange] = []
        self.people: list[PeopleChange] = []
        self.disjoint: bool | None = True

    @property
    def gains(self) -> bool | None:
        """Whether something is newly allowed; None where that is undecided."""
        if self.gained or any(one.gains for one in self.limits) or any(one.gains for one in self.people):
            return True
        return None if self.undecided else False

    @property
    def loses(self) -> bool | None:
        """Whether something is newly denied; None where that is undecided."""
        if self.lost or any(one.loses for one in self.limits) or any(one.loses for one in self.people):
            return True
        return None if self.undecided else False

    @property
    def verdict(self) -> str:
        """`equivalent`, `wider` (the old implies the new), `narrower` (the new implies the old), `disjoint`, `different`, or
        `undecided`.
        """
        if self.gains and self.loses:
            return "disjoint" if self.disjoint and self.gained else "different"
        if self.gains is None or self.loses is None:
            return "undecided"
        return "wider" if self.gains else "narrower" if self.loses else "equivalent"


def compare(old: Policy, new: Policy, agents: Sequence[Agent] | None, now_us: int) -> Comparison:
    """Compare two policies for every request from `now_us` on, by these agents or, with None, by any there may be."""
    made = Comparison()
    made.limits, made.people = changed_limits(old, new), changed_people(old, new)
    for name in sorted({*old.form["tools"], *new.form["tools"]}):
        same = _same(old, new, name)
        if same and (made.disjoint is False or not _permits(old, name)):
            continue
        try:
            sets = Sets(name, [old, new], agents, now_us)
            if not same:
                _changes(sets, made)
            if made.disjoint is not False and _meet(sets):
                made.disjoint = False
        except UndecidedError as e:
            if same:
                made.disjoint = None if made.disjoint else made.disjoint
            else:
                made.undecided[name] = str(e)
    if made.undecided and made.disjoint:
        made.disjoint = None
    return made


def _same(old: Policy, new: Policy, name: str) -> bool:
    """Whether nothing that decides about a tool has changed."""
    return old.timezone == new.timezone and _about(old, name) == _about(new, name)


def _permits(policy: Policy, name: str) -> bool:
    return any(rule["effect"] == "permit" for rule in policy.by_tool.get(name, ()))


def _about(policy: Policy, name: str) -> list[Any]:
    form = policy.form
    tool = form["tools"].get(name)
    classes = {key: one for key, one in form.get("classes", {}).items() if name in one["tools"]}
    rails = {key: one for key, one in form.get("guardrails", {}).items() if one["class"] in classes}
    data = form["data"] if tool is not None and tool["resource"] is not None else None
    rules = [{key: rule[key] for key in ("effect", "match", "all", "any")} for rule in policy.by_tool.get(name, ())]
    limits = [{key: one[key] for key in _LIMIT} for one in form.get("limits", ()) if name in one["tools"]]
    return [tool, data, rules, [(k, v.get("requires")) for k, v in classes.items()], rails, limits]


def _changes(sets: Sets, made: Comparison) -> None:
    for before, after, found in ((0, 1, made.gained), (1, 0, made.lost)):
        taken: list[Box] = []
        for level in (PERMITTED, APPROVABLE) if sets.gated_sides else (PERMITTED,):
            parts: list[Part] = []
            try:
                _risen(sets, before, after, level, taken, parts)
            except UndecidedError as e:
                made.undecided[sets.name] = str(e)
            full = {name: axis.full for name, axis in sets.grid.axes.items()}
            for box, shown in merged(parts, full):
                old, new = sets.decide(0, shown), sets.decide(1, shown)
                found.append(Region(sets, box, shown, level, old, new))
    if sets.grid.differs and (
        why := unfollowed(sets.name, sets.grid.sides) or sets.vague(differing(sets.grid.tool, sets.grid.sides))
    ):
        made.undecided.setdefault(sets.name, why)


def _key(held: Held) -> frozenset[tuple[str, int]]:
    return frozenset(held.box.items())


def _risen(sets: Sets, before: int, after: int, level: str, taken: list[Box], parts: list[Part]) -> None:
    """Add to `parts` what side `after` allows at a level and side `before` does not, outside of what is `taken`."""

    def rises(asked: Witness) -> bool:
        was, now = (_RANK[outcome(sets.decide(side, asked))] for side in (before, after))
        return now >= _RANK[level] > was

    permits, forbids = sets.permits(after, level), [held.box for held in sets.forbids(after)]
    former, denied = sets.permits(before, level), sets.forbids(before)
    had = {_key(held) for held in former}
    still = {frozenset(box.items()) for box in forbids}
    valid = sets.grid.valid(sets.grid.sides[before])
    for held in permits:
        asked: list[tuple[Box, list[Box]]] = []
        if _key(held) not in had:
            asked.append((held.box, [one.box for one in former]))
        for forbid in denied:
            if _key(forbid) in still:
                continue
            both = intersect(held.box, forbid.box)
            if both is not None and (both := intersect(both, valid)) is not None:
                asked.append((both, []))
        for box, others in asked:
            for part in sets.left(box, [*forbids, *others, *taken], rises):
                parts.append(part)
                taken.append(part.box)
                if len(parts) > MAX_REGIONS:
                    raise UndecidedError(f"more than {MAX_REGIONS} regions of `{sets.name}`")


def _meet(sets: Sets) -> bool:
    """Whether some call is allowed by both sides; with approvals, if these are given."""
    denied = [held.box for side in (0, 1) for held in sets.forbids(side)]

    def both(asked: Witness) -> bool:
        return all(outcome(sets.decide(side, asked)) is not None for side in (0, 1))

    others = sets.permits(1, APPROVABLE)
    for one in sets.permits(0, APPROVABLE):
        for other in others:
            box = intersect(one.box, other.box)
            if box is not None and next(sets.left(box, denied, both), None) is not None:
                return True
    return False
