"""Who acts, and whether they may: the person at the keyboard, by what the kernel shows, and the approvers of the policy.

A person is a user id: that of the caller where the kernel shows another one than ours (sudo), else our effective one.
Nothing in the environment makes anybody anyone; it can only take away (`NHICTL_TASK` says that we are inside a run).
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, NamedTuple

from nhictl.core.ledger import content
from nhictl.errors import RefusedError
from nhictl.ops import instances, policies, separation
from nhictl.ops.act import Act
from nhictl.ops.house import House
from nhictl.store import approvals as table
from nhictl.store import belongings

_DEPTH: Final = 64
Signer = Callable[[bytes], bytes]
"""Makes a signature over a statement, as `core/identity/approver_key` verifies it."""


class Person(NamedTuple):
    """Who is at the keyboard; `apart`: the kernel shows that it is another user than the home's owner."""

    uid: int
    apart: bool


def person(house: House) -> Person:
    """Whoever asks."""
    if house.uid is not None:
        return Person(house.uid(), house.uid() != os.geteuid())
    found = separation.of_caller()
    if found.kind == separation.USER and found.uid is not None:
        return Person(found.uid, apart=True)
    return Person(os.geteuid(), apart=False)


def inside_run(house: House, proc: Path = Path("/proc")) -> str | None:
    """The task whose `run` we are in, by our ancestors; `NHICTL_TASK` is believed as well, since it can only refuse."""
    held = {}
    for name, lease in table.leased(house.db):
        holder = json.loads(lease)
        held[holder["pid"]] = (name, holder["start"])
    pid = os.getpid()
    for _ in range(_DEPTH):
        found = separation.process(pid) if held else None
        if found is None:
            break
        pid = found.parent
        if pid in held and instances.start_of(proc, pid) == held[pid][1]:
            return str(held[pid][0])
    return os.environ.get("NHICTL_TASK") or None


def refused(
    act: Act, op: str, code: str, message: str, hint: str | None = None, more: dict[str, Any] | None = None, **fields: Any
) -> RefusedError:  # fmt: skip
    """Record that somebody wanted what they may not have; the error, to be raised once the record is durable."""
    who = person(act.house)
    ext = {"uid": who.uid, "separation": separation.USER if who.apart else separation.NONE} | (more or {})
    dec = {"effect": "deny", "reason": code}
    if (digest := policies.active_digest(act.house)) is not None:
        dec["pdig"] = digest
    act.record("policy.evaluated", outcome="deny", op=op, dec=dec, ext=ext, **fields)
    return RefusedError(message, code=code, hint=hint)


def may(
    house: House, act: Act, what: str, about: dict[str, Any] | None = None, signer: Signer | None = None
) -> dict[str, Any]:
    """Whether whoever acts may do `what` (`unfreeze`, `redact`, `accept_gained`) `about` something; else RefusedError (1).

    Where the policy in force names approvers for it, one of them has to be at the keyboard or sign; else it is the
    home's owner's. Never from inside a run. What comes back belongs into the record, under `ext`: `{"by": "owner"}`, or
    who it was and the signature over `statement`. Whoever asks records a refusal with `refused`, so that it is not undone.
    """
    if (task := inside_run(house)) is not None:
        raise RefusedError(f"not from inside a run (task `{task}`)", code="inside_run")
    policy = policies.active(house)
    named = {
        name: one
        for name, one in (policy.form.get("approvers", {}) if policy is not None else {}).items()
        if what in one["acts"]
    }
    if not named:
        return {"by": "owner"}
    text = statement(act, what, about or {})
    if signer is not None:
        signature = signer(text)
        name = signed_by(house, named, text, signature)
        if name is None:
            raise RefusedError(f"the key is that of nobody who may {words(what)}", code="approver_unknown")
        return {"by": "approver", "approver": name, "signature": signature.decode()}
    who = person(house)
    for name, one in named.items():
        if who.uid in one["uid"]:
            return {"by": "approver", "approver": name, "uid": who.uid}
    raise RefusedError(
        f"uid {who.uid} is none of the approvers who may {words(what)}: {', '.join(sorted(named))}",
        code="approver_required", hint="sign with --key FILE" if any(one["key"] for one in named.values()) else None,
    )  # fmt: skip


def statement(act: Act, what: str, about: dict[str, Any]) -> bytes:
    """What somebody signs who does something now: good for this act alone, as it names the number of its record."""
    return content.canonical(
        {"nhictl_act": 1, "chain": act.house.meta["chain"], "size": act.seq, "act": what, "about": about}
    )


def words(what: str) -> str:
    """An act in words."""
    return what.replace("_", " ")


def signed_by(house: House, approvers: dict[str, Any], statement: bytes, signature: bytes) -> str | None:
    """The approver whose signature over a statement this is. The key of an agent, or of ours, is nobody's."""
    from nhictl.core.identity import approver_key

    for name, one in approvers.items():
        key = one["key"]
        if key is None or not approver_key.verify(key, statement, signature):
            continue
        kid = approver_key.thumbprint(key)
        if belongings.key_owner(house.db, kid) is not None or belongings.is_signing_key(house.db, kid):
            return None
        return str(name)
    return None
