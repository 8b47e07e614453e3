"""A Python function as a tool: its parameters are the tool's arguments, by name."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from nhictl.errors import InputError


def signature(function: Callable[..., Any], tool: str) -> inspect.Signature:
    """The parameters of a function that can be guarded; InputError (2) for a generator, and for `*args`."""
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        raise InputError(f"`{tool}`: a generator has no one result to settle: guard what it calls", code="usage")
    found = inspect.signature(function)
    kinds = {parameter.kind for parameter in found.parameters.values()}
    if inspect.Parameter.VAR_POSITIONAL in kinds:
        raise InputError(f"`{tool}`: `*args` have no names that a policy could speak of", code="usage")
    return found


def arguments(of: inspect.Signature, positional: tuple[Any, ...], named: dict[str, Any]) -> dict[str, Any]:
    """The tool's arguments by name, defaults included: what is left out acts too. `self`, and None, are not among them."""
    bound = of.bind(*positional, **named)
    bound.apply_defaults()
    made: dict[str, Any] = {}
    first = next(iter(of.parameters), None)
    for name, value in bound.arguments.items():
        if of.parameters[name].kind is inspect.Parameter.VAR_KEYWORD:
            if twice := made.keys() & value.keys():
                raise InputError(f"the argument `{min(twice)}` is given twice", code="usage")
            made |= value
        elif name != first or name not in ("self", "cls"):
            made[name] = value
    return {name: value for name, value in made.items() if value is not None}
