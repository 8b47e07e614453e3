"""The fold: give it every record in log order, and ask it about authority at that point, or at an earlier moment."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from nhictl.core.replay.authority.acts import ACTS
from nhictl.core.replay.authority.entities import Agent, Cut, Mark, Task, Token

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nhictl.core.replay.authority.step import Step

_DEEPEST: Final = 64
_ALIKE: Final = 4096
SECOND: Final = 1_000_000


class Authority:
    """State after the records taken so far.

    `whole` is True from the log's first record on for as long as none is missing: only then does "never issued" mean
    anything. `approvals` are requests by id, `requests` their ids by task; `keys` the state of each signing key by kid;
    `trusts` what is in force by name.
    """

    def __init__(self) -> None:
        self.whole = False
        self.owner: str | None = None
        self.trust_domain: str | None = None
        self.newest: Mark | None = None
        self.agents: dict[str, Agent] = {}
        self.aliases: dict[str, str] = {}
        self.stopped: dict[tuple[str, str], Mark] = {}
        self.tasks: dict[str, Task] = {}
        self.tokens: dict[str, Token] = {}
        self.children: dict[str, list[str]] = {}
        self.cuts: dict[tuple[str, str], list[Cut]] = {}
        self.freezes: dict[tuple[str, str], Mark] = {}
        self.policy: tuple[str, Mark] | None = None
        self.keys: dict[str, tuple[str, Mark]] = {}
        self.trusts: dict[str, tuple[str | None, Mark]] = {}
        self.approvals: dict[str, dict[str, Any]] = {}
        self.requests: dict[str, list[str]] = {}
        self._alike: dict[str, Any] = {}
        self.hidden_cuts = 0
        """Cut-offs whose value is content that is not at hand: which tokens they ended is unknown."""

    def take(self, step: Step) -> None:
        """Fold one record in. Foreign events change nothing (reference/log.md §3)."""
        mark = step.mark()
        if mark is None:
            return
        self.meet(step)
        act = ACTS.get(step.type)
        if act is not None and step.evidence == "recorded":
            act(self, step, mark)
        self.newest = mark

    def meet(self, step: Step) -> None:
        """See that a record comes next: where some are missing before it, the log is not whole."""
        if step.seq is not None and self.newest is not None and step.seq != self.newest.seq + 1:
            self.whole = False

    def shared(self, value: Any) -> Any:
        """The value itself, or an equal one that is kept already: tasks by the thousand have the same scope."""
        if len(self._alike) >= _ALIKE:
            self._alike.clear()
        return self._alike.setdefault(repr(value), value)

    def agent_of(self, name: str | None) -> Agent | None:
        """The agent that a source calls so: by name, alias or SPIFFE ID."""
        if name is None:
            return None
        if name.startswith("spiffe://") and "/agent/" in name:
            name = name.rpartition("/agent/")[2]
        return self.agents.get(name) or self.agents.get(self.aliases.get(name, ""))

    def chain(self, token: Token) -> Iterator[Token]:
        """The token and those it was made from, as far as they are known; a circle is walked once."""
        seen: set[str] = set()
        at: Token | None = token
        while at is not None and at.jti not in seen and len(seen) < _DEEPEST:
            seen.add(at.jti)
            yield at
            at = self.tokens.get(at.parent) if at.parent is not None else None

    def descendants(self, jti: str) -> list[str]:
        """The tokens made from a token, directly or not, in the order of issue."""
        found: dict[str, None] = {}
        waiting = [jti]
        while waiting:
            for child in self.children.get(waiting.pop(), ()):
                if child not in found and child != jti:
                    found[child] = None
                    waiting.append(child)
        return sorted(found, key=lambda child: self.tokens[child].issued.seq)

    def revocation(self, token: Token) -> Mark | None:
        """The first record that ended the token or one it was made from: a revocation, or a cut-off of either."""
        found = [mark for one in self.chain(token) for mark in self._ended(one)]
        return min(found, key=lambda mark: mark.seq, default=None)

    def _ended(self, token: Token) -> Iterator[Mark]:
        if token.revoked is not None:
            yield token.revoked
        if not self.cuts:
            return
        task = self.tasks.get(token.task or "")
        agent = task.agent if task is not None else token.agent
        named = [("all", ""), ("issued", ""), ("agent", agent), ("task", token.task), ("instance", token.inst)]
        named += [("kid", token.kid), ("agent", token.agent)]
        if task is not None:
            named += [("principal", task.principal), ("ci-run", task.ci)]
        named += [("ci-run", run) for run in _claimed_runs(token.inst or "")]
        for kind, value in named:
            for cut in self.cuts.get((kind, value or ""), ()):
                if cut.hits(token, agent):
                    yield cut.mark
                    break

    def standing(self, name: str, inst: str | None, us: int | None) -> tuple[str, Mark | None]:
        """How an agent and its copy stand, now or (`us`) as its records say for that moment: `active`, `unregistered`,
        `suspended`, `retired`, `expired`, `instance suspended` or `frozen`, with the record that made it so.
        """
        agent = self.agent_of(name)
        if agent is None:
            return "unregistered", None
        state = agent.state if us is None else agent.state_at(us)
        if state != "active":
            return state, next((mark for mark, made in reversed(agent.history) if made == state), None)
        if us is not None and agent.expires_us is not None and us >= agent.expires_us:
            return "expired", agent.history[0][0]
        if inst is not None and (mark := self.stopped.get((agent.name, inst))) is not None:
            return "instance suspended", mark
        for (kind, value), mark in self.freezes.items():
            if _freezes(kind, value, agent):
                return "frozen", mark
        return "active", None

    def scopes(self, task: Task | None, token: Token | None) -> list[list[Any] | None]:
        """Every scope that a call has to lie in: that of each token in the chain, and the task's; None: not at hand."""
        found: list[list[Any] | None] = []
        if token is not None:
            found = [one.scope for one in self.chain(token) if one.delegated]
        return [*found, task.scope if task is not None else None]


def _claimed_runs(inst: str) -> Iterator[str]:
    """The CI runs whose cut-off covers a copy that CI's variables named (`ops/instances.py`): a run's attempts and jobs."""
    if inst.startswith("claimed.gitlab."):
        yield inst.removeprefix("claimed.gitlab.")
    parts = inst.removeprefix("claimed.github.").split(".") if inst.startswith("claimed.github.") else []
    for length in range(1, len(parts)):
        yield ".".join(parts[:length])


def _freezes(kind: str, value: str, agent: Agent) -> bool:
    if kind == "all":
        return True
    if kind == "agent":
        return value == agent.name
    if kind == "env":
        return bool(agent.attrs.get("env") == value)
    return value in (agent.attrs.get("groups") or ())
