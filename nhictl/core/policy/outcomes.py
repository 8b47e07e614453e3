"""What rules may say where facts are missing: each test has a set of outcomes, and rules and gates follow from them.

A set is a mask over false, true and unknown (absent, in the engine's own sense). Conditions on one missing fact are taken as
independent of one another, so that a set may be too large, never too small.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from nhictl.core.policy.condition import FALSE, TRUE, UNKNOWN
from nhictl.core.policy.facts import NO_CLAIMS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from nhictl.core.policy.case import Case
    from nhictl.core.policy.catalogue import Tool
    from nhictl.core.policy.compiled import Policy
    from nhictl.core.policy.facts import Facts
    from nhictl.core.policy.gates import Guardrail
    from nhictl.core.policy.plan import Rule, Test

__all__ = ["Judgement", "Outcomes", "Partial", "Reads", "collect"]

_F, _T, _U = 1 << FALSE, 1 << TRUE, 1 << UNKNOWN
_ANY = _F | _T | _U


class Judgement(NamedTuple):
    """`decision` is allow, deny or unknown; `reason` a code of the engine, `indeterminate` where it is unknown.

    `rules` are those that decide it, for unknown those that might; `missing` the facts that keep it from being decided.
    """

    decision: str
    reason: str
    rules: list[str]
    classes: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    message: str | None = None


class Reads:
    """The facts that the rules and gates of one tool read, by path; `time` stands for the clock."""

    __slots__ = ("paths", "tool")

    def __init__(self, policy: Policy, tool: Tool) -> None:
        found: set[str] = set()
        for rule in policy.rules_for(tool):
            collect(rule.tests, found)
        for gate in policy.gates(tool):
            if gate.requires not in (None, "approval"):
                for rail in gate.guardrails:
                    found.add("time")
                    collect(rail.tests, found)
        self.tool = tool
        self.paths = frozenset(found)

    def missing(self, case: Case, paths: Iterable[str] | None = None) -> frozenset[str]:
        """Those of the paths that the case does not know."""
        return frozenset(path for path in (self.paths if paths is None else paths) if self._missing(path, case))

    def _missing(self, path: str, case: Case) -> bool:
        head, _, rest = path.partition(".")
        if head == "args":
            return case.args is None or rest.partition(".")[0] in case.erased
        if head == "context":
            return rest not in case.context
        if head in {"agent", "env"}:
            return case.name is None or (case.assumed and rest not in {"name", "state"})
        if head == "time":
            return case.now_us is None
        if path == "task.intent":
            return case.intent is None
        if head in {"task", "token"}:
            return path not in case.claims
        return head in {"resource", "data"} and self.unseen_resource(case)

    def unseen_resource(self, case: Case) -> bool:
        """Whether the resource cannot be told: not named, or derived from an argument that is gone."""
        origins = self.tool.derived_from
        if origins is not None:
            return any(self._missing(f"args.{name}", case) for name in origins)
        return self.tool.resource is not None and not case.resource_known


def collect(tests: Iterable[Test], found: set[str]) -> None:
    """Add the facts that tests read."""
    for test in tests:
        if test.boxes is not None:
            for box in test.boxes:
                collect(box, found)
            continue
        found.add(test.path)
        if test.op == "same_as":
            found.add(str(test.operand))


class Outcomes(NamedTuple):
    """Whether a rule that applies where it is true or unknown, as forbids and limits do, never or always applies."""

    never: bool
    always: bool


class Partial:
    """The rules of one tool over facts of which `missing` are not known."""

    def __init__(
        self, policy: Policy, reads: Reads, facts: Facts, missing: frozenset[str], *, timeless: bool,
        approvals: Mapping[str, str] = NO_CLAIMS,
    ) -> None:  # fmt: skip
        self.policy = policy
        self.reads = reads
        self.facts = facts
        self.missing = missing
        self.timeless = timeless
        self.approvals = approvals

    def judge(self, tool: Tool) -> Judgement:
        sure: dict[str, list[str]] = {"permit": [], "forbid": []}
        open_: dict[str, list[Rule]] = {"permit": [], "forbid": []}
        for rule in self.policy.rules_for(tool):
            mask = self._all(rule.tests)
            applying, certain = (
                (mask & (_T | _U), not mask & _F) if rule.effect == "forbid" else (mask & _T, mask == _T)
            )
            if certain:
                sure[rule.effect].append(rule.id)
            elif applying:
                open_[rule.effect].append(rule)
        classes = self.facts.classes
        if sure["forbid"]:
            return Judgement("deny", "forbidden", sure["forbid"], classes)
        if not sure["permit"] and not open_["permit"]:
            return Judgement("deny", "not_permitted", [], classes)
        undecided = [*open_["forbid"], *(() if sure["permit"] else open_["permit"])]
        opened, rails = self._gates(tool)
        if opened == _F:
            held = sure["permit"] or [rule.id for rule in open_["permit"]]
            return Judgement("deny", "approval_required", held, classes)
        if not undecided and opened == _T:
            return Judgement("allow", "permitted", sure["permit"], classes)
        paths: set[str] = set()
        for rule in undecided:
            collect(rule.tests, paths)
        for rail in rails:
            paths.add("time")
            collect(rail.tests, paths)
        lacking = tuple(sorted(paths & self.missing))
        return Judgement("unknown", "indeterminate", sorted(rule.id for rule in undecided), classes, lacking)

    def every(self, tests: Iterable[Test]) -> Outcomes:
        """How tests that all have to hold may turn out for a forbid or a limit."""
        mask = self._all(tests)
        return Outcomes(mask == _F, not mask & _F)

    def _gates(self, tool: Tool) -> tuple[int, list[Guardrail]]:
        """Whether every gate is open: _T, _F or both; and the guardrails that leave it open."""
        result, unsure = _T, []
        for gate in self.policy.gates(tool):
            if gate.requires is None:
                continue
            one = _F
            for rail in gate.guardrails if gate.requires != "approval" else ():
                if not self.timeless and self.facts.now_us >= rail.ends_us:
                    continue
                mask = self._all(rail.tests)
                if mask == _T and not self.timeless:
                    one = _T
                    break
                if mask & _T:
                    unsure.append(rail)
                    one |= _T
            if gate.requires != "guardrail" and gate.name in self.approvals:
                one = _T
            result = _and(result, one)
        return result, unsure

    def _all(self, tests: Iterable[Test]) -> int:
        result = _T
        for test in tests:
            result = _and(result, self._outcomes(test))
            if result == _F:
                break
        return result

    def _outcomes(self, test: Test) -> int:
        """The outcomes a test may have."""
        if test.boxes is not None:
            result = _F
            for box in test.boxes:
                result = _or(result, self._all(box))
            return result
        if test.path in self.missing:
            return self._unseen(test)
        if test.op == "same_as" and str(test.operand) in self.missing:
            value = test.see(self.facts)
            return 1 << test.run(self.facts) if value is None or value == [] else _ANY
        return 1 << test.run(self.facts)

    def _unseen(self, test: Test) -> int:
        """What a condition on a fact that is not known may say, given whether the fact may be absent."""
        absent = self._may_be_absent(test)
        if test.op == "has":
            return _F | _T if absent else _T if test.operand else _F
        comparable = test.path.partition(".")[0] != "context" and test.op != "same_as"
        return _F | _T | (_U if (absent and not test.absent_ok) or not comparable else 0)

    def _may_be_absent(self, test: Test) -> bool:
        if test.path in {"time", "agent.name", "agent.trust", "agent.owner", "agent.attested", "agent.state"}:
            return False
        if test.path in {"resource", "data.sensitivity"}:
            return self.reads.tool.derived_from is not None
        if not test.path.startswith("args."):
            return True
        args, parts = self.reads.tool.args, test.path[5:].split(".")
        for name in parts:
            kind, optional = args[name]
            if optional or kind.item is not None:
                return True
            args = kind.fields or {}
        return False


def _and(one: int, other: int) -> int:
    """The outcomes of a conjunction, given those of its parts."""
    result = (one | other) & _F | one & other & _T
    if (one & _U and other & (_U | _T)) or (other & _U and one & (_U | _T)):
        result |= _U
    return result


def _or(one: int, other: int) -> int:
    result = (one | other) & _T | one & other & _F
    if (one & _U and other & (_U | _F)) or (other & _U and one & (_U | _F)):
        result |= _U
    return result
