"""Export to Cedar: each rule as policies that decide as ours do, or a refusal that names what Cedar cannot say.

Ours are three-valued and Cedar's are not: a permit is written to hold only where every condition is true, a forbid wherever
none is false. So every fact is read behind a test of its presence, `if … then … else true` in a forbid, and nothing that is
missing or of another kind makes Cedar drop a forbid. What a request has to look like is in `cedar_request`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from nhictl.core.policy.gates import expiry_us
from nhictl.core.policy.plan import bind
from nhictl.formats.cedar_conditions import behind, compare, glob_test, listed, same, untyped, window_test
from nhictl.formats.cedar_terms import NAMESPACE, InexpressibleError, drift_forms, has, long, quote, term

if TYPE_CHECKING:
    from collections.abc import Iterable

    from nhictl.core.policy.catalogue import Tool
    from nhictl.core.policy.compiled import Policy

__all__ = ["Exported", "export"]

_KNOWN = {
    "nhictl_compiled_policy", "ids", "owners", "timezone", "tools", "data", "rules", "classes", "guardrails",
    "openers", "approvers", "assertions",
}  # fmt: skip
"""Parts of a policy that are exported, or that are about something else than calls."""

ACTIVE = """@id("nhictl:agent")
forbid (principal, action, resource)
unless {
  principal has state && principal.state == "active" &&
  (if principal has expires then context has time && context.time has now && context.time.now < principal.expires else true)
};"""


class Exported(NamedTuple):
    """Policies as texts, each with the id of the rule or class it is of (None: the agents' own), and what Cedar cannot say."""

    policies: list[tuple[str | None, str]]
    refused: list[dict[str, str]]

    @property
    def text(self) -> str:
        """The whole policy set."""
        return "\n\n".join(text for _, text in self.policies) + "\n"


def export(policy: Policy) -> Exported:
    """Write a policy out. With anything refused the rest is no substitute: it would decide otherwise."""
    made = _Export(policy)
    made.policies.append((None, ACTIVE))
    for key in sorted(policy.form.keys() - _KNOWN):
        if policy.form[key]:
            made.refused.append({"where": key, "why": f"`{key}` have no counterpart: Cedar keeps no counts"})
    for form in (*drift_forms(policy), *policy.form["rules"]):
        made.rule(form)
    for name, form in policy.form.get("classes", {}).items():
        made.gate(name, form)
    return Exported(made.policies, made.refused)


class _Export:
    def __init__(self, policy: Policy) -> None:
        self.policy = policy
        self.tools = policy.tools
        self.policies: list[tuple[str | None, str]] = []
        self.refused: list[dict[str, str]] = []

    def rule(self, form: dict[str, Any]) -> None:
        """One policy for all tools of a rule that it reads alike."""
        import json

        forbid = form["effect"] == "forbid"
        alike: dict[str, list[str]] = {}
        for name in form["tools"]:
            try:
                alike.setdefault(self._when(form, self.tools[name], forbid=forbid), []).append(name)
            except InexpressibleError as e:
                self.refused.append({"where": f"rule {form['id']}", "why": f"{e} (tool `{name}`)"})
        notes = f"@id({quote(form['id'])})\n"
        if form["description"]:
            notes += f"@description({quote(form['description'])})\n"
        if form["obligations"]:
            notes += f"@obligations({quote(json.dumps(form['obligations'], ensure_ascii=False, sort_keys=True))})\n"
        for when, tools in alike.items():
            condition = f"\nwhen {{\n  {when}\n}}" if when else ""
            self.policies.append((form["id"], f"{notes}{form['effect']} {_scope(tools)}{condition};"))

    def _when(self, form: dict[str, Any], tool: Tool, *, forbid: bool) -> str:
        made = [*self._match(form["match"], tool, forbid=forbid), *self._all(form["all"], tool, forbid=forbid)]
        if form["any"]:
            boxes = [" && ".join(self._all(box, tool, forbid=forbid)) for box in form["any"]]
            made.append("(" + " || ".join(f"({box})" for box in boxes) + ")")
        return " &&\n  ".join(made)

    def _match(self, match: dict[str, Any], tool: Tool, *, forbid: bool) -> list[str]:
        made = []
        for key, path in (("agents", "agent.name"), ("env", "agent.env"), ("intents", "task.intent")):
            if key in match:
                of = term(path, tool, self.policy)
                tests = [glob_test(of.value, text) for text in match[key]]
                made.append(behind(of.present, f"({' || '.join(tests)})", otherwise=forbid))
        if "groups" in match:
            names = ", ".join(map(quote, match["groups"]))
            made.append(
                behind((has("principal", "groups"),), f"principal.groups.containsAny([{names}])", otherwise=forbid)
            )
        if "min_trust" in match:
            made.append(
                behind((has("principal", "trust"),), f"principal.trust >= {match['min_trust']}", otherwise=forbid)
            )
        return made

    def _all(self, clauses: Iterable[list[Any]], tool: Tool, *, forbid: bool) -> list[str]:
        return [self._clause(clause, tool, forbid=forbid) for clause in clauses]

    def _clause(self, clause: list[Any], tool: Tool, *, forbid: bool) -> str:
        if clause[0] == "time":
            return window_test(clause[2], forbid=forbid)
        condition = bind(clause, tool)
        of = term(condition.path, tool, self.policy)
        if condition.op == "has":
            there = f"({' && '.join(of.present)})" if of.present else "true"
            return there if condition.operand else f"!{there}"
        try:
            if condition.op == "same_as":
                inner = same(condition, of, term(str(condition.operand), tool, self.policy), tool, forbid=forbid)
            elif of.many:
                inner = listed(condition, of.value, forbid=forbid)
            elif condition.kind == "any":
                inner = untyped(condition, of.value, forbid=forbid)
            else:
                inner = compare(condition.op, condition.kind, condition.operand, of.value)
        except InexpressibleError as e:
            raise InexpressibleError(f"`{condition.path}` `{condition.op}`: {e}") from e
        return behind(of.present, inner, otherwise=forbid or condition.absent_ok)

    def gate(self, name: str, form: dict[str, Any]) -> None:
        """What a class requires: a forbid that its guardrails lift; an approval cannot be given to Cedar, so it forbids."""
        if form.get("requires") is None:
            return
        held = {key: one for key, one in self.policy.form.get("guardrails", {}).items() if one["class"] == name}
        alike: dict[str, list[str]] = {}
        for tool in form["tools"]:
            rails = []
            try:
                for _, one in sorted(held.items()) if form["requires"] != "approval" else ():
                    ends = long(expiry_us(one["expires"], self.policy.timezone))
                    now = ("context has time", "context.time has now")
                    tests = [behind(now, f"context.time.now < {ends}", otherwise=False)]
                    tests += self._all(one["all"], self.tools[tool], forbid=False)
                    rails.append(f"({' && '.join(tests)})")
            except InexpressibleError as e:
                self.refused.append({"where": f"class {name}", "why": f"{e} (tool `{tool}`)"})
                continue
            alike.setdefault(" ||\n  ".join(rails), []).append(tool)
        for lifted, tools in alike.items():
            condition = f"\nunless {{\n  {lifted}\n}}" if lifted else ""
            self.policies.append(
                (f"class {name}", f"@id({quote('class ' + name)})\nforbid {_scope(tools)}{condition};")
            )


def _scope(tools: list[str]) -> str:
    actions = ", ".join(f"{NAMESPACE}::Action::{quote(name)}" for name in tools)
    return f"(principal, action in [{actions}], resource)"
