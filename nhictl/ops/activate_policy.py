"""`policy activate|show`: the whole set of rules is replaced at once, kept by digest, recorded."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from nhictl.core import times
from nhictl.core.policy.document import parse_policy
from nhictl.errors import NotFoundError
from nhictl.ops import agents, policies
from nhictl.ops.act import Act, Head, transact
from nhictl.ops.house import House
from nhictl.store import log, sqlite, work


def activate(house: House, files: Sequence[tuple[str, bytes]]) -> tuple[dict[str, Any], Head]:
    """Put the union of `files` in force; InputError (2) with its place if one is malformed, and then nothing changed."""
    policy = parse_policy(files)
    compiled = policy.to_json()
    sources = json.dumps([[name, data.decode()] for name, data in files], ensure_ascii=False).encode()

    def decide(act: Act) -> dict[str, Any]:
        before = policies.active_digest(act.house)
        dec = {"effect": "allow", "reason": "activated", "pdig": policy.digest}
        ext: dict[str, Any] = {"rules": len(policy.rule_ids)}
        if before:
            ext["replaces"] = before
        seq = act.record("policy.activated", dec=dec, ext=ext)
        work.add_policy(act.db, policy.digest, compiled, sources)
        work.activate_policy(act.db, seq, policy.digest)
        return {
            "id": ", ".join(policy.form["ids"]),
            "digest": policy.digest,
            "rules": len(policy.rule_ids),
            "replaces": before,
        }

    return transact(house, decide)


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
