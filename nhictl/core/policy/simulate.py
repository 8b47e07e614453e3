"""Simulation: what a policy would have decided about the calls of a log, against another policy or what was recorded.

Each call gets one class: `unchanged`, `gained` (denied before, allowed now), `revoked`, `maybe_gained` and `maybe_revoked`
(one side is known and the other is not), `unknown`, and `error` for what cannot be put as a call at all. Records below
a call that the new policy denies are `prevented_by` it, since they would not have come about (reference `policy.md` §3,
`replay.md` §2).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Protocol

from nhictl.core.policy.change import CLASSES, Row, change_of, elsewhere, position, recorded, row_of
from nhictl.core.policy.partial import Case, Judge, Judgement
from nhictl.core.replay.select import instant_us

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from nhictl.core.policy.compiled import Policy
    from nhictl.core.policy.registry import Agent
    from nhictl.core.replay.event import Event

__all__ = ["CLASSES", "Meter", "Row", "Side", "Simulation", "change_of", "recorded"]

_ASKED: Final = frozenset({"tool.called", "token.used", "token.denied"})
_ERROR: Final = Judgement("unknown", "invalid_request", [])

_Place = tuple[str | None, str]


class Meter(Protocol):
    """Counters of one side, run again over the log in its order: each call once, and only those that pass what is before."""

    def admit(self, case: Case, judged: Judgement) -> Judgement:
        """Hold a call that rules and gates allow, or may allow, to the limits, and count it."""
        ...


class Side:
    """A policy with its own counters."""

    def __init__(self, policy: Policy | None, meter: Meter | None = None) -> None:
        self.digest = policy.digest if policy is not None else None
        self.judge = Judge(policy)
        self.meter = meter

    def decide(self, case: Case) -> Judgement:
        """What this side decides, counters included."""
        made = self.judge.judge(case)
        if self.meter is None or made.decision == "deny":
            return made
        return self.meter.admit(case, made)


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
        cases = [case, *self._delegators(event, case)]
        new = _together([self.new.decide(one) for one in cases])
        if self.old is None:
            told = recorded(event)
            if told is None:
                return row_of(event, Judgement("unknown", "", []), new, "unknown")
            return row_of(event, told, new, change_of(told.decision, new.decision))
        if self.same:
            return row_of(event, new, new, "unchanged")
        old = _together([self.old.decide(one) for one in cases])
        return row_of(event, old, new, change_of(old.decision, new.decision))

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
            event.tool, name, agent, assumed=self.assume, args=event.args, resource=event.resource,
            resource_known=own and event.args is not None, intent=intent, now_us=instant_us(event.time), claims=claims,
        )  # fmt: skip

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


def _together(made: list[Judgement]) -> Judgement:
    """One decision out of those on everyone involved: a denial, else what is not known, else allowed by all their rules."""
    for decision in ("deny", "unknown"):
        for one in made:
            if one.decision == decision:
                return one
    if len(made) == 1:
        return made[0]
    return made[0]._replace(rules=list(dict.fromkeys(rule for one in made for rule in one.rules)))
