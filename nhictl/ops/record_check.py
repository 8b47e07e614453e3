"""What a live check leaves behind: the use and the call it took, and the record of its answer, whatever that was."""

from __future__ import annotations

from hashlib import sha256
from typing import Any

from nhictl.core.token import b64, profile
from nhictl.core.token.verdict import Verdict
from nhictl.ops.act import Act
from nhictl.ops.token_facts import Question, Seen
from nhictl.store import work


def count(act: Act, asked: Question, verdict: Verdict, seen: Seen) -> Verdict:
    """Take the use and the call, decided by rows affected; the last thing that can refuse."""
    limited = seen.lineage.uses if seen.lineage is not None else ()
    if seen.lineage is None and seen.token is not None and seen.token.uses is not None:
        limited = (seen.token.id,)
    if not all(work.use_once(act.db, token) for token in limited):
        return Verdict("uses_exhausted", 18, source="store")
    for name in seen.approvals:
        if not _use(act, asked, seen, name):
            return Verdict("approval_required", 20, source="store", decision=seen.decision)
    if seen.charges:
        from nhictl.ops import limits

        limits.reserve(act, seen.charges.values(), act.seq)  # the number of the record that follows
    if asked.tool is not None and seen.task is not None:
        work.count_call(act.db, seen.task.id, None)
    return verdict


def conclude(act: Act, asked: Question, verdict: Verdict, seen: Seen) -> Verdict:
    """What every live check does once it is judged, before its record: count what is allowed, ask for the approval that is
    wanting, kill a task whose lease was seen to be lost. The verdict, which counting may still turn into a refusal.
    """
    if verdict.valid:
        return count(act, asked, verdict, seen)
    if verdict.reason == "approval_required":
        ask(act, asked, seen)
    elif verdict.reason == "lease_lost" and seen.task is not None:
        from nhictl.ops import leases

        leases.bury(act, seen.task.id)
    return verdict


def _use(act: Act, asked: Question, seen: Seen, name: str) -> bool:
    """Use an approval up, with its record; False if that was done before."""
    from nhictl.store import approvals

    if seen.task is None or seen.holder is None or not approvals.use(act.db, name, act.seq):
        return False
    act.record(
        "approval.used", task_row=seen.task.id, agent=seen.holder.name, inst=seen.instance, task=seen.task.name,
        jti=b64.encode(seen.token.jti) if seen.token is not None else None, tool=asked.tool, ext={"request": name},
    )  # fmt: skip
    return True


def ask(act: Act, asked: Question, seen: Seen) -> None:
    """Ask a human about a call that was denied for want of an approval; the decision names the request."""
    if seen.wanted is None or seen.decision is None:
        return
    from nhictl.ops import approvals

    if (request := approvals.ask(act, asked, seen, seen.wanted)) is not None:
        seen.decision["access_request"] = request


def record(
    act: Act, asked: Question, verdict: Verdict, seen: Seen, apart: str, guarded: dict[str, Any] | None = None, *,
    tokenless: bool = False, more: dict[str, Any] | None = None,
) -> int:  # fmt: skip
    """Append the answer and return its number. `apart` says whether the caller is shown to be another user than the home's
    (`separation`). `guarded` are the members of a call that an enforcement point asks about: the record is then that of the
    call itself (`tool.called`), made or denied; `tokenless` if no token was shown, but the task named. `more` goes under `ext`.
    """
    kind = "tool.called" if guarded is not None else "token.used" if verdict.valid else "token.denied"
    ext: dict[str, Any] = {"step": verdict.step, "separation": apart, **(more or {})}
    fields: dict[str, Any] = {"tool": asked.tool}
    if not tokenless:
        ext["aud"] = asked.audience
        fields["tok"] = "sha256:" + sha256(asked.token.strip()).hexdigest()
        if asked.kind != profile.AT_JWT:
            ext["profile"] = asked.kind
    known = tokenless or (seen.token is not None and seen.claims is not None)
    if known and seen.task is not None and seen.agent is not None:
        who = seen.holder or seen.agent
        if seen.lineage is not None:
            ext["act"] = seen.lineage.names
        fields |= {"agent": who.name, "inst": seen.task.instance, "task": seen.task.name}
        if seen.token is not None:
            fields |= {"inst": seen.token.instance, "jti": b64.encode(seen.token.jti)}
    fields |= guarded or {}
    dec: dict[str, Any] = {"effect": "allow" if verdict.valid else "deny", "reason": verdict.reason}
    if seen.decision is not None:
        if verdict.valid:
            dec["reason"] = seen.decision["reason"]
        dec["pdig"] = seen.decision.get("policy", {}).get("digest")
        dec["rules"] = seen.decision.get("rules", [])
        ext |= {
            key: seen.decision[key] for key in ("classes", "guardrails", "approvals", "limit") if seen.decision.get(key)
        }
        if (request := seen.decision.get("access_request")) is not None:
            ext["request"] = request["id"]
        if verdict.valid and seen.charges:
            ext["limits"] = sorted({counter.limit for counter in seen.charges})
    fields["dec"] = {key: value for key, value in dec.items() if value is not None}
    sealed: dict[str, Any] = {}
    if asked.tool is not None:
        sealed["args"] = asked.args or {}
        if asked.resource is not None:
            sealed["res"] = asked.resource
    row = seen.task.id if known and seen.task is not None else None
    return act.record(
        kind, outcome="ok" if verdict.valid else "deny", task_row=row, sealed=sealed or None,
        hide=hidden(seen.decision), ext=ext, **fields,
    )  # fmt: skip


def hidden(decision: dict[str, Any] | None) -> list[str]:
    """The paths that a decision's `log_prompt` obligations keep out of the log."""
    return [
        path
        for duty in (decision or {}).get("obligations", ())
        if duty.get("type") == "log_prompt" and isinstance(duty.get("redact"), list)
        for path in duty["redact"]
        if isinstance(path, str)
    ]
