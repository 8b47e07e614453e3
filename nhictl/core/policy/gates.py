"""Gates (reference `policy.md` §2.6): a permitted call of a class that requires it needs an envelope approved beforehand.

A guardrail contains a call only if every condition of its `within` is true: what is absent or unknown is outside. It is in
force until its `expires`, a date meaning that day's beginning in the policy's time zone; afterwards it approves nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from nhictl.core.policy.condition import TRUE
from nhictl.core.policy.instant import parse_instant
from nhictl.core.policy.resource import Refused
from nhictl.core.policy.time_window import zone

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nhictl.core.policy.catalogue import Tool
    from nhictl.core.policy.facts import Facts
    from nhictl.core.policy.plan import Test

__all__ = ["IMPACTS", "REQUIRES", "Gate", "Passage", "expiry_us", "gates_of", "pass_gates"]

IMPACTS: Final = ("low", "medium", "high")
REQUIRES: Final = ("guardrail", "approval", "guardrail_or_approval")


class Guardrail:
    """An envelope as it applies to one tool: its id, its end in microseconds, and the tests that all have to be true."""

    __slots__ = ("approved_by", "ends_us", "id", "tests")

    def __init__(self, name: str, form: dict[str, Any], tests: list[Test], timezone: str) -> None:
        self.id = name
        self.approved_by: str = form["approved_by"]
        self.ends_us = expiry_us(form["expires"], timezone)
        self.tests = tests

    def contains(self, facts: Facts) -> bool:
        """Whether it is in force and every one of its conditions is true."""
        return facts.now_us < self.ends_us and all(test.run(facts) == TRUE for test in self.tests)

    def failing(self, facts: Facts) -> dict[str, Any]:
        """Why it does not contain a call: `expired`, and the conditions that are not true with what they saw."""
        made: dict[str, Any] = {"guardrail": self.id, "expired": facts.now_us >= self.ends_us}
        made["failed"] = [test.show(facts) for test in self.tests if test.run(facts) != TRUE]
        return made


class Gate:
    """What one class asks of a call of one tool; `requires` is None where it asks nothing."""

    __slots__ = ("guardrails", "impact", "name", "requires")

    def __init__(self, name: str, form: dict[str, Any], guardrails: list[Guardrail]) -> None:
        self.name = name
        self.impact: str | None = form.get("impact")
        self.requires: str | None = form.get("requires")
        self.guardrails = guardrails


class Passage:
    """How a call fared at its tool's gates: the guardrails that contain it, the approvals that let it pass, and the gates
    that nothing opened.
    """

    __slots__ = ("approvals", "guardrails", "shut")

    def __init__(self, guardrails: list[str], shut: list[dict[str, Any]], approvals: list[str]) -> None:
        self.guardrails = guardrails
        self.shut = shut
        self.approvals = approvals


def expiry_us(text: str, timezone: str) -> int:
    """The instant a guardrail ends: an RFC 3339 date-time, or a date, which ends at its start in `timezone`."""
    if len(text) != 10:
        return parse_instant(text)
    from datetime import datetime

    try:
        start = datetime.strptime(text, "%Y-%m-%d")  # noqa: DTZ007  # the zone follows
    except ValueError as e:
        raise Refused("is no date `YYYY-MM-DD` and no RFC 3339 date-time") from e
    if start.strftime("%Y-%m-%d") != text:
        raise Refused("is no date `YYYY-MM-DD` and no RFC 3339 date-time")
    return int(start.replace(tzinfo=zone(timezone)).timestamp()) * 1_000_000


def gates_of(form: dict[str, Any], tool: Tool, timezone: str) -> list[Gate]:
    """The gates of one tool, by class name: those of every class that holds it."""
    from nhictl.core.policy.plan import compile_clause

    made = []
    for name, declared in form.get("classes", {}).items():
        if tool.name not in declared["tools"]:
            continue
        held = [(key, one) for key, one in form.get("guardrails", {}).items() if one["class"] == name]
        rails = []
        for key, one in held:
            tests = [compile_clause(clause, tool, timezone, forbid=False) for clause in one["all"]]
            rails.append(Guardrail(key, one, tests, timezone))
        made.append(Gate(name, declared, sorted(rails, key=lambda rail: rail.id)))
    return sorted(made, key=lambda gate: gate.name)


def pass_gates(gates: list[Gate], facts: Facts, approvals: Mapping[str, str]) -> Passage:
    """Every class's requirement has to be met, by a guardrail or by the approval that `approvals` has for that class.

    Whether an approval is good for this very call was settled by whoever looked it up; here it opens its class, if that
    takes approvals at all.
    """
    used: list[str] = []
    given: list[str] = []
    shut: list[dict[str, Any]] = []
    for gate in gates:
        if gate.requires is None:
            continue
        rails = gate.guardrails if gate.requires != "approval" else []
        containing = [rail.id for rail in rails if rail.contains(facts)]
        if containing:
            used.extend(containing)
        elif gate.requires != "guardrail" and gate.name in approvals:
            given.append(approvals[gate.name])
        else:
            failing = [rail.failing(facts) for rail in rails]
            shut.append({"class": gate.name, "requires": gate.requires, "guardrails": failing})
    return Passage(used, shut, list(dict.fromkeys(given)))
