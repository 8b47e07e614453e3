"""What a call costs: an exact amount in a currency, read from its arguments or fixed by the catalogue.

A cost reads required arguments only, so that no call can leave it out, and it is never negative: a refund that made room
under a spending limit would be a way around it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nhictl.core.policy.types import Refused

if TYPE_CHECKING:
    from decimal import Decimal

__all__ = ["Cost", "add", "amount_text", "read_amount"]


class Cost:
    """`amount` and `currency` are each an argument's dotted name (`args.` stripped) or a fixed value."""

    __slots__ = ("_amount", "_currency", "form")

    def __init__(self, form: dict[str, Any]) -> None:
        self.form = form
        self._amount: tuple[str | None, Any] = _source(form["amount"])
        self._currency: tuple[str | None, Any] = _source(form["currency"])

    def of(self, flat: dict[str, Any]) -> tuple[int | Decimal, str]:
        """Amount and currency of a call whose arguments were found valid."""
        name, fixed = self._amount
        unit, always = self._currency
        return (fixed if name is None else flat[name]), (always if unit is None else flat[unit])

    def check(self, flat: dict[str, Any]) -> str | None:
        """The name of the argument that makes the cost negative, if one does; one that cannot be seen does not."""
        name = self._amount[0]
        value = flat.get(name) if name is not None else None
        return name if value is not None and value < 0 else None

    @property
    def currency(self) -> str | None:
        """The one currency it is always in, if that is fixed."""
        return self._currency[1] if self._currency[0] is None else None


def _source(form: Any) -> tuple[str | None, Any]:
    """The argument that a member of the form reads, or the value it is."""
    if isinstance(form, str) and form.startswith("args."):
        return form[5:], None
    return None, read_amount(form["d"]) if isinstance(form, dict) else form


def add(one: int | Decimal, other: int | Decimal) -> int | Decimal:
    """The exact sum: nothing is ever rounded, however many amounts of forty digits are added up."""
    if type(one) is int and type(other) is int:
        return one + other
    from decimal import Context, Decimal, Inexact

    return Context(prec=400, traps=[Inexact]).add(Decimal(one), Decimal(other))


def amount_text(value: int | Decimal) -> str:
    """The digits of an amount, as they are kept."""
    return str(value) if type(value) is int else format(value, "f")


def read_amount(text: str) -> int | Decimal:
    """Read `amount_text` back; raise `Refused`."""
    if "." not in text:
        return int(text)
    from decimal import Decimal, InvalidOperation

    try:
        return Decimal(text)
    except InvalidOperation as e:
        raise Refused("is not a number") from e
