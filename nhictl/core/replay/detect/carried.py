"""What the tools of a run have told so far, to be asked whether some text stands in it; of the newest runs only."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

MOST: Final = 1 << 21
"""Characters of results and prompts kept of one run at a time."""
ALL_RUNS: Final = 1 << 25
"""Characters kept of all runs together: the one that was not heard of for longest is let go of first."""
_GRAM: Final = 4
_GRAMS: Final = 1 << 18
_PATIENCE: Final = 128


class Texts:
    """Texts, and whether another one stands in any of them.

    What is asked for is looked for in each. Once that was done often, all pieces of 4 characters are known as well, and
    what has another piece is not looked for: then it costs its own length, however much there is to look through.
    """

    __slots__ = ("_grams", "_known", "_size", "_spent", "_texts")

    def __init__(self) -> None:
        self._texts: list[str] = []
        self._grams: set[str] | None = set()
        self._known = self._size = self._spent = 0

    def __len__(self) -> int:
        return len(self._texts)

    def add(self, texts: Iterable[str]) -> None:
        """Keep texts."""
        for text in texts:
            self._texts.append(text)
            self._size += len(text) + 64

    def hold(self, wanted: str) -> bool:
        """Whether one of them has that text, which is not shorter than 4 characters, in it."""
        if self._spent > _PATIENCE * self._size and self._lacks(wanted):
            return False
        self._spent += self._size
        return any(wanted in text for text in self._texts)

    def _lacks(self, wanted: str) -> bool:
        grams = self._grams
        if grams is None:  # too many to be kept
            return False
        for text in self._texts[self._known :]:
            grams.update(text[at : at + _GRAM] for at in range(len(text) - _GRAM + 1))
            if len(grams) > _GRAMS:
                self._grams = None
                return False
        self._known = len(self._texts)
        return any(wanted[at : at + _GRAM] not in grams for at in range(len(wanted) - _GRAM + 1))


class Run:
    """One run: what was asked of it, what tools told, and what they told to calls of the message `of` (`waiting`)."""

    __slots__ = ("full", "of", "prompt", "prompted", "seen", "size", "waiting")

    def __init__(self) -> None:
        self.prompt = Texts()
        self.seen = Texts()
        self.waiting: list[str] = []
        self.of: str | None = None
        self.prompted = False
        self.full = False
        self.size = 0

    def room(self, value: Any) -> list[str]:
        """The texts of a value, as many as there is room for."""
        found = []
        for text in texts(value):
            if self.size + len(text) > MOST:
                self.full = True
                break
            self.size += len(text)
            found.append(text)
        return found


class Runs:
    """Runs by name, as many as there is room for."""

    def __init__(self) -> None:
        self._runs: dict[str | None, Run] = {}
        self._gone: set[str | None] = set()
        self._size = 0

    def take(self, name: str | None) -> Run:
        """The run of that name, which is now the newest; one that was let go of comes back `full`."""
        run = self._runs.pop(name, None)
        if run is None:
            run = Run()
            run.full = name in self._gone
        self._size -= run.size
        return run

    def put(self, name: str | None, run: Run) -> None:
        """Give it back after use."""
        self._runs[name] = run
        self._size += run.size
        while self._size > ALL_RUNS:
            oldest = next(iter(self._runs))
            self._size -= self._runs.pop(oldest).size
            self._gone.add(oldest)

    def end(self, name: str | None) -> None:
        """The run has ended."""
        self._size -= self._runs.pop(name, Run()).size
        self._gone.discard(name)


def texts(value: Any) -> Iterator[str]:
    """Every text and number in a value, numbers as JSON writes them."""
    level = [value]
    while level:
        item = level.pop()
        if isinstance(item, dict):
            level.extend(item.values())
        elif isinstance(item, list):
            level.extend(item)
        elif isinstance(item, str):
            yield item
        elif isinstance(item, int | float) and not isinstance(item, bool):
            yield str(item)
