"""The blast radius of one token: what it and all that was made from it did, and at most could have done."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nhictl.core import times
from nhictl.core.replay.authority.fold import Authority
from nhictl.core.replay.detect.scene import Scene
from nhictl.core.replay.views.box_line import box_line
from nhictl.core.replay.views.delegation import scope_of

if TYPE_CHECKING:
    from nhictl.core.replay.authority.entities import Token
    from nhictl.core.replay.authority.step import Step
    from nhictl.core.replay.detect.scene import Policies

_USES = ("token.used", "token.denied", "tool.called")
SHOWN = 1000


class Trace:
    """Give it every step, then ask for `to_json`. Of uses the first 1000 are kept, all are counted."""

    def __init__(self, jti: str, policies: Policies, since_us: int | None) -> None:
        self.jti = jti
        self.since_us = since_us
        self.world = Authority()
        self.scene = Scene(self.world, policies, None, second=False)
        self.of = {jti: None}
        self.uses: list[dict[str, Any]] = []
        self.count = 0
        self.agents: dict[str, int] = {}
        self.minted: list[tuple[int, str]] = []
        self.resources: dict[tuple[str, str, bool], dict[str, Any]] = {}
        self.unknown: dict[str, int] = {}

    def take(self, step: Step) -> None:
        """Look at one step, and fold it in."""
        self.scene.enter(step)
        if step.type == "token.delegated" and step.parent in self.of and step.jti is not None:
            self.of[step.jti] = None
        if step.jti in self.of and step.type in _USES:
            self._use(step)
        elif step.type in ("token.issued", "token.delegated") and step.jti is not None and step.us is not None:
            self.minted.append((step.us, step.jti))
        self.world.take(step)

    def _use(self, step: Step) -> None:
        self.count += 1
        resource = self.scene.resource()
        if step.allowed and step.us is not None and (self.since_us is None or step.us >= self.since_us):
            for name in (step.agent, *(str(one) for one in step.ext.get("act") or ())):
                if name is not None:
                    self.agents[name] = min(self.agents.get(name, step.us), step.us)
        if step.tool is not None and step.allowed:
            if step.lacks("res") or (resource is None and step.lacks("args")):
                self.unknown["the resource of a call"] = self.unknown.get("the resource of a call", 0) + 1
            elif resource is not None:
                key = (resource, step.tool, self.scene.acts())
                held = self.resources.setdefault(key, {"calls": 0, "records": []})
                held["calls"] += 1
                held["records"] = [*held["records"], step.ref()][:20]
        if len(self.uses) < SHOWN:
            self.uses.append({
                **step.ref(), "jti": step.jti, "agent": step.agent, "instance": step.inst, "tool": step.tool,
                "resource": resource, "outcome": step.outcome, "host": step.actor.get("host"), "evidence": step.evidence,
            })  # fmt: skip

    def to_json(self) -> dict[str, Any] | None:
        """`nhictl.trace/v1` without its schema; None if no record issues the token and none uses it.

        `minted` are tokens that the agents which used it made or were issued after its first use, or after `since`; `reach`
        is the upper bound for what the log does not show: each token's scope, for as long as it could have been accepted.
        """
        token = self.world.tokens.get(self.jti)
        if token is None and not self.count:
            return None
        family = [self.jti, *self.world.descendants(self.jti)]
        others = [jti for us, jti in self.minted if jti not in self.of and self._suspect(us, jti)]
        return {
            "token": None if token is None else self._token(token),
            "since": None if self.since_us is None else times.rfc3339(self.since_us),
            "agents": sorted(self.agents),
            "uses": self.uses,
            "use_count": self.count,
            "resources": [
                {"resource": resource, "tool": tool, "written": acts, **held}
                for (resource, tool, acts), held in sorted(self.resources.items())
            ],
            "descendants": [self._token(self.world.tokens[jti]) for jti in family[1:]],
            "minted": [self._token(self.world.tokens[jti]) for jti in others],
            "reach": [self._reach(self.world.tokens[jti]) for jti in [*family, *others] if jti in self.world.tokens],
            "unknown": [{"what": what, "times": times} for what, times in sorted(self.unknown.items())],
        }  # fmt: skip

    def _suspect(self, us: int, jti: str) -> bool:
        token = self.world.tokens[jti]
        holders = [token.agent, *token.act]
        return any(name in self.agents and us >= self.agents[name] for name in holders if name is not None)

    def _token(self, token: Token) -> dict[str, Any]:
        ended = self.world.revocation(token)
        return {
            "jti": token.jti, "task": token.task, "agent": token.agent, "instance": token.inst, "parent": token.parent,
            "issued": token.issued.ref(),
            "expires": None if token.expires_us is None else times.rfc3339(token.expires_us),
            "revoked": None if ended is None else ended.ref(), "uses": token.uses,
        }  # fmt: skip

    def _reach(self, token: Token) -> dict[str, Any]:
        scope = scope_of(self.world, token)
        task = self.world.tasks.get(token.task or "")
        ended = self.world.revocation(token)
        ends = [token.expires_us, ended.us if ended is not None else None]
        ends += [task.deadline_us, task.ended.us if task.ended is not None else None] if task is not None else []
        until = min((at for at in ends if at is not None), default=None)
        begins = [at for at in (token.issued.us, self.since_us) if at is not None]
        begin = max(begins, default=None)
        made: dict[str, Any] = {"jti": token.jti, "scope": None if scope is None else [box_line(box) for box in scope]}
        made["from"] = None if begin is None else times.rfc3339(begin)
        made["until"] = None if until is None else times.rfc3339(until)
        known = begin is not None and until is not None
        made["seconds"] = max(0, (until - begin) // 1_000_000) if known else None  # type: ignore[operator]
        return made
