"""A policy's `data` section as an automaton: texts whose longest prefix in it has at least some sensitivity."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["RankPart"]


class RankPart:
    """Resources of rank `least` or above. A state is the place in the tree of prefixes, and the rank so far."""

    def __init__(self, ranks: dict[str, int], least: int, unlisted: int) -> None:
        """`ranks` maps prefixes in normal form to 0 to 3; what no prefix covers has the rank `unlisted`."""
        self._next: list[dict[str, int]] = [{}]
        self._ends: dict[int, tuple[int, str]] = {}
        self._least = least
        for prefix, rank in ranks.items():
            at = 0
            for char in prefix:
                if char not in self._next[at]:
                    self._next[at][char] = len(self._next)
                    self._next.append({})
                at = self._next[at][char]
            marks = "" if prefix.endswith("/") else "/?" if "://" in prefix else "/"
            self._ends[at] = (rank, marks)
        self.start: Any = (0, unlisted)

    def step(self, state: Any, char: str) -> Any:
        """Follow the tree; a prefix counts once a whole segment ended with it."""
        at, rank = state
        if at is None:
            return state
        end = self._ends.get(at)
        if end is not None and (not end[1] or char in end[1]):
            rank = end[0]
        return self._next[at].get(char), rank

    def accepts(self, state: Any) -> bool:
        """Whether the text read so far is of the rank."""
        at, rank = state
        end = self._ends.get(at) if at is not None else None
        return bool((rank if end is None else end[0]) >= self._least)

    def special(self, state: Any) -> Iterable[str]:
        """The characters that go on in the tree, or end a segment here."""
        at = state[0]
        if at is None:
            return ()
        end = self._ends.get(at)
        return self._next[at] if end is None else {*self._next[at], *end[1]}
