"""Findings about a policy as a whole: assertions, tools and agents that nothing is allowed to, guardrails, duplicates."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from nhictl.core.policy.algebra.budget import UndecidedError
from nhictl.core.policy.algebra.search import intersect
from nhictl.core.policy.analysis.lint.findings import Finding
from nhictl.core.policy.analysis.lint.linter import Answer, meets
from nhictl.core.policy.analysis.lint.rule_checks import finding
from nhictl.core.policy.analysis.sets import Held
from nhictl.core.policy.decide import decide
from nhictl.core.policy.gates import expiry_us
from nhictl.core.policy.instant import instant_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from nhictl.core.policy.algebra.witness import Witness
    from nhictl.core.policy.analysis.lint.linter import Linter, Table
    from nhictl.core.policy.analysis.sets import Sets

__all__ = ["agent_findings", "assertion_findings", "document_findings", "obligation_findings", "tool_findings"]


def assertion_findings(linter: Linter) -> Iterator[Finding]:
    """Each assertion that does not hold, with the call that shows it; one that is not decided is an error as well."""
    for form, stated in zip(linter.assertions, linter.policy.form.get("assertions", ()), strict=True):
        key = json.dumps(stated, sort_keys=True)
        said = _never(stated)
        answer = linter.first(form["tools"], _reached(linter, form))
        if answer.found is not None:
            approved = "" if answer.found.decision.allowed else ", once it is approved"
            message = f"assertion does not hold: never {said}, but a call is allowed{approved}"
            yield _located(linter, "assertion-violated", key, message, answer)
        elif answer.why:
            yield _located(linter, "undecided", key, f"undecided whether it holds: never {said}: {answer.why}", answer)


def _reached(linter: Linter, form: dict[str, Any]) -> Callable[[Table], Iterator[tuple[Sets, Witness]]]:
    """Calls that a form of a rule's shape matches and that are allowed, at least with approvals."""

    def ask(table: Table) -> Iterator[tuple[Sets, Witness]]:
        return linter.allowed(table, meets(table.permits, linter.boxes_of(table, form)))

    return ask


def _located(linter: Linter, rule: str, key: str, message: str, answer: Answer) -> Finding:
    made = finding(linter, rule, "assertion", key, message, answer.found, level="error")
    return made._replace(name=_never(json.loads(key)))


def _never(stated: dict[str, Any]) -> str:
    said = [f"{key} {', '.join(map(str, value)) if isinstance(value, list) else value}" for key, value in
            sorted(stated["match"].items())]  # fmt: skip
    return " and ".join(said or ["anything"]) + (" under its conditions" if stated["all"] or stated["any"] else "")


def tool_findings(linter: Linter) -> Iterator[Finding]:
    """Tools that nobody may call, or that all calls are denied; tools that take any argument."""
    names = sorted(linter.policy.form["tools"])
    for name in names:
        if linter.policy.form["tools"][name]["open"]:
            message = f"`{name}` is declared `args: open`: no condition can read what is not declared"
            yield finding(linter, "args-open", "tool", name, message)
    idle, why = [], ""
    for name in names:
        answer = linter.first([name], lambda table: linter.allowed(table, table.permits))
        if answer.proven:
            idle.append(name)
        elif answer.why:
            why = why or answer.why
            yield finding(linter, "undecided", "tool", name, f"undecided whether anybody may call it: {answer.why}")
    if len(idle) == len(names):
        yield finding(linter, "denies-everything", "policy", ", ".join(linter.policy.form["ids"]), "no call is allowed")
        return
    for name in idle:
        yield finding(linter, "tool-uncallable", "tool", name, f"nobody may call `{name}`")


def agent_findings(linter: Linter) -> Iterator[Finding]:
    """Agents of the registry that may call nothing."""
    if not linter.agents:
        return
    left, why = set(range(len(linter.agents))), ""
    for name in sorted(linter.policy.form["tools"]):
        try:
            table = linter.table(name)
            for held in table.permits:
                _seen_allowed(linter, table, held, left)
        except UndecidedError as e:
            why = why or str(e)
    for number in sorted(left):
        agent = linter.agents[number]
        if why:
            yield finding(linter, "undecided", "agent", agent.name, f"undecided whether it may call anything: {why}")
        else:
            yield finding(linter, "agent-without-permit", "agent", agent.name, f"agent `{agent.name}` may call nothing")


def _seen_allowed(linter: Linter, table: Table, held: Held, left: set[int]) -> None:
    """Take off `left` the agents to whom some of a permit's calls are allowed."""
    names = {agent.name: number for number, agent in enumerate(linter.agents or ())}
    while True:
        wanted = sum(1 << number for number in left)
        box = intersect(held.box, {"agent": wanted}) if "agent" in table.sets.grid.axes else dict(held.box)
        if not wanted or box is None:
            return
        found = next(linter.allowed(table, [Held(held.rule, box)]), None)
        if found is None:
            return
        if "agent" not in table.sets.grid.axes:  # nothing asks who calls, so whoever is registered may
            left.clear()
            return
        left.discard(names[found[1].agent.name])


def document_findings(linter: Linter) -> Iterator[Finding]:
    """Guardrails that have expired, and rules that say the same as another."""
    form = linter.policy.form
    for name, rail in sorted(form.get("guardrails", {}).items()):
        ends = expiry_us(rail["expires"], linter.policy.timezone)
        if ends <= linter.now_us:
            message = f"guardrail `{name}` expired at {instant_text(ends)}: it approves nothing"
            yield finding(linter, "guardrail-expired", "guardrail", name, message)
    seen: dict[str, str] = {}
    for rule in form["rules"]:
        key = json.dumps(
            [rule[k] for k in ("effect", "tools", "all", "any", "obligations")] + [_who(rule)], sort_keys=True
        )
        if key in seen:
            first = linter.place("rule", seen[key])
            where = f", {first.file}:{first.line}" if first is not None else ""
            message = f"says the same as `{seen[key]}`{where}"
            yield finding(linter, "duplicate-rule", "rule", rule["id"], message, related=(seen[key],))
        seen.setdefault(key, rule["id"])


def _who(rule: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in rule["match"].items() if key not in ("tools", "classes")}


def obligation_findings(linter: Linter, supported: frozenset[str]) -> Iterator[Finding]:
    """Permits with an obligation that the enforcement point cannot perform, so that what they allow is denied."""
    for form in linter.rules("permit"):
        strange = sorted({item["type"] for item in form["obligations"]} - supported)
        if not strange:
            continue

        def ask(table: Table, form: dict[str, Any] = form) -> Iterator[tuple[Sets, Witness]]:
            def holds(asked: Witness) -> bool:
                decision = decide(linter.policy, asked.agent, asked.request, supported)
                return not decision.allowed and form["id"] in decision.rules

            for held in table.sets.gated(0, linter.own(table, form), "permitted"):
                for part in table.sets.left(held.box, [one.box for one in table.forbids], holds):
                    yield table.sets, part.witness

        answer = linter.first(form["tools"], ask)
        message = f"obligation `{strange[0]}` cannot be performed here: what it permits is denied"
        made = finding(linter, "unsupported-obligation", "rule", form["id"], message, answer.found, tuple(strange))
        if made.witness is not None:
            made = made._replace(decision=decide(linter.policy, made.witness.agent, made.witness.request, supported))
        yield made
