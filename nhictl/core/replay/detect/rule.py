"""A detection as a value: its id, what it says of itself, and the functions that find it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from nhictl.core.replay.detect.scene import Scene

    Memory = dict[Any, Any]
    Step = Callable[[Scene, Memory], Iterator["Found | Lack"]]

SEVERITIES: Final = ("critical", "high", "medium", "low")


class Found(NamedTuple):
    """It happened: `about` is what findings are put together by, `records` are where it shows."""

    about: str
    message: str
    records: list[dict[str, Any]]


class Lack(NamedTuple):
    """It cannot be told here for want of evidence: what is missing."""

    missing: str


class Rule(NamedTuple):
    """`step` is asked before each step is folded in, `end` after the last; each has its own memory (`Memory`), and both
    depend on nothing but that and the scene. `needs_policy`: without one it is unknown; `foreign`: it
    has something to say of a foreign log alone. `on`: the types of steps that it looks at; None: all of them.
    """

    id: str
    title: str
    severity: str
    controls: tuple[str, ...]
    false_alarm: str
    needs_policy: bool
    foreign: bool
    on: frozenset[str] | None
    step: Step
    end: Step | None

    @property
    def definition(self) -> str:
        """What it means, exactly."""
        return " ".join((self.step.__doc__ or "").split())


def rule(
    name: str, title: str, severity: str, controls: str, false_alarm: str, *, needs_policy: bool = False,
    foreign: bool = False, on: str = "", end: Step | None = None,
) -> Callable[[Step], Rule]:  # fmt: skip
    """Make a rule of the function that finds it; `controls` are ids of frameworks, and `on` types of records, a space between
    them."""

    def made(step: Step) -> Rule:
        types = frozenset(on.split()) or None
        return Rule(
            name, title, severity, tuple(controls.split()), false_alarm, needs_policy, foreign, types, step, end
        )

    return made
