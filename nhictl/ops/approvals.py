"""Approvals: a human's single-use yes to one exact call (reference `policy.md` §2.6).

A live call that is denied `approval_required` leaves an access request. What is approved is a statement: whoever acts, in
which instance and task, on whose behalf, in which scope, which tool of which declaration, resource, arguments and policy,
until when. Nothing about it is trusted later: the live call makes the statement anew from what it sees itself, and a
signature is held against that and the approver's key in the policy in force.
"""

from __future__ import annotations

import json
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from nhictl.core import strict_json, times
from nhictl.core.ledger import content
from nhictl.core.policy.types import plain
from nhictl.errors import NotFoundError
from nhictl.ops import people
from nhictl.ops.act import Act
from nhictl.ops.house import House
from nhictl.ops.open_task import new_name
from nhictl.store import agents as agent_table
from nhictl.store import approvals as table
from nhictl.store import sqlite, work

if TYPE_CHECKING:
    from nhictl.core.policy.compiled import Policy
    from nhictl.core.policy.decide import Decision
    from nhictl.ops.token_facts import Question, Seen

LIFE_US: Final = 3600 * 1_000_000
"""An access request, and the yes to it, last an hour, and never longer than the task."""
MAX_WAITING: Final = 20
"""Requests of one task that nobody has decided; more denied calls ask nobody."""
HIGH: Final = "high"


class Call(NamedTuple):
    """A call as it is approved: the members of its statement that any such call has, the classes that ask, and arguments
    and resource in the normal form that was decided upon. The statement has digests of both: they may hold secrets.
    """

    binding: dict[str, Any]
    classes: list[str]
    args: Any
    resource: str | None


def call_of(house: House, asked: Question, seen: Seen, decision: Decision, policy: Policy) -> Call | None:
    """The exact call that was just denied for want of an approval; None if no approval could open it."""
    if seen.task is None or seen.holder is None or asked.tool is None:
        return None
    tool = policy.tool(asked.tool)
    classes = [gate["class"] for gate in decision.gates]
    if tool is None or any(gate["requires"] == "guardrail" for gate in decision.gates):
        return None
    doc, args = json.loads(seen.task.doc), plain(decision.arguments)
    scope = seen.lineage.scopes[0] if seen.lineage is not None else doc["scope"]
    binding = {
        "nhictl_approval": 1, "chain": house.meta["chain"], "agent": seen.holder.name,
        "actors": seen.lineage.names if seen.lineage is not None else [], "instance": seen.instance,
        "task": seen.task.name, "principal": doc["principal"], "scope": digest(scope), "tool": tool.name,
        "tool_digest": digest([tool.name, tool.to_json()]),
        "resource": None if decision.resource is None else digest(decision.resource),
        "arguments": digest(args), "policy": policy.digest,
    }  # fmt: skip
    return Call(binding, classes, args, decision.resource)


def digest(value: Any) -> str:
    """SHA-256 over canonical JSON, as statements say it."""
    return "sha256:" + sha256(content.canonical(value)).hexdigest()


def _mark(salt: bytes, binding: dict[str, Any]) -> bytes:
    return sha256(salt + content.canonical(binding)).digest()


def is_about(row: table.ApprovalRow, binding: dict[str, Any]) -> bool:
    """Whether a request was made for that call."""
    return bool(row.digest == _mark(row.salt, binding))


def statement(binding: dict[str, Any], row: table.ApprovalRow) -> bytes:
    """What an approver signs: canonical JSON of the binding, the request, its classes and its end."""
    classes = json.loads(row.doc)["classes"]
    more = {"request": row.name, "classes": classes, "expires": times.rfc3339(row.expires)}
    return content.canonical(binding | more)


def same_call(house: House, task: int, call: Call, now_us: int) -> table.ApprovalRow | None:
    """The newest request for that very call that has neither expired nor been used."""
    rows = [row for row in table.of_task(house.db, task, now_us) if row.used is None]
    return next((row for row in reversed(rows) if is_about(row, call.binding)), None)


def good_for(house: House, task: int, call: Call, policy: Policy, now_us: int) -> dict[str, str]:
    """The classes that an approval opens for this very call, now, each with the id of its request."""
    row = same_call(house, task, call, now_us)
    if row is None or row.granted is None or row.denied is not None:
        return {}
    text = statement(call.binding, row)
    opened = (
        name
        for grant in table.grants(house.db, row.id)
        for name in _opened(house, policy, grant, text)
        if name in call.classes
    )
    return dict.fromkeys(opened, row.name)


def _opened(house: House, policy: Policy, grant: table.GrantRow, text: bytes) -> list[str]:
    """The classes that one yes counts for. Whose signature it is, is found out again."""
    approvers = policy.form.get("approvers", {})
    classes: list[str] = json.loads(grant.classes)
    if grant.signature is None:
        return [name for name in classes if not is_high(policy, name)]
    name = people.signed_by(house, approvers, text, grant.signature.encode())
    return [each for each in classes if name is not None and each in approvers[name]["classes"]]


def is_high(policy: Policy, name: str) -> bool:
    """Whether only a signed approval counts for a class; one that does not say how much it can do counts as high."""
    return bool(policy.form["classes"][name].get("impact", HIGH) == HIGH)


def ask(act: Act, asked: Question, seen: Seen, call: Call) -> dict[str, Any] | None:
    """Make the access request of a call that was denied, or name the one there is; None where too many are waiting.

    One that a human denied stays denied until it expires: asking again must not wear anybody down.
    """
    if seen.task is None or seen.holder is None:
        return None
    there = same_call(act.house, seen.task.id, call, act.now_us)
    if there is not None:
        return {"id": there.name, "state": state(there, act.now_us), "expires": times.rfc3339(there.expires)}
    waiting = [
        row for row in table.of_task(act.db, seen.task.id, act.now_us) if row.granted is None and row.denied is None
    ]
    if len(waiting) >= MAX_WAITING:
        return None
    name, salt = "a" + new_name(act.house.random(10))[1:], act.house.random(16)
    expires = min(act.now_us + LIFE_US, json.loads(seen.task.doc)["deadline_us"])
    who = people.person(act.house)
    doc = {
        "classes": call.classes, "agent": seen.holder.name, "instance": call.binding["instance"],
        "tool": asked.tool, "policy": call.binding["policy"], "uid": who.uid, "apart": who.apart,
    }  # fmt: skip
    sealed = {"args": call.args, "binding": call.binding}
    if call.resource is not None:
        sealed["res"] = call.resource
    seq = act.record(
        "approval.requested", task_row=seen.task.id, sealed=sealed, agent=seen.holder.name,
        inst=call.binding["instance"], task=seen.task.name, tool=asked.tool,
        ext={"request": name, "classes": call.classes, "expires": times.rfc3339(expires)},
    )  # fmt: skip
    mark = _mark(salt, call.binding)
    table.add(act.db, (name, seen.task.id, seq, salt, mark, expires, strict_json.dumps(doc)))
    return {"id": name, "state": "requested", "expires": times.rfc3339(expires)}


def state(row: table.ApprovalRow, now_us: int, below: int = agent_table.LATEST) -> str:
    """`requested`, `granted`, `denied`, `used` or `expired`."""
    for word, seq in (("used", row.used), ("denied", row.denied)):
        if seq is not None and seq < below:
            return word
    if now_us >= row.expires:
        return "expired"
    return "granted" if row.granted is not None and row.granted < below else "requested"


def find(house: House, name: str, below: int = agent_table.LATEST) -> table.ApprovalRow:
    """The request of that id; NotFoundError (4)."""
    row = table.by_name(house.db, name, below)
    if row is None:
        raise NotFoundError(f"no access request `{name}`", code="request_unknown", hint="nhictl approval list")
    return row


def to_json(
    house: House, row: table.ApprovalRow, now_us: int, below: int = agent_table.LATEST
) -> dict[str, Any]:  # fmt: skip
    """The request as `nhictl.approval/v1` shows it, without what it is about, which is content."""
    doc, task = json.loads(row.doc), work.task_by_id(house.db, row.task)
    given = [
        {
            "approver": grant.approver or None,
            "classes": json.loads(grant.classes),
            "signed": grant.signature is not None,
        }
        for grant in table.grants(house.db, row.id, below)
    ]
    return {
        "id": row.name, "state": state(row, now_us, below), "agent": doc["agent"], "instance": doc["instance"],
        "task": task.name if task else None, "tool": doc["tool"], "classes": doc["classes"],
        "expires": times.rfc3339(row.expires), "grants": given, "record": row.seq,
    }  # fmt: skip


def everything(house: House, at_us: int | None = None, task: str | None = None) -> list[dict[str, Any]]:
    """All requests, or one task's, now or at a moment, in the order they were made."""
    from nhictl.ops import agents, tasks

    now = house.clock() if at_us is None else at_us
    with sqlite.guarded("read the access requests"):
        below = agents.below_of(house, at_us)
        of = tasks.find(house, task, below).id if task is not None else None
        rows = [row for row in table.everything(house.db, below) if of is None or row.task == of]
        return [to_json(house, row, now, below) for row in rows]
