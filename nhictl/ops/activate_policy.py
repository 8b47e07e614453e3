"""`policy activate|show`: the whole set of rules is replaced at once, kept by digest, recorded."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from nhictl.core import times
from nhictl.core.policy.document import parse_policy
from nhictl.errors import ConflictError, NotFoundError, RefusedError
from nhictl.ops import agents, people, policies
from nhictl.ops.act import Act, Head, transact
from nhictl.ops.house import House
from nhictl.store import log, sqlite, work

if TYPE_CHECKING:
    from nhictl.core.policy.compiled import Policy


class Change:
    """What putting a policy in force would change: `diff` as JSON, None where no policy was in force before."""

    __slots__ = ("_before", "_sources", "diff", "policy")

    def __init__(self, house: House, files: Sequence[tuple[str, bytes]]) -> None:
        """Read and compare; InputError (2) with its place if a file is malformed.

        Any agent may exist, not only those registered now: access that is gained by an agent to come is gained.
        """
        self.policy = parse_policy(files)
        self._sources = files
        before = policies.active(house)
        self._before = before.digest if before is not None else None
        self.diff: dict[str, Any] | None = None
        if before is not None:
            from nhictl.core.policy.analysis.compare import compare
            from nhictl.ops.compare_policies import to_json

            self.diff = to_json(before, self.policy, compare(before, self.policy, None, house.clock()))

    @property
    def gains(self) -> bool:
        """Whether access is gained, or cannot be said not to be."""
        if self.diff is None:
            return False
        from nhictl.ops.compare_policies import gains

        return gains(self.diff) is not False

    def carry_out(
        self, house: House, *, accept_gained: bool = False, signer: people.Signer | None = None
    ) -> tuple[dict[str, Any], Head]:
        """Put it in force; ConflictError (5) where access is gained that nobody accepted, or where another policy was put
        in force since the comparison. RefusedError (1), recorded, for whoever may not accept what is gained.
        """
        if self.gains and not accept_gained:
            raise ConflictError(
                "access is gained, or may be", code="access_gained", hint="if that is meant: --accept-gained"
            )
        return _activate(house, self.policy, self._sources, self._before, self, signer)


def activate(house: House, files: Sequence[tuple[str, bytes]]) -> tuple[dict[str, Any], Head]:
    """Put the union of `files` in force, whatever it allows; InputError (2) if one is malformed, and nothing changed."""
    return Change(house, files).carry_out(house, accept_gained=True)


def _activate(
    house: House, policy: Policy, files: Sequence[tuple[str, bytes]], compared: str | None, change: Change,
    signer: people.Signer | None,
) -> tuple[dict[str, Any], Head]:  # fmt: skip
    compiled = policy.to_json()
    sources = json.dumps([[name, data.decode()] for name, data in files], ensure_ascii=False).encode()

    def decide(act: Act) -> dict[str, Any] | RefusedError:
        before = policies.active_digest(act.house)
        if before != compared:
            raise ConflictError(
                "another policy was put in force meanwhile", code="policy_changed", hint="look at the difference again"
            )
        dec = {"effect": "allow", "reason": "activated", "pdig": policy.digest}
        ext: dict[str, Any] = {"rules": len(policy.rule_ids)}
        if before:
            ext["replaces"] = before
        if change.diff is not None and change.gains:
            try:
                by = people.may(act.house, act, "accept_gained", {"policy": policy.digest, "replaces": before}, signer)
            except RefusedError as e:
                return people.refused(act, "policy.activate", e.code, e.message, e.hint, more={"policy": policy.digest})
            ext |= {"gained": len(change.diff["gained"]), "undecided": len(change.diff["undecided"]), "accepted": by}
            ext |= {key: len(change.diff[key]) for key in ("limits", "people") if change.diff[key]}
        seq = act.record("policy.activated", dec=dec, ext=ext)
        work.add_policy(act.db, policy.digest, compiled, sources)
        work.activate_policy(act.db, seq, policy.digest)
        return {
            "id": ", ".join(policy.form["ids"]),
            "digest": policy.digest,
            "rules": len(policy.rule_ids),
            "replaces": before,
        }

    answer, head = transact(house, decide)
    if isinstance(answer, RefusedError):
        raise answer
    return answer, head


def show(house: House, at_us: int | None = None) -> dict[str, Any]:
    """The policy in force now or at a moment, with its source files; NotFoundError (4) if there is none."""
    with sqlite.guarded("read the policy"):
        row = work.active_policy(house.db, agents.below_of(house, at_us))
        if row is None:
            raise NotFoundError("no policy is in force", code="no_policy", hint="nhictl policy activate FILE")
        began = log.time(house.db, row[0])
    policy = policies.active(house, row[0] + 1)
    since = times.rfc3339(began or 0)
    return {
        "id": ", ".join(policy.form["ids"]) if policy else None,
        "digest": row[1],
        "since": since,
        "seq": row[0],
        "rules": len(policy.rule_ids) if policy else 0,
        "files": [{"name": name, "text": text} for name, text in json.loads(row[3])],
    }
