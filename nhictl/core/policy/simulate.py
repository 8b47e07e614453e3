"""Simulation: what a policy would have decided about the calls of a log, against another policy or what was recorded.

Each call gets one class: `unchanged`, `gained` (denied before, allowed now), `revoked`, `maybe_gained` and `maybe_revoked`
(one side is known and the other is not), `unknown`, and `error` for what cannot be put as a call at all. Records below
a call that the new policy denies are `prevented_by` it, since they would not have come about (reference `policy.md` §3,
`replay.md` §2).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from nhictl.core import strict_json
from nhictl.core.policy.change import CLASSES, Row, change_of, elsewhere, position, recorded, row_of
from nhictl.core.policy.partial import Case, Judgement
from nhictl.core.policy.side import Side
from nhictl.core.replay.select import instant_us

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable, Iterator

    from nhictl.core.policy.registry import Agent
    from nhictl.core.replay.event import Event

__all__ = ["CLASSES", "Row", "Simulation"]

_ASKED: Final = frozenset({"tool.called", "token.used", "token.denied"})
_ERROR: Final = Judgement("unknown", "invalid_request", [])

_MOST_TOLD: Final = 4096
"""How many live checks are remembered until a record of the call itself comes."""
_Place = tuple[str | None, str]
_Act = tuple[str, str, str]


class Simulation:
    """Both sides over events in the order of the log. `old` None compares with what was recorded.

    `find(name, seq)` looks an agent up in the registry as it was before record `seq` (None: as it is); with `assume` every
    agent is taken to be registered, and nothing else about it.
    """

    def __init__(
        self, old: Side | None, new: Side, find: Callable[[str, int | None], Agent | None], *, assume: bool = False
    ) -> None:
        self.old = old
        self.new = new
        self.find = find
        self.assume = assume
        self.same = old is not None and old.digest == new.digest
        self.unregistered: set[str] = set()
        self._tasks: dict[str, dict[str, Any]] = {}
        self._tokens: dict[str, dict[str, Any]] = {}
        self._blocked: dict[str | None, dict[str, dict[str, Any]]] = {}
        self._requests: dict[str, list[str]] = {}
        self._told: dict[_Act, tuple[Judgement | None, Judgement]] = {}
        self._calls = 0

    def batch(self, events: Iterable[Event]) -> Iterator[Row]:
        """A row for every call among events that stand together: one file, or a record at a time of a log of ours.

        A cause may come after what it caused within a batch, and before it anywhere in its run.
        """
        found: list[Row | Event] = []
        above: dict[_Place, _Place] = {}
        for event in events:
            if event.span is not None and event.parent is not None and event.parent != event.span:
                above[(event.run, event.span)] = (event.run, event.parent)
            row = self._row(event)
            found.append(row if row is not None else event)
            if row is not None and row.new == "deny" and event.span is not None:
                cause = {"run": event.run, "n": event.n, "tool": event.tool, "span": event.span, **position(event)}
                self._blocked.setdefault(event.run, {}).setdefault(event.span, cause)
        clear: set[_Place] = set()
        for one in found:
            event = one.event if isinstance(one, Row) else one
            above_it = self._cause(event, above, clear)
            if isinstance(one, Row):
                yield one if above_it is None else one._replace(prevented_by=above_it)

    def forget(self, run: str | None) -> None:
        """Let go of a run that is over: nothing that comes later has its cause in it."""
        self._blocked.pop(run, None)

    def _cause(self, event: Event, above: dict[_Place, _Place], clear: set[_Place]) -> dict[str, Any] | None:
        """The nearest denied call above an event; what lies below it is remembered as lying below, the rest as clear."""
        blocked = self._blocked.get(event.run)
        if blocked is None or event.parent is None:
            return None
        at: _Place | None = (event.run, event.parent)
        seen: set[_Place] = {(event.run, event.span)} if event.span is not None else set()
        while at is not None and at[1] not in blocked:
            if at in seen or at in clear:
                at = None
                break
            seen.add(at)
            at = above.get(at)
        if at is None or at[1] == event.span:
            clear |= seen
            return None
        cause = blocked[at[1]]
        for _, span in seen:
            blocked.setdefault(span, cause)
        return cause

    def _row(self, event: Event) -> Row | None:
        if event.type not in _ASKED:
            self._note(event)
            return None
        if event.type != "tool.called" and event.tool is None:
            return None
        case = self._case(event)
        if isinstance(case, str):
            return row_of(event, _ERROR._replace(message=case), _ERROR._replace(message=case), "error")
        refused = elsewhere(event)
        if refused is not None:
            return row_of(event, refused, refused, "unchanged")
        old, new = self._both(event, case)
        if self.old is None:
            old = recorded(event)
        if old is None:
            return row_of(event, Judgement("unknown", "", []), new, "unknown")
        return row_of(event, old, new, "unchanged" if self.same else change_of(old.decision, new.decision))

    def _both(self, event: Event, case: Case) -> tuple[Judgement | None, Judgement]:
        """What both sides decide; an act that two records tell of, one of the check and one of the call, is decided once."""
        act = (event.jti, event.tool or "", strict_json.dumps(event.args)) if event.jti is not None else None
        if act is not None and event.type == "tool.called" and event.evidence == "claimed" and act in self._told:
            return self._told.pop(act)
        self._calls += 1
        ref = event.seq if event.seq is not None else -self._calls
        cases = [case, *self._delegators(event, case)]
        new = self.new.decide(cases, ref)
        old = None if self.old is None else new if self.same else self.old.decide(cases, ref)
        if event.seq is None or event.type == "tool.called":
            self._result(ref, event)
        if act is not None and event.type == "token.used":
            while len(self._told) >= _MOST_TOLD:
                del self._told[next(iter(self._told))]
            self._told[act] = (old, new)
        return old, new

    def returned(self, event: Event) -> None:
        """The result of a call of our own log has come."""
        if event.seq is not None:
            self._result(event.seq, event)

    def _result(self, ref: Hashable, event: Event) -> None:
        """Settle what is known by now; of a call in flight nothing is, and of our own records its bytes are, once it ended."""
        told = (event.ext or {}).get("returned") or {}
        ours = event.evidence == "recorded" and event.seq is not None
        if ours and event.ended is None:
            return
        sides = (self.new,) if self.old is None or self.same else (self.old, self.new)
        for side in sides:
            side.settle(
                ref, executed=False if event.outcome == "not_executed" else None,
                bytes_out=told.get("bytes_out", 0) if ours else None,
            )  # fmt: skip

    def _case(self, event: Event) -> Case | str:
        """The call that an event tells of, or why it is none."""
        if not isinstance(event.tool, str):
            return "the record names no tool"
        if event.args is not None and not isinstance(event.args, dict):
            return "its arguments are no object"
        if event.resource is not None and not isinstance(event.resource, str):
            return "its resource is no text"
        name, agent = event.agent, None
        if name is not None and not self.assume:
            agent = self.find(name, event.seq)
            if agent is None:
                self.unregistered.add(name)
            else:
                name = agent.name
        args, erased, resource = _unmasked(event)
        task = self._tasks.get(event.task or "", {})
        claims = {**task, **self._tokens.get(event.jti or "", {})}
        if event.task is not None and event.seq is not None:
            claims["task.id"] = event.task
            if event.type != "tool.called":
                claims["task.delegation_depth"] = len((event.ext or {}).get("act") or ())
        intent = event.intent if event.intent is not None else claims.get("task.intent")
        own = event.seq is not None
        claims.pop("task.agent", None)
        return Case(
            event.tool, name, agent, assumed=self.assume, args=args, erased=erased, resource=resource,
            resource_known=own and event.args is not None and event.resource == resource, intent=intent,
            now_us=instant_us(event.time), claims=claims, approvals=self._approvals(event),
            counted=_counted(event, name, claims),
        )  # fmt: skip

    def _approvals(self, event: Event) -> dict[str, str]:
        """The approvals that a record says were used, by the classes that were asked for."""
        used = (event.ext or {}).get("approvals") if event.seq is not None else None
        named = [name for name in used if isinstance(name, str)] if isinstance(used, list) else []
        return {group: name for name in named for group in self._requests.get(name, ())}

    def _delegators(self, event: Event, case: Case) -> list[Case]:
        """The same call by everyone it was delegated through: a delegate may do what all before it may do as well."""
        names = (event.ext or {}).get("act") if event.type != "tool.called" else None
        opener = self._tasks.get(event.task or "", {}).get("task.agent")
        if not names or self.assume:
            return []
        made = []
        for name in [opener, *names]:
            agent = self.find(name, event.seq) if isinstance(name, str) else None
            if agent is None or agent.name != case.name:
                made.append(case.by(agent.name if agent is not None else name, agent))
        return made

    def _note(self, event: Event) -> None:
        """Remember of our own records what later calls are held against: a task's intent, a token's life."""
        ext = event.ext or {}
        if event.type == "task.opened" and event.task is not None:
            facts: dict[str, Any] = {
                "task.intent": ext.get("intent"),
                "task.principal": event.principal,
                "task.agent": event.agent,
            }
            self._tasks[event.task] = {k: v for k, v in facts.items() if isinstance(v, str)}
        elif event.type == "approval.requested" and isinstance(ext.get("request"), str):
            self._requests[ext["request"]] = [one for one in ext.get("classes") or () if isinstance(one, str)]
        elif event.type in {"task.closed", "task.killed"} and event.task is not None:
            self.forget(event.task)
        elif (
            event.type in {"token.issued", "token.delegated"}
            and event.jti is not None
            and isinstance(ext.get("exp"), int)
        ):
            issued = instant_us(event.time)
            if issued is not None:
                bound = {"token.bound": "jkt" in ext}
                self._tokens[event.jti] = {"token.ttl_s": ext["exp"] - issued // 1_000_000, **bound}


def _unmasked(event: Event) -> tuple[dict[str, Any] | None, frozenset[str], str | None]:
    """What a record shows of arguments and resource as they were: what was masked in our log is as good as erased."""
    args, resource = event.args, event.resource
    if event.seq is None or not (event.ext or {}).get("masked"):
        return args, frozenset(), resource
    from nhictl.core.ledger import mask

    if args is not None and mask.holds(list(args)):
        args = None
    hidden = frozenset(name for name, value in (args or {}).items() if mask.holds(value))
    shown = None if args is None else {name: value for name, value in args.items() if name not in hidden}
    return shown, hidden, None if mask.holds(resource) else resource


def _counted(event: Event, name: str | None, claims: dict[str, Any]) -> dict[str, str | None]:
    """For whom limits count a call; None where that is not known. A run that names no task counts as one."""
    if event.seq is None:
        return {"agent": name, "task": event.task or event.run}
    return {
        "agent": name, "task": event.task or "", "instance": None if name is None else f"{name}/{event.inst or ''}",
        "principal": claims.get("task.principal"),
    }  # fmt: skip
