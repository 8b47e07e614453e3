"""Texts of the command line become JSON values: by the declared type where there is one, else a JSON scalar, else a
string.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nhictl.core.policy.types import ArgType, Refused, exact, scalar_kind

if TYPE_CHECKING:
    from nhictl.core.policy.catalogue import Tool

__all__ = ["coerce", "json_scalar", "typed_value"]


def _decimal(text: str) -> Any:
    """Keep a number as a float where that is exact, since everything downstream speaks JSON; else as a decimal."""
    from decimal import Decimal

    value, near = Decimal(text), float(text)
    return near if Decimal(repr(near)) == value else value


def json_scalar(text: str) -> Any:
    """Return the JSON scalar that `text` is, or `text` itself (also for objects, lists and numbers out of bounds)."""
    import json

    if text[:1] not in '"-0123456789tfn' or len(text) > 100_000:
        return text
    try:
        value = json.loads(text, parse_float=_decimal, parse_constant=lambda _: text)
        if scalar_kind(value) == "number":
            exact(value)
    except (ValueError, Refused, ArithmeticError):
        return text
    return value


def typed_value(kind: ArgType, text: str) -> Any:
    """Return the JSON value that `text` means for a declared type; a text that does not fit stays one, and is refused
    later.
    """
    if kind.kind in {"number", "integer", "boolean"}:
        return json_scalar(text)
    if kind.kind in {"list", "object"} and text[:1] in {"[", "{"}:
        from nhictl.core import strict_json

        try:
            return strict_json.loads(text)
        except strict_json.StrictJSONError:
            return text
    return text


def coerce(tool: Tool | None, pairs: list[tuple[str, str]]) -> dict[str, Any]:
    """Return the arguments that repeated `k=v` mean: dotted names reach into declared objects, a repeated name makes a
    list.
    """
    texts: dict[str, list[str]] = {}
    for name, text in pairs:
        texts.setdefault(name, []).append(text)
    made: dict[str, Any] = {}
    for name, given in texts.items():
        kind = _declared(tool, name)
        if kind is not None and kind.item is not None:
            item = kind.item
            one = typed_value(kind, given[0])
            value = one if len(given) == 1 and isinstance(one, list) else [typed_value(item, text) for text in given]
        else:
            values = [json_scalar(text) if kind is None else typed_value(kind, text) for text in given]
            value = values[0] if len(values) == 1 else values
        _place(made, name if kind is None else name.split("."), value)
    return made


def _declared(tool: Tool | None, name: str) -> ArgType | None:
    if tool is None:
        return None
    whole = tool.args.get(name)
    return whole[0] if whole is not None else tool.argument_type(name)


def _place(made: dict[str, Any], path: str | list[str], value: Any) -> None:
    if isinstance(path, str):
        made[path] = value
        return
    for name in path[:-1]:
        below = made.setdefault(name, {})
        if not isinstance(below, dict):
            made[name] = below = {}
        made = below
    made[path[-1]] = value
