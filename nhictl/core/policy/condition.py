"""One typed condition, shared by policy rules and scopes: fact, operator, operand in normal form, and the domain they
mean.

Evaluation is three-valued. An absent value (also an empty list) makes a condition UNKNOWN, unless it says `absent_ok`;
`has` alone decides presence and is never UNKNOWN. A list satisfies a permit's or scope's condition with every element,
a forbid's with any. A value of another kind than the operand, possible only where nothing declares a type, is UNKNOWN
too: a forbid that reads a missing or mistyped value applies (reference `policy.md` §1 and §2 step 3).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nhictl.core.policy.operand import FITS, OPERATORS, UNTYPED, canonical, domain_of, normal_operand
from nhictl.core.policy.types import ArgType, Refused, scalar_kind

if TYPE_CHECKING:
    from collections.abc import Callable

    from nhictl.core.policy.domain import Domain

__all__ = ["FALSE", "MISTYPED", "OPERATORS", "TRUE", "UNKNOWN", "Condition", "canonical_operand", "result_name"]

FALSE, TRUE, UNKNOWN = 0, 1, 2
_NO_OPERATORS: frozenset[str] = frozenset()
# What a getter returns for a value that is there but cannot be compared, such as a list among context scalars.
MISTYPED: Any = type("Mistyped", (), {"__repr__": lambda _: "(not a scalar)"})()


def result_name(result: int) -> str:
    """Return `true`, `false` or `unknown`."""
    return ("false", "true", "unknown")[result]


class Condition:
    """A fact's path, its type, an operator and its normalised operand; `domain` is the set of values it allows.

    `same_as` names another fact in `operand` and has no domain; `has` has none either, since it asks about presence
    alone.
    """

    __slots__ = ("absent_ok", "domain", "kind", "kinds", "many", "op", "operand", "path")

    def __init__(self, path: str, op: str, operand: Any, of: ArgType, *, absent_ok: bool = False) -> None:
        """Bind to the type of the fact; raise `Refused` if operator, operand and type do not go together."""
        element = of.item or of
        self.path = path
        self.op = op
        self.kind = element.kind
        self.many = of.item is not None
        self.absent_ok = absent_ok
        self.domain: Domain | None = None
        self.kinds: frozenset[str] | None = None
        self.operand = _normal(op, operand, of)
        if op not in {"has", "same_as"}:
            self.domain = domain_of(self.kind, op, self.operand)
            if self.kind in UNTYPED:
                values = self.operand if isinstance(self.operand, tuple) else (self.operand,)
                self.kinds = frozenset(k for k in map(scalar_kind, values) if k)

    def test_value(self, value: Any) -> int:
        """Return TRUE, FALSE or UNKNOWN for one present, normal, non-list value."""
        if self.domain is None:
            raise TypeError(self.op)
        if value is MISTYPED or (self.kinds is not None and scalar_kind(value) not in self.kinds):
            return UNKNOWN
        return TRUE if self.domain.contains(value) else FALSE

    def compile(
        self, see: Callable[[Any], Any], *, forbid: bool, other: Callable[[Any], Any] | None = None
    ) -> Callable[[Any], int]:
        """Return the test over facts: `see` gets the value (None if absent), `other` that of a `same_as` operand."""
        absent = TRUE if self.absent_ok else UNKNOWN
        if self.op == "has":
            return _presence(see, wanted=bool(self.operand))
        if self.op == "same_as":
            if other is None:
                raise TypeError(self.op)
            return _same(see, other, self, absent, forbid=forbid)
        if self.many:
            return _listed(see, self.test_value, absent, forbid=forbid)
        if self.kinds is not None or self.domain is None:
            return _single(see, self.test_value, absent)
        contains = self.domain.contains

        def test(facts: Any) -> int:
            value = see(facts)
            if value is None:
                return absent
            return TRUE if contains(value) else FALSE

        return test


def _single(see: Callable[[Any], Any], test_value: Callable[[Any], int], absent: int) -> Callable[[Any], int]:
    def test(facts: Any) -> int:
        value = see(facts)
        return absent if value is None else test_value(value)

    return test


def _listed(
    see: Callable[[Any], Any], test_value: Callable[[Any], int], absent: int, *, forbid: bool
) -> Callable[[Any], int]:
    def test(facts: Any) -> int:
        values = see(facts)
        return quantify([test_value(v) for v in values], forbid=forbid) if values else absent

    return test


def quantify(results: list[int], *, forbid: bool) -> int:
    """Fold results over a list: a forbid asks for any element, everything else for every element."""
    decisive = TRUE if forbid else FALSE
    if decisive in results:
        return decisive
    return UNKNOWN if UNKNOWN in results else FALSE if forbid else TRUE


def _presence(see: Callable[[Any], Any], *, wanted: bool) -> Callable[[Any], int]:
    def test(facts: Any) -> int:
        value = see(facts)
        present = value is not None and value != []
        return TRUE if present is wanted else FALSE

    return test


def _same(
    see: Callable[[Any], Any], other: Callable[[Any], Any], condition: Condition, absent: int, *, forbid: bool
) -> Callable[[Any], int]:
    normal = ArgType(condition.kind).normal
    untyped = condition.kind in UNTYPED

    def one(value: Any, against: Any) -> int:
        if value is MISTYPED or (untyped and scalar_kind(value) != scalar_kind(against)):
            return UNKNOWN
        return TRUE if value == against else FALSE

    def test(facts: Any) -> int:
        value = see(facts)
        if value is None or value == []:
            return absent
        against = other(facts)
        if against is None or against is MISTYPED:
            return UNKNOWN
        try:
            against = normal(against)
        except Refused:
            return UNKNOWN
        return quantify([one(v, against) for v in value], forbid=forbid) if condition.many else one(value, against)

    return test


def canonical_operand(op: str, operand: Any, of: ArgType) -> Any:
    """Return a condition's operand as canonical JSON; raise `Refused` if operator, operand and type do not go together.

    Numbers without an exact JSON number become `{"d": digits}`.
    """
    normal = _normal(op, operand, of)
    return normal if op in {"has", "same_as"} else canonical((of.item or of).kind, normal)


def _normal(op: str, operand: Any, of: ArgType) -> Any:
    element = of.item or of
    if op not in FITS.get(element.kind, _NO_OPERATORS):
        raise Refused(f"operator `{op}` does not fit a {of}" if op in OPERATORS else f"unknown operator `{op}`")
    return normal_operand(op, operand, element)
