"""`policy diff`: what one policy allows and another does not, as regions that are exact and each shown by a request."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from nhictl.core.policy.analysis.compare import Comparison, compare
from nhictl.ops.house import House
from nhictl.ops.policy_files import File, parsed, registered

if TYPE_CHECKING:
    from nhictl.core.policy.compiled import Policy

__all__ = ["compare_files", "gains", "to_json"]


def compare_files(
    house: House, old: Sequence[File], new: Sequence[File], registry: File | None, now_us: int | None = None
) -> dict[str, Any]:
    """`{old, new, verdict, gained, lost, limits, people, undecided, …}` for every request from now on, by the agents of the
    registry, or without one by any there may be. InputError (2) for what is malformed.
    """
    now = house.clock() if now_us is None else now_us
    before, after = parsed(old), parsed(new)
    agents = registered(registry, now) if registry is not None else None
    return to_json(before, after, compare(before, after, agents, now))


def to_json(before: Policy | None, after: Policy, found: Comparison) -> dict[str, Any]:
    """The comparison as JSON; `implies` says for both directions whether what the one allows the other does too."""
    gains, loses = found.gains, found.loses
    return {
        "old": _named(before),
        "new": _named(after),
        "verdict": found.verdict,
        "implies": {
            "old_new": None if loses is None else not loses,
            "new_old": None if gains is None else not gains,
            "disjoint": found.disjoint,
        },
        "gained": [region.to_json() for region in found.gained],
        "lost": [region.to_json() for region in found.lost],
        "limits": [one.to_json() for one in found.limits],
        "people": [one.to_json() for one in found.people],
        "undecided": [{"tool": tool, "why": why} for tool, why in sorted(found.undecided.items())],
    }


def gains(body: dict[str, Any]) -> bool | None:
    """Whether a comparison as JSON says that something is newly allowed; None where that is undecided."""
    implied: bool | None = body["implies"]["new_old"]
    return None if implied is None else not implied


def _named(policy: Policy | None) -> dict[str, Any] | None:
    return None if policy is None else {"id": ", ".join(policy.form["ids"]), "digest": policy.digest}
