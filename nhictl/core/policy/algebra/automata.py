"""Patterns over text as small deterministic automata, walked together to find a text for every combination of them.

Each part reads one character at a time; `special` are the characters it tells apart in a state, all others it treats
alike. So a walk needs, in each state, the special characters of all parts and one other. The walk over the product is
breadth first, so texts come out short, and every state is visited once: its cost is the number of reachable states,
which patterns with several `*` can make exponential, and which the budget caps.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any, Final, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from nhictl.core.policy.algebra.budget import Budget

__all__ = ["DEAD", "Anything", "GlobPart", "Part", "PrefixPart", "WordsPart", "host_part", "walk"]

DEAD: Final = -2
_WHOLE: Final = -1
_OTHERS: Final = "xyzabcdefghijklmnopqrstuvw0123456789-_"
_TRIED: Final = 6
"""Texts that are tried for one combination before it is kept as unproven."""


class Part(Protocol):
    """One automaton; `DEAD` is the state from which nothing is accepted."""

    start: Any

    def step(self, state: Any, char: str) -> Any:
        """The state after `char`."""

    def accepts(self, state: Any) -> bool:
        """Whether what was read so far is in the language."""

    def special(self, state: Any) -> Iterable[str]:
        """The characters that are told apart here."""


class Anything:
    """Every text, or every one that is not empty."""

    start: Any = 0

    def __init__(self, *, empty: bool = True) -> None:
        self.empty = empty

    def step(self, state: Any, char: str) -> Any:  # noqa: ARG002
        """From the empty text to any other."""
        return 1

    def accepts(self, state: Any) -> bool:
        """Always, but perhaps for the empty text."""
        return bool(state or self.empty)

    def special(self, state: Any) -> Iterable[str]:  # noqa: ARG002
        """None."""
        return ()


class GlobPart:
    """A glob: the state is the set of places in the pattern where reading may stand, as bits."""

    def __init__(self, text: str, also: tuple[int, ...] = ()) -> None:
        """`also` are further places where reading may begin."""
        while "**" in text:
            text = text.replace("**", "*")
        self.text = text
        self._star = sum(1 << at for at, char in enumerate(text) if char == "*")
        self._literal: dict[str, int] = {}
        for at, char in enumerate(text):
            if char != "*":
                self._literal[char] = self._literal.get(char, 0) | 1 << at
        self._end = 1 << len(text)
        self.start: Any = self._closed(sum(1 << at for at in (0, *also)))

    def _closed(self, places: int) -> int:
        return places | (places & self._star) << 1

    def step(self, state: Any, char: str) -> Any:
        """Move every place on that takes the character; `*` takes all but `/`."""
        if state == DEAD:
            return DEAD
        after = (state & self._literal.get(char, 0)) << 1
        if char != "/":
            after |= state & self._star
        return self._closed(after) or DEAD

    def accepts(self, state: Any) -> bool:
        """Whether the pattern may end here."""
        return state != DEAD and bool(state & self._end)

    def special(self, state: Any) -> Iterable[str]:
        """The literals that may come next, and `/` where a `*` stands."""
        if state == DEAD:
            return ()
        found = [char for char, places in self._literal.items() if state & places]
        return [*found, "/"] if state & self._star else found


def host_part(prefix: str) -> GlobPart:
    """A host and all names below it: `prefix`, or anything that ends in `.prefix`."""
    return GlobPart(f"*.{prefix}", also=(2,))


class PrefixPart:
    """Texts that begin with `prefix`; with `marks`, only if nothing or one of these characters follows it."""

    start: Any = 0

    def __init__(self, prefix: str, marks: str = "") -> None:
        self.prefix = prefix
        self.marks = marks

    def step(self, state: Any, char: str) -> Any:
        """Compare, until the prefix is through."""
        if state in (DEAD, _WHOLE):
            return state
        if state == len(self.prefix):
            return _WHOLE if not self.marks or char in self.marks else DEAD
        return state + 1 if self.prefix[state] == char else DEAD

    def accepts(self, state: Any) -> bool:
        """Whether the whole prefix was read."""
        return bool(state == _WHOLE or state == len(self.prefix))

    def special(self, state: Any) -> Iterable[str]:
        """The next character of the prefix, or what may follow it."""
        if state in (DEAD, _WHOLE):
            return ()
        return self.marks if state == len(self.prefix) else self.prefix[state]


class WordsPart:
    """A finite set of words, as a tree of their beginnings; `accepts` one of them."""

    start: Any = 0

    def __init__(self, words: Iterable[str]) -> None:
        self._next: list[dict[str, int]] = [{}]
        self._ends: set[int] = set()
        for word in words:
            at = 0
            for char in word:
                if char not in self._next[at]:
                    self._next[at][char] = len(self._next)
                    self._next.append({})
                at = self._next[at][char]
            self._ends.add(at)

    def step(self, state: Any, char: str) -> Any:
        """Follow the tree."""
        return DEAD if state == DEAD else self._next[state].get(char, DEAD)

    def accepts(self, state: Any) -> bool:
        """Whether a word ends here."""
        return state in self._ends

    def special(self, state: Any) -> Iterable[str]:
        """The characters that go on in the tree."""
        return () if state == DEAD else self._next[state]


def walk(
    universe: Part,
    words: WordsPart,
    parts: Sequence[Part],
    required: set[int],
    good: Callable[[str, int], bool],
    budget: Budget,
    *,
    all_of_them: bool = False,
) -> dict[int, tuple[str, bool]]:
    """For every combination of `parts` that a text in `universe` and not in `words` can have: one such text.

    The key has bit i set where part i accepts. Parts in `required` have to. The universe may be wider than the values
    there are: `good` says whether a text is a value and of that combination. With False beside it none of those tried was.
    Unless `all_of_them`, it ends when a text is found that meets what is required and nothing else: no other meets less.
    """
    machine: list[Part] = [universe, words, *parts]
    first = tuple(part.start for part in machine)
    came: dict[tuple[Any, ...], tuple[tuple[Any, ...], str] | None] = {first: None}
    queue = deque([first])
    found: dict[int, tuple[str, bool]] = {}
    tried: dict[int, int] = {}
    ends = []
    least = sum(1 << at for at in required)
    while queue and (all_of_them or not found.get(least, ("", False))[1]):
        state = queue.popleft()
        if universe.accepts(state[0]) and not words.accepts(state[1]):
            mask = sum(1 << at for at, part in enumerate(parts) if part.accepts(state[at + 2]))
            if all(mask >> at & 1 for at in required):
                ends.append((mask, state))
                if state is not first:
                    _keep(found, tried, mask, lambda state=state: _text(came, state), good)  # type: ignore[misc]
        for char in _characters(machine, state):
            budget.spend(len(machine))
            after = tuple(part.step(at, char) for part, at in zip(machine, state, strict=True))
            if after[0] == DEAD or after in came or any(after[at + 2] == DEAD for at in required):
                continue
            came[after] = (state, char)
            queue.append(after)
    if ends and ends[0][1] is first:  # the empty text, only where no other will do
        _keep(found, tried, ends[0][0], str, good)
    return found


def _keep(
    found: dict[int, tuple[str, bool]], tried: dict[int, int], mask: int, text: Callable[[], str],
    good: Callable[[str, int], bool],
) -> None:  # fmt: skip
    if tried.get(mask, 0) >= _TRIED or (mask in found and found[mask][1]):
        return
    tried[mask] = tried.get(mask, 0) + 1
    made = text()
    if good(made, mask):
        found[mask] = (made, True)
    else:
        found.setdefault(mask, (made, False))


def _characters(machine: list[Part], state: tuple[Any, ...]) -> list[str]:
    special = {char for part, at in zip(machine, state, strict=True) for char in part.special(at)}
    other = next((char for char in _OTHERS if char not in special), None)
    if other is None:
        other = next(chr(code) for code in range(0x4E00, 0x9FFF) if chr(code) not in special)
    return [other, *sorted(special)]


def _text(came: dict[tuple[Any, ...], tuple[tuple[Any, ...], str] | None], state: tuple[Any, ...]) -> str:
    made = []
    while (before := came[state]) is not None:
        state, char = before
        made.append(char)
    return "".join(reversed(made))
