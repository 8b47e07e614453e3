"""Rules compiled for one tool, and plans: the tests that remain for one agent after its registry attributes are known."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nhictl.core.policy.condition import FALSE, TRUE, UNKNOWN, Condition
from nhictl.core.policy.facts import Facts, fact_type, getter
from nhictl.core.policy.glob import Glob
from nhictl.core.policy.time_window import compile_window
from nhictl.core.policy.types import SENSITIVITY, Refused, plain

if TYPE_CHECKING:
    from collections.abc import Callable

    from nhictl.core.policy.catalogue import Tool
    from nhictl.core.policy.registry import Agent

__all__ = ["Plan", "Rule", "Test", "bind", "compile_clause", "plan_for"]


class Test:
    """One condition ready to run: `run` answers TRUE, FALSE or UNKNOWN, `see` the value it looked at.

    For `any`, `boxes` holds the alternatives and `see` nothing. `absent_ok`: absence satisfies it.
    """

    __slots__ = ("absent_ok", "boxes", "op", "operand", "path", "run", "see")
    __test__ = False  # not a test case, whatever a test runner makes of its name

    def __init__(
        self,
        path: str,
        op: str,
        operand: Any,
        run: Callable[[Any], int],
        see: Callable[[Any], Any],
        boxes: list[list[Test]] | None = None,
        *,
        absent_ok: bool = False,
    ) -> None:
        self.path = path
        self.op = op
        self.operand = operand
        self.run = run
        self.see = see
        self.boxes = boxes
        self.absent_ok = absent_ok

    def show(self, facts: Any) -> dict[str, Any]:
        """Return the condition, the value seen (null if absent) and the result, as JSON."""
        result = ("false", "true", "unknown")[self.run(facts)]
        if self.boxes is not None:
            return {"fact": "any", "result": result, "any": [[test.show(facts) for test in box] for box in self.boxes]}
        value = self.see(facts)
        if self.path == "data.sensitivity" and value is not None:
            value = SENSITIVITY[value]
        shown = str(value) if type(value).__name__ == "Mistyped" else plain(value)
        return {"fact": self.path, "op": self.op, "operand": self.operand, "value": shown, "result": result}


class Rule:
    """A rule as it applies to one tool: `static` tests read registry attributes alone, `dynamic` ones the request too."""

    __slots__ = ("dynamic", "effect", "form", "id", "obligations", "static")

    def __init__(self, form: dict[str, Any], tool: Tool, timezone: str) -> None:
        self.form = form
        self.id: str = form["id"]
        self.effect: str = form["effect"]
        self.obligations = _by_content(form["obligations"])
        forbid = self.effect == "forbid"
        self.static = _static(form["match"])
        self.dynamic = [_named("task.intent", form["match"]["intents"])] if "intents" in form["match"] else []
        self.dynamic += [compile_clause(clause, tool, timezone, forbid=forbid) for clause in form["all"]]
        if form["any"]:
            boxes = [[compile_clause(clause, tool, timezone, forbid=forbid) for clause in box] for box in form["any"]]
            self.dynamic.append(_any(boxes))

    @property
    def tests(self) -> list[Test]:
        """All tests, those on the registry first."""
        return self.static + self.dynamic


def bind(clause: list[Any], tool: Tool) -> Condition:
    """Bind a clause `[path, op, operand]` (a fourth member: `absent_ok`) to the type its fact has for `tool`; raise
    `Refused`.
    """
    path, op, operand = clause[0], clause[1], _numbers(clause[2])
    of = tool.argument_type(path[5:]) if path.startswith("args.") else fact_type(path)
    if of is None:
        raise Refused(
            f"tool `{tool.name}` declares no argument `{path[5:]}`" if path[:5] == "args." else f"no fact `{path}`"
        )
    return Condition(path, op, operand, of, absent_ok=len(clause) > 3)


def _numbers(operand: Any) -> Any:
    """Read canonical numbers back: `{"d": digits}` is a decimal."""
    if isinstance(operand, list):
        return [_numbers(item) for item in operand]
    if isinstance(operand, dict):
        from decimal import Decimal

        return Decimal(operand["d"])
    return operand


def compile_clause(clause: list[Any], tool: Tool, timezone: str, *, forbid: bool) -> Test:
    """A clause of the canonical form, bound to a tool's types and ready to run."""
    if clause[0] == "time":
        window, seen = compile_window(clause[2], timezone)
        return Test("time", "within", clause[2], window, seen)
    condition = bind(clause, tool)
    see = getter(condition.path)
    other = getter(condition.operand) if condition.op == "same_as" else None
    run = condition.compile(see, forbid=forbid, other=other)
    return Test(condition.path, condition.op, plain(_numbers(clause[2])), run, see, absent_ok=condition.absent_ok)


def _any(boxes: list[list[Test]]) -> Test:
    runs = [[test.run for test in box] for box in boxes]

    def run(facts: Any) -> int:
        result = FALSE
        for box in runs:
            found = TRUE
            for test in box:
                one = test(facts)
                if one == FALSE:
                    found = FALSE
                    break
                if one == UNKNOWN:
                    found = UNKNOWN
            if found == TRUE:
                return TRUE
            if found == UNKNOWN:
                result = UNKNOWN
        return result

    return Test("any", "any", None, run, lambda _: None, boxes)


def _named(path: str, wanted: list[str]) -> Test:
    """Test that a fact is one of some names, which may be globs; an absent one is UNKNOWN."""
    see = getter(path)
    exact = frozenset(text for text in wanted if "*" not in text)
    globs = [Glob(text) for text in wanted if "*" in text]

    def run(facts: Any) -> int:
        value = see(facts)
        if value is None:
            return UNKNOWN
        return TRUE if value in exact or any(glob.matches(value) for glob in globs) else FALSE

    return Test(path, "in", wanted, run, see)


def _static(match: dict[str, Any]) -> list[Test]:
    tests = []
    if "agents" in match:
        tests.append(_named("agent.name", match["agents"]))
    if "groups" in match:
        wanted = frozenset(match["groups"])
        run: Callable[[Any], int] = lambda f: FALSE if wanted.isdisjoint(f.agent.groups) else TRUE  # noqa: E731
        tests.append(Test("agent.groups", "any_of", match["groups"], run, lambda f: list(f.agent.groups)))
    if "env" in match:
        tests.append(_named("agent.env", match["env"]))
    if "min_trust" in match:
        least = match["min_trust"]
        tests.append(
            Test(
                "agent.trust",
                "gte",
                least,
                lambda f: TRUE if f.agent.trust >= least else FALSE,
                lambda f: f.agent.trust,
            )
        )
    return tests


def _by_content(obligations: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Map obligations by their canonical text, so that a union keeps each once and has one order."""
    if not obligations:
        return {}
    import json

    return {json.dumps(item, sort_keys=True): item for item in obligations}


class Plan:
    """For one tool and agent: forbids and permits with the tests still open.

    `near` keeps every permit for near misses, those that fail fewest of the registry's tests first, with those that failed.
    """

    __slots__ = ("forbids", "near", "permits")

    def __init__(self) -> None:
        self.forbids: list[tuple[Rule, list[Callable[[Any], int]]]] = []
        self.permits: list[tuple[Rule, list[Callable[[Any], int]]]] = []
        self.near: list[tuple[int, Rule, list[Test]]] = []


def plan_for(rules: list[Rule], agent: Agent) -> Plan:
    """Decide the static tests of `rules` for `agent`; an unknown one stops a permit and leaves a forbid in force."""
    plan = Plan()
    facts = Facts(agent, "", {}, None, {}, {}, 0, lambda _: 3)
    for rule in rules:
        results = [test.run(facts) for test in rule.static]
        open_tests = [test.run for test in rule.dynamic]
        if rule.effect == "forbid":
            if FALSE not in results:
                plan.forbids.append((rule, open_tests))
            continue
        failed = [test for test, result in zip(rule.static, results, strict=True) if result != TRUE]
        plan.near.append((len(failed), rule, failed))
        if FALSE not in results and UNKNOWN not in results:
            plan.permits.append((rule, open_tests))
    plan.near.sort(key=lambda entry: (entry[0], entry[1].id))
    return plan
