"""Conditions in Cedar: one operator on a typed value, on a list, on an untyped value, on two facts, on the time of day.

Each text is a test of a value that is there; `behind` puts it behind the tests of presence, and says what absence means.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nhictl.core.policy.facts import fact_type
from nhictl.core.policy.time_window import DAYS, minute_of
from nhictl.core.policy.types import scalar_kind
from nhictl.formats.cedar_terms import TAGS, InexpressibleError, Term, like, literal, quote, under

if TYPE_CHECKING:
    from collections.abc import Iterable

    from nhictl.core.policy.catalogue import Tool
    from nhictl.core.policy.condition import Condition

__all__ = ["behind", "compare", "glob_test", "listed", "same", "untyped", "window_test"]


def behind(present: tuple[str, ...], inner: str, *, otherwise: bool) -> str:
    """A test behind those of presence; `otherwise` is what absence says."""
    if not present:
        return inner
    there = " && ".join(present)
    return f"(if {there} then {inner} else true)" if otherwise else f"({there} && {inner})"


def window_test(window: dict[str, Any], *, forbid: bool) -> str:
    """A time window, by the clock in the policy's time zone."""
    days = ", ".join(str(DAYS.index(day)) for day in window["days"])
    low, high = minute_of(window["from"]), minute_of(window["to"])
    at = "context.time.minute"
    inner = f"([{days}].contains(context.time.day) && {at} >= {low} && {at} < {high})"
    return behind(("context has time", "context.time has day", "context.time has minute"), inner, otherwise=forbid)


def glob_test(value: str, pattern: str) -> str:
    """A glob, whose `*` never crosses `/`: a text of as many `/` as the pattern, covered by it, matches piece by piece."""
    if "*" not in pattern:
        return f"{value} == {quote(pattern)}"
    slashes = pattern.count("/")
    tests = [like(value, pattern.split("*")), f"!({like(value, ['', *['/'] * (slashes + 1), ''])})"]
    return f"({' && '.join(tests)})"


def _set(kind: str, values: Iterable[Any]) -> str:
    return f"[{', '.join(literal(kind, value) for value in values)}]"


def compare(op: str, kind: str, operand: Any, value: str) -> str:
    """One operator on one value that is there."""
    if op in {"eq", "ne"}:
        return f"{value} {'==' if op == 'eq' else '!='} {literal(kind, operand)}"
    if op in {"in", "not_in"}:
        return f"{'!' if op == 'not_in' else ''}{_set(kind, operand)}.contains({value})"
    if op in {"lt", "lte", "gt", "gte"}:
        if kind in {"number", "any"}:
            method = {"lt": "lessThan", "lte": "lessThanOrEqual", "gt": "greaterThan", "gte": "greaterThanOrEqual"}[op]
            return f"{value}.{method}({literal('number', operand)})"
        return f"{value} { {'lt': '<', 'lte': '<=', 'gt': '>', 'gte': '>='}[op] } {literal(kind, operand)}"
    if op == "under":
        return under(value, operand, host=kind == "host")
    if op == "starts_with":
        return f"({like(value, [operand, ''])})"
    return f"({glob_test(value, operand)})"


def listed(condition: Condition, value: str, *, forbid: bool) -> str:
    """A condition on a list: every element of it for a permit, any for a forbid."""
    if condition.op not in {"eq", "ne", "in", "not_in"}:
        raise InexpressibleError("Cedar has no condition on the elements of a set but membership")
    operands = condition.operand if condition.op in {"in", "not_in"} else (condition.operand,)
    wanted = _set(condition.kind, operands)
    if condition.op in {"eq", "in"}:
        return f"{value}.containsAny({wanted})" if forbid else f"{wanted}.containsAll({value})"
    return f"!{wanted}.containsAll({value})" if forbid else f"!{value}.containsAny({wanted})"


def untyped(condition: Condition, value: str, *, forbid: bool) -> str:
    """A condition on an untyped fact: of another kind than the operand it is unknown, which only a forbid passes."""
    op, operand = condition.op, condition.operand
    values = operand if isinstance(operand, tuple) else (operand,)
    kinds = sorted({str(scalar_kind(one)) for one in values})
    if op in {"eq", "ne", "in", "not_in"}:
        tests = []
        for kind in kinds:
            tag = TAGS[kind]
            wanted = _set(kind, [one for one in values if scalar_kind(one) == kind])
            tests.append(f"({value} has {tag} && {wanted}.contains({value}.{tag}))")
        inner = f"({' || '.join(tests)})"
        if op in {"ne", "not_in"}:
            inner = f"!{inner}"
    else:
        tag = TAGS["number" if op in {"lt", "lte", "gt", "gte"} else "string"]
        kinds = [kind for kind, one in TAGS.items() if one == tag]
        inner = f"({value} has {tag} && {compare(op, 'any', operand, f'{value}.{tag}')})"
    comparable = " || ".join(f"{value} has {TAGS[kind]}" for kind in kinds)
    return behind((f"({comparable})",), inner, otherwise=forbid)


def same(condition: Condition, mine: Term, other: Term, tool: Tool, *, forbid: bool) -> str:
    """Two facts of one request; what would have to be brought into another's normal form first, Cedar cannot compare."""
    path = str(condition.operand)
    of = tool.argument_type(path[5:]) if path.startswith("args.") else fact_type(path)
    kind = of.kind if of is not None else "any"
    if "any" in {mine.kind, other.kind}:
        return _same_untyped(condition, mine, other, forbid=forbid)
    if kind != condition.kind and not (condition.kind == "string" and other.kind == "string"):
        raise InexpressibleError(f"a {kind} would have to be brought into the form of a {condition.kind}")
    if not mine.many:
        inner = f"{mine.value} == {other.value}"
    elif forbid:
        inner = f"{mine.value}.contains({other.value})"
    else:
        inner = f"[{other.value}].containsAll({mine.value})"
    return behind(other.present, inner, otherwise=forbid)


def _same_untyped(condition: Condition, mine: Term, other: Term, *, forbid: bool) -> str:
    tags = {"string": "s", "decimal": "n", "bool": "b"}
    if mine.many or "long" in {mine.kind, other.kind}:
        raise InexpressibleError("an untyped value would have to be brought into another form")
    if mine.kind == other.kind == "any":
        tests = [f"({mine.value} has {tag} && {other.value} has {tag})" for tag in TAGS.values()]
        equal = [
            f"({test} && {mine.value}.{tag} == {other.value}.{tag})"
            for test, tag in zip(tests, TAGS.values(), strict=True)
        ]
        inner = behind((f"({' || '.join(tests)})",), f"({' || '.join(equal)})", otherwise=forbid)
        return behind(other.present, inner, otherwise=forbid)
    loose, typed = (mine, other) if mine.kind == "any" else (other, mine)
    if mine.kind != "any" and condition.kind != "string" and typed.kind == "string":
        raise InexpressibleError(f"an untyped value would have to be brought into the form of a {condition.kind}")
    tag = tags[typed.kind]
    inner = behind((f"{loose.value} has {tag}",), f"{loose.value}.{tag} == {typed.value}", otherwise=forbid)
    return behind(other.present, inner, otherwise=forbid)
