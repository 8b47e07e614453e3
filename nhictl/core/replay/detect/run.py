"""All detections over one log: each step to each of them, and what they found put together."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from nhictl.core.replay.authority.fold import Authority
from nhictl.core.replay.detect.registry import RULES
from nhictl.core.replay.detect.rule import Found, Lack, Rule
from nhictl.core.replay.detect.scene import Scene

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from nhictl.core.policy.compiled import Policy
    from nhictl.core.replay.authority.step import Step

RECORDS: Final = 20
"""Records shown of one finding; `count` says how often it was found."""
MOST: Final = 10_000
"""Findings of one detection that are kept; more are counted in `left_out`."""
_MISSING: Final = 20


class Watch:
    """Give it the steps in log order, foreign ones after ours, then ask for `items` and `rules`."""

    def __init__(
        self, policies: Callable[[str], Policy | None], rules: Sequence[Rule] = RULES, *,
        declared: list[Any] | None = None, second: bool = False,
    ) -> None:  # fmt: skip
        self.world = Authority()
        self.scene = Scene(self.world, policies, declared, second=second)
        self.chosen = rules
        self.steps = 0
        self._memory: dict[str, dict[Any, Any]] = {rule.id: {} for rule in rules}
        self._asked: dict[str, list[tuple[Rule, dict[Any, Any]]]] = {}
        self._found: dict[tuple[str, str], dict[str, Any]] = {}
        self._kept: dict[str, int] = {}
        self._left: dict[str, int] = {}
        self._missing: dict[str, dict[str, int]] = {rule.id: {} for rule in rules}

    def take(self, step: Step) -> None:
        """Ask every detection about a step, then fold it in."""
        self.steps += 1
        self.scene.enter(step)
        asked = self._asked.get(step.type)
        if asked is None:
            wanted = (rule for rule in self.chosen if rule.on is None or step.type in rule.on)
            asked = self._asked[step.type] = [(rule, self._memory[rule.id]) for rule in wanted]
        for rule, memory in asked:
            for said in rule.step(self.scene, memory):
                self._note(rule, said)
        self.world.take(step)

    def take_all(self, steps: Iterable[Step]) -> Watch:
        """Take all steps and come to the end."""
        for step in steps:
            self.take(step)
        return self.end()

    def end(self) -> Watch:
        """The log has ended."""
        for rule in self.chosen:
            if rule.end is not None:
                for said in rule.end(self.scene, self._memory[rule.id]):
                    self._note(rule, said)
        return self

    def _note(self, rule: Rule, one: Found | Lack) -> None:
        if isinstance(one, Lack):
            known = self._missing[rule.id]
            if one.missing in known or len(known) < _MISSING:
                known[one.missing] = known.get(one.missing, 0) + 1
            return
        if (rule.id, one.about) not in self._found:
            if self._kept.get(rule.id, 0) >= MOST:
                self._left[rule.id] = self._left.get(rule.id, 0) + 1
                return
            self._kept[rule.id] = self._kept.get(rule.id, 0) + 1
        held = self._found.setdefault(
            (rule.id, one.about),
            {
                "id": rule.id, "severity": rule.severity, "title": rule.title, "message": one.message, "about": one.about,
                "count": 0, "records": [], "controls": list(rule.controls), "false_alarm": rule.false_alarm,
            },
        )  # fmt: skip
        held["count"] += 1
        held["records"] += [ref for ref in one.records if ref not in held["records"]][: RECORDS - len(held["records"])]

    def items(self) -> list[dict[str, Any]]:
        """The findings, in the order of the detections and then of when they were first found."""
        order = {rule.id: number for number, rule in enumerate(self.chosen)}
        return sorted(self._found.values(), key=lambda one: order[one["id"]])

    def rules(self) -> list[dict[str, Any]]:
        """Of each detection its `state` (`found`, `unknown`, `none`), how often it was found, and what is `missing`.

        `none` is said only where nothing was missing; with findings, `missing` tells what else may be there.
        """
        counts, made = self._kept, []
        for rule in self.chosen:
            missing = dict(self._missing[rule.id])
            if self.steps == 0:
                missing = {"a record: the log is empty": 1}
            elif self.world.newest is None and not rule.foreign:
                missing = {"our own log": 1}
            state = "found" if rule.id in counts else "unknown" if missing else "none"
            made.append({
                "id": rule.id, "state": state, "count": counts.get(rule.id, 0), "severity": rule.severity,
                "definition": rule.definition, "controls": list(rule.controls),
                **({"left_out": self._left[rule.id]} if rule.id in self._left else {}),
                "missing": [{"what": what, "times": times} for what, times in sorted(missing.items())],
            })  # fmt: skip
        return made
