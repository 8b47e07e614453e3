"""How openers and approvers of two policies differ: who newly may let agents begin work, or say yes, and who no longer may.

A list that goes away gives the matter back to the home's owner, which is access gained for whoever was not on it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nhictl.core.policy.compiled import Policy

__all__ = ["PeopleChange", "changed_people"]


class PeopleChange(NamedTuple):
    """An opener or approver (`kind`) that was `added`, `removed` or `changed`."""

    kind: str
    name: str
    change: str
    text: str
    gains: bool
    loses: bool

    def to_json(self) -> dict[str, Any]:
        """`{kind, name, change, text, may_gain, may_lose}`."""
        made = self._asdict()
        return {**made, "may_gain": made.pop("gains"), "may_lose": made.pop("loses")}


def changed_people(old: Policy, new: Policy) -> list[PeopleChange]:
    """Every difference, by kind and name."""
    return sorted([*_openers(old, new), *_approvers(old, new)])


def _openers(old: Policy, new: Policy) -> Iterator[PeopleChange]:
    before, after = (policy.form.get("openers", []) for policy in (old, new))
    last = bool(before) and not after
    for one in before:
        if one not in after:
            yield PeopleChange("opener", _uids(one), "removed", _may_open(one), last, True)
    for one in after:
        if one not in before:
            yield PeopleChange("opener", _uids(one), "added", _may_open(one), True, not before)


def _approvers(old: Policy, new: Policy) -> Iterator[PeopleChange]:
    before, after = (policy.form.get("approvers", {}) for policy in (old, new))
    acts = {act for one in after.values() for act in one["acts"]}
    for name in before.keys() - after.keys():
        open_ = bool(set(before[name]["acts"]) - acts)
        yield PeopleChange("approver", name, "removed", _may_approve(before[name]), open_, True)
    for name in after.keys() - before.keys():
        yield PeopleChange("approver", name, "added", _may_approve(after[name]), True, False)
    for name in before.keys() & after.keys():
        one, other = before[name], after[name]
        if one == other:
            continue
        kept = all(set(other[key]) <= set(one[key]) for key in ("uid", "classes", "acts")) and other["key"] in (
            one["key"], None,
        )  # fmt: skip
        gains = not kept or bool(set(one["acts"]) - acts)
        yield PeopleChange("approver", name, "changed", f"{_may_approve(one)} -> {_may_approve(other)}", gains, True)


def _uids(one: dict[str, Any]) -> str:
    return "uid " + ", ".join(map(str, one["uid"]))


def _may_open(one: dict[str, Any]) -> str:
    agents, intents = (", ".join(one[key]) if one[key] is not None else "any" for key in ("agents", "intents"))
    return f"agents {agents}; intents {intents}; {'any scope' if one['scope'] is None else 'a ceiling of scope'}"


def _may_approve(one: dict[str, Any]) -> str:
    said = [f"{key} {', '.join(one[key])}" for key in ("classes", "acts") if one[key]]
    return "; ".join(said) + (" by key" if one["key"] is not None else " by uid")
