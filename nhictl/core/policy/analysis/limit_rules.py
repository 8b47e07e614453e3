"""What limits mean to set algebra: the calls that they deny whatever came before, and how two sets of limits differ.

A call that alone costs more than a limit's `max`, or that is in a currency which it cannot count, is never allowed; nor is
any under a limit of nothing. These calls are boxes, and exact. All else about a limit is history: that one was loosened is
access that may be gained, said beside the regions (reference `policy.md` §4).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from nhictl.core.policy.cost import read_amount
from nhictl.core.policy.plan import Rule
from nhictl.core.times import duration

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nhictl.core.policy.catalogue import Tool
    from nhictl.core.policy.compiled import Policy

__all__ = ["LimitChange", "as_forbid", "changed_limits", "denying"]

_WORDS: Final = ("description", "owner")


class LimitChange(NamedTuple):
    """A limit that two policies have differently: `added`, `removed`, `loosened`, `tightened`, or `changed` in another way."""

    limit: str
    change: str
    text: str

    @property
    def gains(self) -> bool:
        """Whether something may be allowed that was not."""
        return self.change in ("removed", "loosened", "changed")

    @property
    def loses(self) -> bool:
        """Whether something may be denied that was not."""
        return self.change in ("added", "tightened", "changed")

    def to_json(self) -> dict[str, Any]:
        """`{limit, change, text, may_gain, may_lose}`."""
        return {**self._asdict(), "may_gain": self.gains, "may_lose": self.loses}


def as_forbid(form: dict[str, Any]) -> dict[str, Any]:
    """A limit as a rule's form: the calls that it counts."""
    return {**form, "effect": "forbid", "obligations": []}


def denying(policy: Policy, tool: Tool) -> list[Rule]:
    """For each limit of a tool that denies some calls whatever was used before, the forbid of these; by id."""
    made = []
    for form in policy.form.get("limits", ()):
        if tool.name not in form["tools"]:
            continue
        if form["calls"] == 0 or form["bytes_out"] == 0:
            made.append(Rule(as_forbid(form), tool, policy.timezone))
        elif (alone := _alone(form, tool)) is not None:
            boxes = [[*box, *more] for box in form["any"] or [[]] for more in alone]
            made.append(Rule({**as_forbid(form), "any": boxes}, tool, policy.timezone))
    return made


def _alone(form: dict[str, Any], tool: Tool) -> list[list[Any]] | None:
    """Conditions of which one makes a call cost more than the limit allows by itself; None where no call can."""
    if form["spend"] is None or tool.cost is None:
        return None
    unit, most = form["spend"]["unit"], form["spend"]["max"]
    amount, currency = tool.cost.form["amount"], tool.cost.form["currency"]
    read = currency if isinstance(currency, str) and currency.startswith("args.") else None
    if read is None and currency != unit:
        return [[]]
    same = [[read, "eq", unit]] if read is not None else []
    found = [[[read, "ne", unit]]] if read is not None else []
    if isinstance(amount, str):
        found.append([[amount, "gt", int(most) if "." not in most else {"d": most}], *same])
    elif (read_amount(amount["d"]) if isinstance(amount, dict) else amount) > read_amount(most):
        found.append(same)
    return found or None


def changed_limits(old: Policy, new: Policy) -> list[LimitChange]:
    """How the limits differ, by id; one under another id is another one, as it counts anew."""
    before, after = ({one["id"]: one for one in policy.form.get("limits", ())} for policy in (old, new))
    made = [LimitChange(name, "removed", _said(before[name])) for name in before.keys() - after.keys()]
    made += [LimitChange(name, "added", _said(after[name])) for name in after.keys() - before.keys()]
    for name in before.keys() & after.keys():
        made += _difference(name, old, new, before[name], after[name])
    return sorted(made)


def _difference(
    name: str, old: Policy, new: Policy, before: dict[str, Any], after: dict[str, Any]
) -> Iterator[LimitChange]:  # fmt: skip
    numbers = [(_numbers(before)[key], _numbers(after)[key]) for key in ("calls", "spend", "bytes_out")]
    looser = any(one is not None and (other is None or other > one) for one, other in numbers)
    tighter = any(other is not None and (one is None or other < one) for one, other in numbers)
    spans = [one["window_s"] if one["window_s"] is not None else float("inf") for one in (before, after)]
    looser, tighter = looser or spans[1] < spans[0], tighter or spans[1] > spans[0]
    if _counted(before) != _counted(after) or _costs(old, before) != _costs(new, after):
        looser = tighter = True
    if looser or tighter:
        change = "changed" if looser and tighter else "loosened" if looser else "tightened"
        yield LimitChange(name, change, f"{_said(before)} -> {_said(after)}")


def _numbers(form: dict[str, Any]) -> dict[str, Any]:
    spend = read_amount(form["spend"]["max"]) if form["spend"] is not None else None
    return {"calls": form["calls"], "spend": spend, "bytes_out": form["bytes_out"]}


def _counted(form: dict[str, Any]) -> list[Any]:
    """What is counted and for whom, without how much."""
    unit = form["spend"]["unit"] if form["spend"] is not None else None
    return [form["per"], unit, form["match"], form["tools"], form["all"], form["any"]]


def _costs(policy: Policy, form: dict[str, Any]) -> list[Any]:
    return [policy.form["tools"][name].get("cost") for name in form["tools"]] if form["spend"] is not None else []


def _said(form: dict[str, Any]) -> str:
    """A limit in a few words: `20 calls, 2000 EUR per task in 1h`."""
    said = [f"{form['calls']} calls"] if form["calls"] is not None else []
    said += [f"{form['spend']['max']} {form['spend']['unit']}"] if form["spend"] is not None else []
    said += [f"{form['bytes_out']} bytes out"] if form["bytes_out"] is not None else []
    each = " in all" if form["per"] == "all" else f" per {form['per']}"
    return ", ".join(said) + each + (f" in {duration(form['window_s'])}" if form["window_s"] is not None else "")
