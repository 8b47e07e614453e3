"""Which tools are told apart: each that the catalogue declares, and of all others one for each set of boxes it may meet."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING

from nhictl.core.policy.algebra.automata import Anything, GlobPart, WordsPart, walk

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nhictl.core.policy.algebra.budget import Budget
    from nhictl.core.policy.box_value import Box
    from nhictl.core.policy.catalogue import Tool
    from nhictl.core.policy.compiled import Policy

__all__ = ["tools"]


def tools(
    inside: tuple[Box, ...], outside: tuple[Box, ...], policy: Policy | None, budget: Budget
) -> Iterator[tuple[str, Tool | None, tuple[Box, ...]]]:
    """Every tool that all boxes inside name, with those boxes outside that name it too.

    Tools that nothing declares are alike but for the boxes that name them, and of two only the one that fewer boxes name
    matters: what escapes the more escapes the fewer.
    """
    declared = policy.form["tools"] if policy is not None else {}
    for name in declared:
        budget.spend(len(inside))
        if all(box.matches_tool(name) for box in inside):
            budget.spend(len(outside))
            yield name, policy.tool(name) if policy else None, tuple(b for b in outside if b.matches_tool(name))
    least: dict[frozenset[int], str] = {}
    for name in _undeclared(inside, outside, frozenset(declared), budget):
        budget.spend(len(outside))
        met = frozenset(at for at, box in enumerate(outside) if box.matches_tool(name))
        if not any(other <= met for other in least):
            least = {other: named for other, named in least.items() if not met <= other} | {met: name}
    for met, name in least.items():
        yield name, None, tuple(outside[at] for at in sorted(met))


def _undeclared(
    inside: tuple[Box, ...], outside: tuple[Box, ...], declared: frozenset[str], budget: Budget
) -> Iterator[str]:
    """Names that nothing declares and all of `inside` match; between them they are met by every possible set of `outside`."""
    for box in inside:
        if not any("*" in text for text in box.tools):
            for name in box.tools:
                if name not in declared and all(each.matches_tool(name) for each in inside):
                    yield name
            return
    patterns = list(dict.fromkeys(text for box in (*inside, *outside) for text in box.tools))
    places = {text: at for at, text in enumerate(patterns)}
    words = WordsPart(declared)
    for choice in product(*(box.tools for box in inside)):
        required = {places[text] for text in choice}
        machine = [GlobPart(text) for text in patterns]
        found = walk(Anything(empty=False), words, machine, required, lambda _text, _mask: True, budget)
        for name, _ in found.values():
            yield name
