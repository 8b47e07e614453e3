"""`policy lint`: what is wrong or strange about a policy, decided for every request, each with one that shows it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from nhictl.core.policy.analysis.lint.findings import LEVELS, LINT_RULES, Finding
from nhictl.core.policy.analysis.lint.run import lint
from nhictl.core.policy.places import Places
from nhictl.ops.house import House
from nhictl.ops.policy_files import File, active_files, at_home, parsed, registered

__all__ = ["LINT_RULES", "fails", "lint_files"]


def lint_files(
    house: House, files: Sequence[File], registry: File | None, supported: frozenset[str] | None, now_us: int | None = None
) -> dict[str, Any]:  # fmt: skip
    """`{policy, findings, summary}`: of the files, by the agents of the registry if one is given, else by any there may be;
    without files of the policy in force, by the agents of the home if it has any. InputError (2) for what is malformed.
    """
    now = house.clock() if now_us is None else now_us
    places = Places()
    policy = parsed(files or active_files(house), places)
    agents = registered(registry, now) if registry is not None else None if files else at_home(house) or None
    found = lint(policy, agents, now, places, supported)
    return {
        "policy": {"id": ", ".join(policy.form["ids"]), "digest": policy.digest, "rules": len(policy.rule_ids)},
        "agents": None if agents is None else len(agents),
        "findings": [one.to_json(known=agents is not None) for one in found],
        "summary": _counted(found),
    }


def fails(body: dict[str, Any], *, strict: bool) -> bool:
    """Whether the findings make the answer no: an error does, a warning if it is asked to."""
    summary: dict[str, int] = body["summary"]
    return bool(summary["error"] or (strict and summary["warning"]))


def _counted(found: Sequence[Finding]) -> dict[str, int]:
    return {level: sum(one.level == level for one in found) for level in LEVELS}
