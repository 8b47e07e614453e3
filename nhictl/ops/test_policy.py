"""`policy test`: requests with expected decisions, run by the live engine; needs no home and writes nothing."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from nhictl.core.policy.document import parse_policy
from nhictl.core.policy.registry import Registry, parse_agents
from nhictl.core.policy.suite import Coverage, Outcome, Suite, parse_suite, run_case
from nhictl.errors import InputError

MAX_FILE = 16 << 20


class Report(NamedTuple):
    """What came of one file of tests: the outcome of each case, and a row of coverage for each rule."""

    file: str
    outcomes: list[Outcome]
    coverage: list[dict[str, Any]]

    @property
    def failed(self) -> int:
        """How many cases got another decision than they expect."""
        return sum(bool(outcome.wrong) for outcome in self.outcomes)


def run_tests(name: str, read: Callable[[str, int], bytes]) -> Report:
    """Run a file of tests; policy files and registry are named relative to it. InputError (2) for what is malformed."""
    suite = parse_suite(name, read(name, MAX_FILE))
    policy = parse_policy([(path, read(path, MAX_FILE)) for path in (_beside(suite, each) for each in suite.policy)])
    registry = Registry(parse_agents(_beside(suite, suite.registry), read(_beside(suite, suite.registry), MAX_FILE)))
    coverage = Coverage(policy)
    outcomes = []
    for case in suite.cases:
        outcomes.append(run_case(policy, registry, case))
        coverage.add(registry, case)
    return Report(name, outcomes, coverage.rows())


def percent(reports: list[Report]) -> float:
    """Outcomes covered of all there are, in percent, rounded down to a tenth; 100 for policies without rules."""
    covered = sum(row["covered"] for report in reports for row in report.coverage)
    total = sum(row["total"] for report in reports for row in report.coverage)
    return covered * 1000 // total / 10 if total else 100.0


def least(text: str) -> float:
    """The percentage that `--min-coverage` names."""
    try:
        value = float(text.removesuffix("%"))
    except ValueError:
        value = -1.0
    if not 0 <= value <= 100:
        raise InputError(f"--min-coverage `{text}` is no percentage from 0 to 100", code="usage")
    return value


def to_json(reports: list[Report], wanted: float | None) -> dict[str, Any]:
    """`{"passed","failed","cases":[…],"coverage":{"percent","rules":[…]}}`."""
    cases = [
        {
            "file": report.file, "line": outcome.case.line, "name": outcome.case.name, "passed": not outcome.wrong,
            "expected": outcome.case.expect, "got": outcome.got, "message": outcome.message,
        }
        for report in reports
        for outcome in report.outcomes
    ]  # fmt: skip
    failed = sum(report.failed for report in reports)
    rules = [{"file": report.file, **row} for report in reports for row in report.coverage]
    coverage: dict[str, Any] = {"percent": percent(reports), "rules": rules}
    if wanted is not None:
        coverage["min"] = wanted
    return {"passed": len(cases) - failed, "failed": failed, "cases": cases, "coverage": coverage}


def _beside(suite: Suite, path: str) -> str:
    return str(Path(suite.file).parent / path) if suite.file != "-" else path
