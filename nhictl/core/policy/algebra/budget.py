"""How much work a question may cost before it is answered "undecided"."""

from __future__ import annotations

from typing import Final

__all__ = ["MAX_STEPS", "Budget", "UndecidedError"]

MAX_STEPS: Final = 1_000_000
"""Steps of one question: a condition tested on a value, or a pattern moved on by a character. About a second."""


class UndecidedError(Exception):
    """The question cannot be answered for certain; the message says what stood in the way."""


class Budget:
    """Counts steps down and gives up when there are none left."""

    __slots__ = ("left", "most")

    def __init__(self, most: int = MAX_STEPS) -> None:
        self.most = most
        self.left = most

    def spend(self, steps: int) -> None:
        """Take `steps` off; raise UndecidedError when the budget is used up."""
        self.left -= steps
        if self.left < 0:
            raise UndecidedError(f"not decided within {self.most} steps")

    @property
    def spent(self) -> int:
        """Steps taken so far."""
        return self.most - self.left
