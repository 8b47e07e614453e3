"""Globs: literal text and `*`, which stands for any run of characters without `/` (it does cross `.`).

There are no other wildcards, classes or escapes, so a pattern can be read without knowing a dialect and matched in
linear time without a regular expression (reference `policy.md` §1).
"""

from __future__ import annotations

__all__ = ["Glob"]


class Glob:
    """One pattern, matched against whole strings."""

    __slots__ = ("_parts", "literal", "text")

    def __init__(self, text: str) -> None:
        self.text = text
        self.literal = "*" not in text
        # `*` never crosses `/`, so pattern and text are compared piece by piece between slashes.
        self._parts = [piece.split("*") for piece in text.split("/")]

    def matches(self, text: str) -> bool:
        """Return whether the whole of `text` is covered."""
        if self.literal:
            return text == self.text
        pieces = text.split("/")
        if len(pieces) != len(self._parts):
            return False
        return all(_piece(parts, piece) for parts, piece in zip(self._parts, pieces, strict=True))


def _piece(parts: list[str], text: str) -> bool:
    """Match one slash-free piece: first and last literal at the ends, the others leftmost first, which is enough."""
    if len(parts) == 1:
        return parts[0] == text
    first, last = parts[0], parts[-1]
    if len(text) < len(first) + len(last) or not text.startswith(first) or not text.endswith(last):
        return False
    at, end = len(first), len(text) - len(last)
    for literal in parts[1:-1]:
        found = text.find(literal, at, end)
        if found < 0:
            return False
        at = found + len(literal)
    return True
