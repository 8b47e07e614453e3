"""`audit record`: what an agent framework tells becomes records, a group of events in one act, answered once it is durable.

`recorded` is an event for which a live token was shown, of the very agent and task it names: whoever told it held their
authority at that moment. Everything else is `claimed`, also where it names a token that is live, since an id proves
nothing. Neither says that it happened: that only a second source shows. No event changes what is authorised, but that the
result of an allowed call settles what limits took for it, if a live token of that call's task tells it: it can add the
bytes that left, and never gives anything back.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from typing import NamedTuple

from nhictl.core.ledger import record
from nhictl.core.ledger.event_line import Told, read
from nhictl.core.policy.counters import Result
from nhictl.core.token import b64
from nhictl.core.token.verdict import Verdict
from nhictl.errors import InputError, NhictlError
from nhictl.ops import agents, delegation_checks, limits, settled, tasks
from nhictl.ops.act import Act, Head, transact
from nhictl.ops.house import House
from nhictl.ops.token_facts import Seen
from nhictl.store import agents as agent_table
from nhictl.store import counters, delegations, log, work

__all__ = ["Kept", "Outcome", "Told", "read", "record_events"]


class Kept(NamedTuple):
    """One event as it was recorded; `why` says why it is only claimed, though a token was shown."""

    seq: int
    evidence: str
    masked: int
    why: str | None


Outcome = Kept | NhictlError


def record_events(
    house: House, told: Sequence[Told], token: bytes | None = None
) -> tuple[list[Outcome], Head]:  # fmt: skip
    """Record events in one act; an event that cannot be recorded is answered with its error and the others go on.

    `token` proves the events that bring none of their own. On return everything answered with a number is durable. Raises
    what `transact` raises, and then nothing of the group was recorded.
    """

    def decide(act: Act) -> list[Outcome]:
        teller = _Teller(act, token)
        return [teller.record(one) for one in told]

    return transact(house, decide, may_rest=True)


class _Who(NamedTuple):
    """Whom an event is about, all in agreement."""

    agent: str | None
    inst: str | None
    task: work.TaskRow | None
    jti: str | None


class _Teller:
    """One group within its act: each token is judged once, as of the act."""

    def __init__(self, act: Act, token: bytes | None) -> None:
        self.act = act
        self.token = token
        self.judged: dict[bytes, tuple[Verdict, Seen]] = {}

    def record(self, told: Told) -> Outcome:
        try:
            who = self._named(told)
            held, why = self._held(told)
            if held is not None and (why := _differs(who, held)) is None:
                who, evidence = held, "recorded"
            else:
                evidence = "claimed"
                if who.agent is None:
                    raise InputError(
                        "the event names no agent, task or jti, and no live token stands in for them",
                        code="agent_unknown",
                    )
            settles = told.called is not None and evidence == "recorded" and self._allowed(told.called, who)
        except NhictlError as e:
            return e
        ext = told.ext | ({"why": why} if why else {})
        shown = told.token or self.token
        before = self.act.masked
        seq = self.act.record(
            told.kind, outcome=told.outcome, task_row=who.task.id if who.task else None, sealed=told.sealed or None,
            agent=who.agent, inst=who.inst, task=who.task.name if who.task else None, jti=who.jti,
            tok="sha256:" + sha256(shown).hexdigest() if shown and evidence == "recorded" else None,
            src={"state": evidence}, ext=ext or None, **told.fields,
        )  # fmt: skip
        if settles and told.called is not None:
            limits.settle(self.act, told.called, Result(True, told.bytes_out), seq)
        return Kept(seq, evidence, self.act.masked - before, why)

    def _allowed(self, called: int, who: _Who) -> bool:
        """Whether limits wait for that call's result; InputError (2) if it was none of that task, or was not allowed."""
        line = log.line(self.act.db, called)
        made = record.decode(line) if line is not None else {"type": None, "outcome": None}
        mine = who.task is not None and made.get("task") == who.task.name and made.get("jti") in (None, who.jti)
        if made["type"] not in ("token.used", "tool.called") or made["outcome"] != "ok" or not mine:
            raise InputError(f"record {called} is no call that was allowed to this token", code="call_unknown")
        if who.task is not None:
            settled.refuse_again(self.act.house, who.task.id, called)
        return bool(counters.taken(self.act.db, called))

    def _named(self, told: Told) -> _Who:
        """What the event itself names, completed; NotFoundError (4) or InputError (2) where it cannot be."""
        house, db = self.act.house, self.act.db
        task = tasks.find(house, told.task) if told.task is not None else None
        agent = agents.find(house, told.agent) if told.agent is not None else None
        inst = None
        if told.jti is not None:
            row = work.token(db, _raw(told.jti))
            if row is None:
                raise InputError(f"no token `{told.jti}` was issued here", code="token_unknown")
            if task is not None and row.task != task.id:
                raise InputError("the token is of another task than the event names", code="event_contradicts")
            task = task or work.task_by_id(db, row.task)
            inst = row.instance
            holder = _holder(self.act, row, task)
            if agent is not None and holder is not None and agent.id != holder.id:
                raise InputError("the token is of another agent than the event names", code="event_contradicts")
            agent = agent or holder
        elif task is not None and agent is None:
            agent = agent_table.by_id(db, task.agent)
        elif not self._acts_in(agent, task):
            raise InputError("the task is another agent's than the event names", code="event_contradicts")
        if task is not None and log.is_erased(db, task.id):
            raise InputError(f"the content of task `{task.name}` was erased", code="task_erased")
        return _Who(agent.name if agent else None, inst, task, told.jti)

    def _acts_in(self, agent: agent_table.AgentRow | None, task: work.TaskRow | None) -> bool:
        """Whether the agent is the task's own, or was ever handed a token of it; True where not both are named."""
        if agent is None or task is None or agent.id == task.agent:
            return True
        return delegations.acts_in(self.act.db, task.id, agent.id)

    def _held(self, told: Told) -> tuple[_Who | None, str | None]:
        """Whom the token that was shown proves, or why it does not; neither where none was shown."""
        token = told.token or self.token
        if token is None:
            return None, None
        if token not in self.judged:
            self.judged[token] = _judge(self.act, token)
        verdict, seen = self.judged[token]
        if not verdict.valid or seen.token is None or seen.task is None or seen.holder is None:
            return None, verdict.reason
        return _Who(seen.holder.name, seen.token.instance, seen.task, b64.encode(seen.token.jti)), None


def _judge(act: Act, token: bytes) -> tuple[Verdict, Seen]:
    """Whether a token is live now, for its own audience. Telling is no use of it: one whose uses are up still tells."""
    from nhictl.ops.verify_token import judge

    asked = delegation_checks.question(act.house, token, None)
    return judge(act.house, asked, act.now_us, consume=False, uses=False)


def _differs(named: _Who, held: _Who) -> str | None:
    """In what the event names somebody else than the token proves."""
    if named.task is not None and held.task is not None and named.task.id != held.task.id:
        return "token_of_another_task"
    if named.agent is not None and named.agent != held.agent:
        return "token_of_another_agent"
    if named.jti is not None and named.jti != held.jti:
        return "another_token"
    return None


def _holder(act: Act, row: work.TokenRow, task: work.TaskRow | None) -> agent_table.AgentRow | None:
    """Who acts with a token: whom it was delegated to, else the agent of its task."""
    links, _ = delegations.chain(act.db, row.id)
    ident = links[0].actor if links else (task.agent if task is not None else None)
    return agent_table.by_id(act.db, ident) if ident is not None else None


def _raw(jti: str) -> bytes:
    try:
        return b64.decode(jti)
    except ValueError:
        return b""
