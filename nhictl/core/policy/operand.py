"""Operators and operands: which operator fits which type, the normal form of its operand, and the domain both mean."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nhictl.core.policy.domain import Interval, Looking, Pattern, Prefix, Under, Values
from nhictl.core.policy.glob import Glob
from nhictl.core.policy.resource import normal_prefix
from nhictl.core.policy.types import SENSITIVITY, ArgType, Refused, plain, scalar_kind

if TYPE_CHECKING:
    from nhictl.core.policy.domain import Domain

__all__ = ["FITS", "OPERATORS", "UNTYPED", "canonical", "domain_of", "normal_operand"]

_EQUAL = frozenset({"eq", "ne", "in", "not_in", "has", "same_as"})
_ORDER = _EQUAL | {"lt", "lte", "gt", "gte"}
_TEXT = _EQUAL | {"glob"}
UNTYPED = frozenset({"any", "untyped"})
FITS: dict[str, frozenset[str]] = {
    "string": _TEXT | {"starts_with"},
    "folded": _TEXT | {"starts_with"},
    "uri": _TEXT | {"under"},
    "path": _TEXT | {"under"},
    "host": _TEXT | {"under"},
    "resource": _TEXT | {"under"},
    "email": _TEXT,
    "boolean": _EQUAL,
    "number": _ORDER,
    "integer": _ORDER,
    "timestamp": _ORDER,
    "sensitivity": _ORDER,
    "any": _ORDER | {"glob", "starts_with"},
    "untyped": _ORDER | {"glob", "starts_with", "under"},
}
OPERATORS = frozenset().union(*FITS.values())


def normal_operand(op: str, operand: Any, element: ArgType) -> Any:
    """Return the operand in normal form, lists as sorted tuples; raise `Refused` if it does not fit."""
    if op == "has":
        if type(operand) is not bool:
            raise Refused("`has` wants true or false")
        return operand
    if op == "same_as":
        if not isinstance(operand, str) or "." not in operand:
            raise Refused("`same_as` wants the path of another fact")
        return operand
    if op in {"in", "not_in"}:
        if not isinstance(operand, list) or not operand:
            raise Refused(f"`{op}` wants a list with at least one value")
        normals = {(scalar_kind(v), v): v for v in (_value(element, item) for item in operand)}
        return tuple(normals[key] for key in sorted(normals, key=_order))
    if op == "under":
        return _prefix(element, operand)
    if op == "glob":
        return _glob(element, operand)
    if op == "starts_with" and (not isinstance(operand, str) or not operand):
        raise Refused("`starts_with` wants a text that is not empty")
    value = _value(element, operand)
    if element.kind in UNTYPED and op in {"lt", "lte", "gt", "gte"} and scalar_kind(value) != "number":
        raise Refused(f"`{op}` wants a number")
    return value


def _order(key: tuple[str | None, Any]) -> tuple[str, Any]:
    return str(key[0]), key[1]


def _value(element: ArgType, value: Any) -> Any:
    try:
        return element.normal(value)
    except Refused as e:
        shown = value if isinstance(value, str) else plain(value) if not isinstance(value, dict | list) else "…"
        raise Refused(f"`{shown}` {e}") from e


def _prefix(element: ArgType, operand: Any) -> str:
    try:
        made = element.normal(operand) if element.kind == "host" else normal_prefix(operand)
    except Refused as e:
        raise Refused(f"prefix `{operand}` {e}") from e
    if element.kind in {"uri", "path"} and ("://" in made) is not (element.kind == "uri"):
        raise Refused(f"prefix `{operand}` is not a {element.kind}")
    return str(made)


def _glob(element: ArgType, operand: Any) -> str:
    """A glob must be in normal form itself, or it could never match: `*` stands for some letter while that is checked."""
    if not isinstance(operand, str) or not operand:
        raise Refused("`glob` wants a text that is not empty")
    if element.kind in {"string", *UNTYPED}:
        ArgType("string").normal(operand)
        return operand
    text = operand.lower() if element.kind in {"host", "email"} else operand
    if element.kind == "folded":
        return str(element.normal(text))
    if text.replace("*", "").strip("/") == "":
        return text
    probe = text.replace("*", "a")
    if _value(element, probe) != probe:
        raise Refused(f"glob `{operand}` is not in normal form, so it would never match")
    return text


def domain_of(kind: str, op: str, operand: Any) -> Domain:
    """Return the set of values that operator and normal operand allow."""
    tagged = kind in UNTYPED
    if op in {"eq", "ne"}:
        return Values((operand,), negated=op == "ne", tagged=tagged)
    if op in {"in", "not_in"}:
        return Values(operand, negated=op == "not_in", tagged=tagged)
    if op in {"lt", "lte"}:
        return Interval(high=operand, high_open=op == "lt")
    if op in {"gt", "gte"}:
        return Interval(low=operand, low_open=op == "gt")
    if op == "under":
        return Looking(operand) if kind in UNTYPED else Under(operand, host=kind == "host")
    if op == "starts_with":
        return Prefix(operand)
    return Pattern(Glob(operand))


def canonical(kind: str, operand: Any) -> Any:
    """Return a normal operand as canonical JSON."""
    if isinstance(operand, tuple):
        return [canonical(kind, value) for value in operand]
    if kind == "sensitivity":
        return SENSITIVITY[operand]
    return {"d": format(operand, "f")} if type(operand).__name__ == "Decimal" else operand
