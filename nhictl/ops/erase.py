"""`audit redact`: content and a principal's name are erased for good, in the open, and every proof made before still holds.

The act deletes keys, sealed content and open copies of them, ends what must not go on without them, and appends
`log.redacted`. Then the files follow: whole copies beside the database, the database itself written anew, its write-ahead
log cut to nothing. Until all of that is done the answer is `erasure_pending`, and what is left to do is kept, sealed: the
next act cuts the log as soon as no reader holds it, `audit redact --finish` does everything that is left.
"""

from __future__ import annotations

import json
from hashlib import sha256
from typing import Any, NamedTuple

from nhictl.core.ledger import content
from nhictl.core.token import b64
from nhictl.errors import ConflictError, InputError, NotFoundError, RefusedError
from nhictl.ops import people, tasks
from nhictl.ops.act import AUTHORITY, Act, Head, transact
from nhictl.ops.erase_files import copies_of, finish, opener
from nhictl.ops.house import House
from nhictl.store import agents as agent_table
from nhictl.store import erasure, log, segments, sqlite, work
from nhictl.store.erasure import Wanted

__all__ = ["Redacted", "Wanted", "check", "finish_all", "redact"]


class Redacted(NamedTuple):
    """What was, or would be, erased: how many tasks, records without a task, pieces, and counts of limits per principal;
    and what keeps it from being done.
    """

    tasks: int
    records: int
    pieces: int
    counters: int
    ended: list[str]
    copies: list[str]
    pending: list[str]

    def to_json(self) -> dict[str, Any]:
        """The members of `nhictl.redaction/v1`."""
        return {"state": "erasure_pending" if self.pending else "erased", **self._asdict()}


class _Plan(NamedTuple):
    rows: list[work.TaskRow]
    records: list[int]
    cut: bool
    counters: int = 0


class _Authority(NamedTuple):
    """Who may, as the record says it, and the statement that was signed."""

    said: dict[str, Any]
    statement: str | None


def redact(
    house: House, wanted: Wanted, reason: str, *, end_tasks: bool = False, dry_run: bool = False,
    signer: people.Signer | None = None,
) -> tuple[Redacted, Head | None]:  # fmt: skip
    """Erase, and return what was erased with the head after the record; the head is None for a dry run.

    NotFoundError (4) if there is nothing of that task or principal, ConflictError (5) for a task that is open, unless
    `end_tasks` kills it in the same act, and for one that is erased already; RefusedError (1) for whoever may not, which is
    recorded. `signer` signs as one of the policy's approvers.
    """
    copies = [path.name for path in copies_of(house)]
    if dry_run:
        with sqlite.guarded("read the log"):
            plan = _plan(house, wanted)
            ending = _open(plan, house.clock())
            return Redacted(*_counts(house, plan), ending, copies, []), None
    erasure.overwriting(house.db)
    about = _about(house, wanted)

    def decide(act: Act) -> tuple[int, Redacted] | RefusedError:
        try:
            said = people.may(act.house, act, "redact", about, signer)
        except RefusedError as e:
            return people.refused(act, "redact", e.code, e.message, e.hint, more={"by": _by(wanted)})
        by = _Authority(said, people.statement(act, "redact", about).decode() if "signature" in said else None)
        plan = _plan(act.house, wanted)
        ending = _open(plan, act.now_us)
        if ending and not end_tasks:
            raise ConflictError(
                f"{'tasks are' if len(ending) > 1 else 'the task is'} open: {', '.join(ending[:5])}", code="task_open",
                hint="end what is not done first, or let --end-tasks kill it in the same act",
            )  # fmt: skip
        _end(act, plan)
        done = Redacted(*_counts(act.house, plan), ending, copies, [])
        return _carry_out(act, wanted, plan, reason, done, by), done

    answer, head = transact(house, decide, grants=False, revokes=False)
    if isinstance(answer, RefusedError):
        raise answer
    seq, done = answer
    left = finish(house, seq)
    if done.ended:
        from nhictl.ops.publish_trust import spread

        spread(house)
    return done._replace(pending=left), head


def _plan(house: House, wanted: Wanted) -> _Plan:
    db = house.db
    if wanted.record is not None:
        if segments.leaf(db, wanted.record) is None:
            raise NotFoundError(f"no record {wanted.record} in the log")
        if not erasure.pieces_of(db, wanted.record):
            raise NotFoundError(f"record {wanted.record} has no content, or it was erased")
        return _Plan([], [wanted.record], cut=False)
    if wanted.subject is None:
        rows = [tasks.find(house, name) for name in wanted.tasks]
        for row in rows:
            if log.is_erased(db, row.id):
                raise ConflictError(f"the content of task `{row.name}` was erased before", code="task_erased")
        return _Plan(rows, [], cut=False)
    rows = [tasks.find(house, name) for name in erasure.tasks_of(db, wanted.subject)]
    opens = opener(house)
    key, chain = log.content_key(db, AUTHORITY) or b"", house.meta["chain"]
    mine = content.canonical(wanted.subject)
    records = [seq for seq, sealed in erasure.principals(db) if opens(key, seq, chain, sealed) in (None, mine)]
    cut = erasure.is_cut(db, wanted.subject)
    counters = len(erasure.counters_of(db, wanted.subject))
    if not rows and not records and not cut and not counters:
        raise NotFoundError("nothing here is on behalf of that principal", hint="it is compared letter by letter")
    return _Plan(rows, records, cut, counters)


def _open(plan: _Plan, now_us: int) -> list[str]:
    return [row.name for row in plan.rows if tasks.state_at(row, now_us) == "open"]


def _counts(house: House, plan: _Plan) -> tuple[int, int, int, int]:
    db = house.db
    found = sum(erasure.pieces(db, row.id) for row in plan.rows)
    found += sum(erasure.pieces_of(db, seq) for seq in plan.records)
    return len(plan.rows), len(plan.records), found, plan.counters


def _end(act: Act, plan: _Plan) -> None:
    """End for good whatever has not ended: nothing goes on whose scope is not known any more."""
    from nhictl.ops.end_task import end

    for row in plan.rows:
        if row.ended is None:
            open_ = tasks.state_at(row, act.now_us) == "open"
            end(act, row, "killed" if open_ else "closed", None, {"redacted": True})


def _by(wanted: Wanted) -> str:
    return "record" if wanted.record is not None else "subject" if wanted.subject is not None else "task"


def _about(house: House, wanted: Wanted) -> dict[str, Any]:
    """What an approver signs: a principal by a digest with a salt that is kept sealed alone, so that no signature tells
    whether a name was guessed.
    """
    if wanted.subject is not None:
        salted = house.random(16) + content.canonical(wanted.subject)
        return {"by": "subject", "subject": "sha256:" + sha256(salted).hexdigest()}
    return {"by": _by(wanted), "tasks": list(wanted.tasks), "record": wanted.record}


def _carry_out(
    act: Act, wanted: Wanted, plan: _Plan, reason: str, done: Redacted, authority: _Authority
) -> int:  # fmt: skip
    """Append the records and erase the rows; returns the number of the record that stands for the whole."""
    alias = "erased:" + b64.encode(act.house.random(12)) if plan.cut else None
    by, who = _by(wanted), {"authority": authority.said}
    sealed = {"reason": reason} | ({"statement": authority.statement} if authority.statement else {})
    for row in plan.rows:
        agent = agent_table.by_id(act.db, row.agent)
        count = erasure.pieces(act.db, row.id)
        seq = act.record(
            "log.redacted", task_row=row.id, task=row.name, agent=agent.name if agent else None,
            sealed=sealed if by == "task" else None, sealed_under=AUTHORITY,
            ext={"by": by, "pieces": count} | (who if by == "task" else {}),
        )  # fmt: skip
        erasure.wipe_task(act.db, row.name, alias, seq)
    if by != "task":
        ext = {"by": by, "tasks": done.tasks, "pieces": done.pieces}
        ext |= {"records": plan.records[:1000]} if plan.records else {}
        ext |= {"counters": done.counters} if done.counters else {}
        seq = act.record("log.redacted", sealed=sealed, ext=ext | who)
    for record in plan.records:
        erasure.wipe_record(act.db, record)
    if wanted.subject is not None and alias is not None:
        erasure.wipe_cut(act.db, wanted.subject, alias)
    if wanted.subject is not None:
        erasure.wipe_counters(act.db, wanted.subject)
    digest = segments.leaf(act.db, wanted.record) if wanted.record is not None else None
    todo = wanted._replace(tasks=tuple(row.name for row in plan.rows), digest=digest)
    plain = json.dumps(todo._asdict()).encode()
    erasure.await_rest(act.db, seq, act.house.sealer.seal(plain, f"erasure:{seq}", act.house.random(12)))
    return seq


def check(wanted: Wanted, reason: str | None) -> None:
    """InputError (2) unless one thing is named, with a reason."""
    if (wanted.tasks != ()) + (wanted.subject is not None) + (wanted.record is not None) != 1:
        raise InputError("name what to erase: one of --task, --subject, --record", code="usage")
    if not reason:
        raise InputError("missing option `--reason`", code="usage", hint="why it is erased; sealed beside the record")


def finish_all(house: House) -> Redacted:
    """Do what is left of every erasure; NotFoundError (4) if nothing is."""
    with sqlite.guarded("read the log"):
        if not erasure.any_waiting(house.db):
            raise NotFoundError("no erasure is unfinished", code="nothing_pending")
    return Redacted(0, 0, 0, 0, [], [path.name for path in copies_of(house)], finish(house))
