"""Parts of a grid in words: what each fact has to be, in the manner of a BOX."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nhictl.core.policy.algebra.cells import ABSENT, ODD, OTHER, SAME
from nhictl.core.policy.algebra.literals import SAME_MARK
from nhictl.core.policy.instant import instant_text
from nhictl.core.policy.types import plain, scalar_kind

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nhictl.core.policy.algebra.axis import Axis
    from nhictl.core.policy.algebra.grid import Box, Grid
    from nhictl.core.policy.algebra.literals import Literal

__all__ = ["conditions", "shown"]

_MARKS = {"lt": "<", "lte": "<=", "gt": ">", "gte": ">=", "glob": "~", "under": "^", "starts_with": "^", "ne": "!=",
          "not_in": "!=", "eq": "=", "in": "="}  # fmt: skip
_NAMED = 12


def conditions(grid: Grid, box: Box) -> dict[str, str]:
    """What a box asks of each fact; a fact that is not named is free."""
    made: dict[str, str] = {}
    for name in sorted(box, key=lambda name: (not name.startswith("agent"), name)):
        axis = grid.axes[name]
        if box[name] == axis.full:
            continue
        label = name.removeprefix(SAME_MARK).partition(" ")[0] if name.startswith(SAME_MARK) else name
        label = "agent.name" if label == "agent" else label  # the whole agent, of whom a registry knows all the rest
        text = _fact(label, grid, axis, box[name])
        made[label] = f"{made[label]} and {text}" if label in made else text
    return made


def shown(value: Any) -> str:
    """A value as it stands in a BOX."""
    if scalar_kind(value) == "string":
        return str(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(plain(value))


def _fact(label: str, grid: Grid, axis: Axis, bits: int) -> str:
    values = axis.values
    if axis.name == "agent":
        return _or("agent.name=", [agent.name for at, agent in enumerate(values) if bits >> at & 1])
    if axis.name.startswith(SAME_MARK):
        return _alike(axis, bits)
    absent = sum(1 << at for at, value in enumerate(values) if value is ABSENT)
    if bits == absent:
        return f"{label} absent"
    if bits == axis.full & ~absent:
        return f"{label} given"
    may_miss = " or absent" if absent and bits & absent else ""
    if text := _interval(label, axis, bits & ~absent):
        return text + may_miss
    said = _literals(grid, axis, bits, label)
    return said if said is not None else _or(f"{label} like ", list(_examples(axis, bits & ~absent))) + may_miss


def _or(label: str, names: list[str]) -> str:
    more = f"|… ({len(names)} in all)" if len(names) > _NAMED else ""
    return label + "|".join(names[:_NAMED]) + more


def _alike(axis: Axis, bits: int) -> str:
    path, _, other = axis.name.removeprefix(SAME_MARK).partition(" ")
    words = {id(SAME): "is the same as", id(OTHER): "differs from", id(ABSENT): "is absent beside",
             id(ODD): "cannot be compared with"}  # fmt: skip
    said = [words[id(value)] for at, value in enumerate(axis.values) if bits >> at & 1]
    return f"{path} {' or '.join(said)} {other}"


def _interval(label: str, axis: Axis, bits: int) -> str:
    """Numbers and instants as intervals; nothing where values of other kinds are among them."""
    low, high = axis.ordered
    if high - low < 2:
        return ""
    inside = (1 << high) - (1 << low)
    if bits & ~inside or not bits:
        return ""
    bounds = axis.bounds
    runs: list[str] = []
    at = low
    while at < high:
        if not bits >> at & 1:
            at += 1
            continue
        last = at
        while last + 1 < high and bits >> last + 1 & 1:
            last += 1
        runs.append(_run(label, axis, at, last, bounds))
        at = last + 1
    return " or ".join(runs) if len(runs) <= _NAMED else ""


def _run(label: str, axis: Axis, first: int, last: int, bounds: frozenset[Any]) -> str:
    low, high = axis.ordered
    values = axis.values
    discrete = axis.name == "agent.trust"
    if first == last and (values[first] in bounds or discrete):
        return f"{label}={shown(values[first])}"
    said = []
    if first > low:
        exact = discrete or values[first] in bounds
        said.append(f"{label}{'>=' if exact else '>'}{shown(values[first] if exact else values[first - 1])}")
    elif values[first] in bounds:
        said.append(f"{label}>={shown(values[first])}")
    if last < high - 1:
        exact = discrete or values[last] in bounds
        said.append(f"{label}{'<=' if exact else '<'}{shown(values[last] if exact else values[last + 1])}")
    elif values[last] in bounds:
        said.append(f"{label}<={shown(values[last])}")
    return "&".join(said) or f"{label} given"


def _literals(grid: Grid, axis: Axis, bits: int, label: str) -> str | None:
    """The fewest conditions of the rules, some of them denied, that make up exactly these values."""
    absent = sum(1 << at for at, value in enumerate(axis.values) if value is ABSENT)
    found: list[tuple[int, str]] = []
    for literal, all_of in grid.on(axis.name):
        text = _literal(literal, label)
        for some, said in {all_of & ~absent: text, all_of | absent: f"{text} or absent" if absent else text}.items():
            if bits & ~some == 0 and some != axis.full:
                found.append((some, said))
            elif bits & some == 0 and some:
                found.append((axis.full & ~some, f"not ({said})"))
    whole = axis.full
    for one, _ in found:
        whole &= one
    if whole != bits:
        return None
    kept = sorted({one: (one, text) for one, text in reversed(found)}.values(), key=lambda e: -e[0].bit_count())
    for entry in list(kept):
        rest = axis.full
        for one, _ in kept:
            if one != entry[0]:
                rest &= one
        if rest == bits:
            kept.remove(entry)
    return " and ".join(text for _, text in kept)


def _literal(literal: Literal, label: str) -> str:
    if literal.window is not None:
        window = literal.window[0]
        days = ",".join(window["days"]) if len(window["days"]) < 7 else "any day"
        return f"time in {days} {window['from']}-{window['to']} {literal.window[1]}"
    if literal.end is not None:
        return f"time before {instant_text(literal.end)}"
    name = literal.path if literal.ranked else label
    if literal.op == "has":
        return f"{name} {'given' if literal.operand else 'absent'}"
    operand = literal.operand
    if isinstance(operand, dict):
        operand = operand.get("d", operand)
    if isinstance(operand, list):
        operand = "|".join(shown(v.get("d") if isinstance(v, dict) else v) for v in operand)
    op = "=" if literal.op == "any_of" else _MARKS.get(literal.op, f" {literal.op} ")
    return f"{name}{op}{shown(operand)}"


def _examples(axis: Axis, bits: int) -> Iterator[str]:
    for at, value in enumerate(axis.values):
        if bits >> at & 1:
            if value is ODD:
                yield "(comparable to nothing)"
            elif isinstance(value, list):
                yield "[" + ", ".join(shown(one) for one in value) + "]"
            else:
                yield instant_text(value) if axis.name == "time" else shown(value)
