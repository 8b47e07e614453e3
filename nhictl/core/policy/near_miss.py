"""Near misses (reference `policy.md` §2.5): of the permits that did not apply, those that failed fewest conditions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nhictl.core.policy.condition import TRUE

if TYPE_CHECKING:
    from nhictl.core.policy.facts import Facts
    from nhictl.core.policy.plan import Plan, Rule

__all__ = ["MAX_NEAR_MISSES", "near_misses"]

MAX_NEAR_MISSES = 5


def near_misses(plan: Plan, facts: Facts) -> list[dict[str, Any]]:
    """The permits that fail fewest conditions, each with what failed and the value seen; at most five, by rule id."""
    fewest: int | None = None
    nearest: list[tuple[Rule, list[Any]]] = []
    for hopeless, rule, static in plan.near:
        if fewest is not None and hopeless > fewest:
            break  # the rest fail more than that on the registry alone
        failed = list(static)
        for test in rule.dynamic:
            if test.run(facts) != TRUE:
                failed.append(test)
                if fewest is not None and len(failed) > fewest:
                    break
        if fewest is None or len(failed) < fewest:
            fewest, nearest = len(failed), []
        if len(failed) == fewest:
            nearest.append((rule, failed))
    nearest.sort(key=lambda found: found[0].id)
    return [{"rule": rule.id, "failed": [t.show(facts) for t in failed]} for rule, failed in nearest[:MAX_NEAR_MISSES]]
