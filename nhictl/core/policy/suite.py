"""Policy tests: requests with the decisions they should get, and how much of the policy they put to the test.

Coverage is counted over outcomes, not lines: that a rule applied at all, and that each of its conditions was seen true,
false and, where the fact may be missing, unknown. A condition is looked at for every case of its tool, whatever else failed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from nhictl.core.policy import reading
from nhictl.core.policy.decide import decide
from nhictl.core.policy.explain import explain, explain_limits
from nhictl.core.policy.instant import parse_instant
from nhictl.core.policy.suite_calls import Earlier, parse_before, parse_request, play

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nhictl.core.policy.catalogue import Tool
    from nhictl.core.policy.compiled import Policy
    from nhictl.core.policy.plan import Test
    from nhictl.core.policy.registry import Registry
    from nhictl.core.policy.request import Request
    from nhictl.core.policy.yaml_events import Node

__all__ = ["Case", "Coverage", "Outcome", "Suite", "parse_suite", "run_case"]

_KEYS: Final = ("nhictl_policy_test", "policy", "registry", "now", "cases")
_CASE: Final = ("name", "request", "expect", "now", "before", "approved")
_EXPECT: Final = ("decision", "reason", "rules", "obligations", "limit")
_ALWAYS: Final = ("agent.name", "agent.owner", "agent.trust", "agent.attested", "agent.state", "tool", "time")


class Case(NamedTuple):
    """One request and what is expected of its decision; `line` is where it stands in the file.

    `before` are the calls that were made earlier, which limits count; `approved` the classes that a human approved this very
    call for.
    """

    name: str
    line: int
    request: Request
    expect: dict[str, Any]
    before: tuple[Earlier, ...] = ()
    approved: tuple[str, ...] = ()


class Suite(NamedTuple):
    """A file of tests: policy files and registry as they are named in it, and its cases."""

    file: str
    policy: list[str]
    registry: str
    cases: list[Case]


class Outcome(NamedTuple):
    """How a case went: `got` has the members that were expected; `wrong` names those that differ."""

    case: Case
    got: dict[str, Any]
    wrong: list[str]
    message: str | None


def parse_suite(file: str, data: bytes) -> Suite:
    """The tests in a document; `InputError` with file, line and column for what is none."""
    root = reading.one_mapping(file, data, "a policy test")
    reading.version(root, "nhictl_policy_test")
    fields = reading.entries(root, _KEYS, what="a policy test")
    reading.require(root, ("policy", "registry", "now", "cases"), what="a policy test")
    now_us = _instant(fields["now"])
    cases: dict[str, Case] = {}
    for node in reading.items(fields["cases"], what="`cases`"):
        case = _case(node, now_us)
        if case.name in cases:
            raise node.value["name"].error(f"duplicate case `{case.name}`")
        cases[case.name] = case
    paths = [reading.text(item, what="a policy file") for item in reading.items(fields["policy"], what="`policy`")]
    return Suite(file, paths, reading.text(fields["registry"], what="`registry`"), list(cases.values()))


def _instant(node: Node) -> int:
    return int(reading.located(node, parse_instant, reading.text(node, what="`now`", limit=40)))


def _case(node: Node, now_us: int) -> Case:
    fields = reading.entries(node, _CASE, what="a case")
    reading.require(node, ("name", "request", "expect"), what="a case")
    at_us = _instant(fields["now"]) if "now" in fields else now_us
    request = parse_request(fields["request"], at_us)
    before = parse_before(fields["before"], request) if "before" in fields else ()
    approved = tuple(reading.names(fields["approved"], what="`approved`")) if "approved" in fields else ()
    name = reading.text(fields["name"], what="`name`", limit=200)
    return Case(name, node.line or 0, request, _expect(fields["expect"]), before, approved)


def _expect(node: Node) -> dict[str, Any]:
    fields = reading.entries(node, _EXPECT, what="`expect`")
    reading.require(node, ("decision",), what="`expect`")
    if fields["decision"].value not in ("allow", "deny"):
        raise fields["decision"].error("`decision` must be `allow` or `deny`")
    made: dict[str, Any] = {"decision": fields["decision"].value}
    if "reason" in fields:
        made["reason"] = reading.name(fields["reason"], what="`reason`")
    if "limit" in fields:
        made["limit"] = reading.name(fields["limit"], what="`limit`")
    for key in ("rules", "obligations"):
        if key in fields:
            value = fields[key].data()
            if not isinstance(value, list):
                raise fields[key].error(f"`{key}` must be a list")
            made[key] = sorted(value, key=str)
    return made


def run_case(policy: Policy, registry: Registry, case: Case) -> Outcome:
    """Decide one case by the engine that decides live."""
    agent = registry.find(case.request.agent)
    counters, fault = play(policy, registry, case.before)
    if fault is not None:
        return Outcome(case, {"before": fault}, ["before"], fault)
    approvals = dict.fromkeys(case.approved, "test")
    whole = decide(policy, agent, case.request, counters=counters, approvals=approvals).to_json()
    got = {}
    for key in case.expect:
        value = whole.get(key)
        got[key] = sorted(value, key=str) if isinstance(value, list) else value
    wrong = [key for key in case.expect if got[key] != case.expect[key]]
    return Outcome(case, got, wrong, whole.get("message"))


class Coverage:
    """What the cases have seen of each rule: add cases, then read `rows`."""

    def __init__(self, policy: Policy) -> None:
        self._policy = policy
        self._wanted: dict[str, dict[tuple[str, str], str]] = {}
        self._seen: dict[str, set[tuple[str, str]]] = {}
        self._applied: dict[str, int] = {}
        for form in policy.form["rules"]:
            self._wanted[form["id"]] = {}
            self._seen[form["id"]] = set()
            self._applied[form["id"]] = 0
        for form in policy.form.get("limits", ()):
            self._wanted[form["id"]] = {("exceeded", "true"): "the limit"}
            self._seen[form["id"]] = set()
            self._applied[form["id"]] = 0
        for tool in policy.tools.values():
            limits = policy.limits(tool) if policy.limited else []
            for each in (*policy.rules_for(tool), *(limit.rule for limit in limits)):
                for key, test in _tests(each.tests):
                    for result in _possible(test, tool):
                        self._wanted[each.id][(key, result)] = f"{test.path} {test.op}"

    def add(self, registry: Registry, case: Case) -> None:
        """Count what one case shows of every rule and limit of its tool."""
        agent, request = registry.find(case.request.agent), case.request
        for row in explain(self._policy, agent, request):
            self._applied[row["rule"]] += row["applies"]
            self._seen[row["rule"]].update(_shown(row["conditions"]))
        if not self._policy.limited:
            return
        for row in explain_limits(self._policy, agent, request):
            self._applied[row["rule"]] += row["applies"]
            self._seen[row["rule"]].update(_shown(row["conditions"]))
        counters, _ = play(self._policy, registry, case.before)
        approvals = dict.fromkeys(case.approved, "test")
        decision = decide(self._policy, agent, request, counters=counters, approvals=approvals)
        if decision.reason == "limit_exceeded":
            for name in decision.rules:
                self._seen[name].add(("exceeded", "true"))

    def rows(self) -> list[dict[str, Any]]:
        """For each rule: how often it applied, outcomes covered and in all, and those that no case has brought about."""
        made = []
        for rule, wanted in self._wanted.items():
            missing = [
                {"condition": what, "outcome": key[1]} for key, what in wanted.items() if key not in self._seen[rule]
            ]
            if not self._applied[rule]:
                missing.insert(0, {"condition": "the rule", "outcome": "applied"})
            total = len(wanted) + 1
            row = {"rule": rule, "applied": self._applied[rule], "covered": total - len(missing), "total": total}
            made.append({**row, "missing": missing})
        return made


def _tests(tests: list[Test], prefix: str = "") -> Iterator[tuple[str, Test]]:
    for index, test in enumerate(tests):
        if test.boxes is None:
            yield f"{prefix}{index}", test
            continue
        for number, box in enumerate(test.boxes):
            yield from _tests(box, f"{prefix}{index}.{number}.")


def _shown(conditions: list[dict[str, Any]], prefix: str = "") -> Iterator[tuple[str, str]]:
    for index, seen in enumerate(conditions):
        if "any" not in seen:
            yield f"{prefix}{index}", seen["result"]
            continue
        for number, box in enumerate(seen["any"]):
            yield from _shown(box, f"{prefix}{index}.{number}.")


def _possible(test: Test, tool: Tool) -> tuple[str, ...]:
    """The outcomes that a condition on a call of `tool` can have."""
    if test.path in ("resource", "data.sensitivity") and tool.resource is None:
        return ("true", "false") if test.op == "has" else ("unknown",)
    always = test.path in _ALWAYS or test.op in ("has", "any_of") or test.absent_ok or _required(test.path, tool)
    return ("true", "false") if always else ("true", "false", "unknown")


def _required(path: str, tool: Tool) -> bool:
    """Whether every valid call of `tool` has the fact at `path`."""
    if path in ("resource", "data.sensitivity"):
        return True
    if path == "agent.groups":
        return False
    return path.startswith("args.") and tool.requires(path[5:])
