"""What controls need to know of each step, kept while the log is read once. Give it a step before the fold takes it."""

from __future__ import annotations

from hashlib import sha256
from json import dumps
from typing import TYPE_CHECKING, Any, Final

from nhictl.core.controls.evidence import ApprovalFact, Calls

if TYPE_CHECKING:
    from collections.abc import Callable

    from nhictl.core.replay.authority.entities import Mark
    from nhictl.core.replay.authority.fold import Authority
    from nhictl.core.replay.authority.step import Step

KEPT: Final = 1000
"""Rows of one kind that are kept."""
_CHECKS: Final = frozenset({"token.used", "token.denied", "tool.called"})
_TAKES: Final = frozenset(
    {"token.revoked", "task.killed", "agent.suspended", "agent.retired", "authority.frozen", "key.revoked"}
)
_CONFIRMS: Final = frozenset({"agent.registered", "agent.updated", "agent.resumed"})
_DEEPEST: Final = 8


class Tally:
    """Counts and rows; `running` names the tools that run code under the policy of a digest."""

    def __init__(self, running: Callable[[str], frozenset[str]]) -> None:
        self.running = running
        self.records = 0
        self.confirmed: dict[str, tuple[int | None, int]] = {}
        self.envs: dict[str, dict[str, None]] = {}
        self.used_us: dict[str, int] = {}
        self.openers: dict[str, str | None] = {}
        self.policy_seq: int | None = None
        self.task_calls: dict[str, int] = {}
        self.secrets: list[dict[str, Any]] = []
        self.revocations: list[dict[str, Any]] = []
        self._refused: dict[int, tuple[int, dict[str, Any]]] = {}
        self._seen: dict[str, dict[str, Any] | None] = {}
        self._allowed = self._denied = self._decided = self._execution = 0
        self.tools: dict[tuple[Any, str], str] = {}
        """What each tool of each MCP server described itself as, by digest, as traffic last showed it."""
        self.drift: list[dict[str, Any]] = []
        self._undigested: list[dict[str, Any]] = []
        self._unapproved: list[dict[str, Any]] = []

    def take(self, step: Step, world: Authority) -> None:
        """Note a step; `world` is authority before it."""
        if step.type in _CHECKS and (step.foreign is not None or step.dec or step.type == "tool.called"):
            self._check(step, world)
        if step.foreign is not None and step.type == "rpc.tools/list":
            self._described(step)
        if step.seq is None:
            return
        self.records += 1
        if step.type in _CONFIRMS and step.agent is not None:
            self._confirm(step.agent, step)
        elif step.type == "task.opened" and step.task is not None:
            self.openers[step.task] = step.actor.get("id")
        elif step.type == "policy.activated":
            self.policy_seq = step.seq
        elif step.type in _TAKES:
            self.revocations.append({**step.ref(), "us": step.us})
        if _secret(step.ext) or _secret(step.actor):
            _keep(self.secrets, step.ref())

    def _described(self, step: Step) -> None:
        """The description and schema of each tool that a server lists; another digest than before is drift."""
        listed = step.shown.get("result")
        for one in listed.get("tools", ()) if isinstance(listed, dict) else ():
            if not isinstance(one, dict) or not isinstance(name := one.get("name"), str):
                continue
            key = (step.ext.get("server"), name)
            said = [one.get("description"), one.get("inputSchema"), one.get("annotations")]
            digest = sha256(dumps(said, sort_keys=True).encode()).hexdigest()
            if self.tools.setdefault(key, digest) != digest:
                _keep(self.drift, {"tool": name, **step.ref()})
                self.tools[key] = digest

    def _confirm(self, agent: str, step: Step) -> None:
        self.confirmed[agent] = (step.us, step.seq or 0)
        said = step.ext if step.type == "agent.registered" else step.ext.get("to") or {}
        if isinstance(env := said.get("env"), str):
            self.envs.setdefault(agent, {})[env] = None

    def _check(self, step: Step, world: Authority) -> None:
        if step.agent is not None and step.agent not in self._seen:
            known = world.agent_of(step.agent) is not None
            self._seen[step.agent] = None if known else step.ref()
        if step.seq is None or step.evidence != "recorded":
            return
        if step.allowed:
            self._allowed += 1
            if step.agent is not None and step.us is not None:
                self.used_us[step.agent] = step.us
            if step.task is not None:
                self.task_calls[step.task] = self.task_calls.get(step.task, 0) + 1
            self._run(step)
        else:
            self._denied += 1
            self._refusal(step, world)
        if "rules" in step.dec or "pdig" in step.dec:
            self._decided += 1
            if not isinstance(step.dec.get("pdig"), str):
                _keep(self._undigested, step.ref())

    def _run(self, step: Step) -> None:
        digest = step.dec.get("pdig")
        if not isinstance(digest, str) or step.tool not in self.running(digest):
            return
        self._execution += 1
        if not step.ext.get("approvals") and not step.ext.get("guardrails"):
            _keep(self._unapproved, step.ref())

    def _refusal(self, step: Step, world: Authority) -> None:
        """Which record took away what this call was refused for; only the first refusal for each counts."""
        mark = self._taken(step, world)
        if mark is not None and mark.us is not None and step.us is not None and mark.seq not in self._refused:
            self._refused[mark.seq] = (max(0, step.us - mark.us) // 1_000_000, step.ref())

    def _taken(self, step: Step, world: Authority) -> Mark | None:
        token = world.tokens.get(step.jti) if step.jti is not None else None
        if token is not None and (mark := world.revocation(token)) is not None:
            return mark
        task = world.tasks.get(step.task) if step.task is not None else None
        if task is not None and task.ended is not None:
            return task.ended
        return world.standing(step.agent, step.inst, None)[1] if step.agent is not None else None

    def calls(self) -> Calls:
        """The calls, as evidence."""
        strangers = tuple((name, ref) for name, ref in self._seen.items() if ref is not None)
        return Calls(
            self._allowed, self._denied, self._decided, tuple(self._undigested), len(self._seen), strangers,
            self._execution, tuple(self._unapproved),
        )  # fmt: skip

    def refusals(self) -> tuple[tuple[int, dict[str, Any]], ...]:
        """Seconds to the first refusal of each act that took authority away, and its record."""
        return tuple(self._refused.values())

    def approvals(self, world: Authority) -> tuple[ApprovalFact, ...]:
        """Each yes with its request. A signed one is its approver's by name, an unsigned one its user's."""
        made = []
        for request, held in world.approvals.items():
            asked = held.get("requested")
            for given in held["granted"]:
                step: Step = given["step"]
                who = step.ext.get("approver") if step.ext.get("signed") else step.actor.get("id")
                opener = self.openers.get(step.task) if step.task is not None else None
                made.append(
                    ApprovalFact(request, given["mark"].seq, asked["mark"].us if asked else None, given["mark"].us,
                                 who, opener)
                )  # fmt: skip
        return tuple(made)


def _keep(rows: list[dict[str, Any]], ref: dict[str, Any]) -> None:
    if len(rows) < KEPT:
        rows.append(ref)


def _secret(value: Any, depth: int = 0) -> bool:
    """Whether a value holds a compact token, a private key in PEM, or a private JWK."""
    if isinstance(value, str):
        return (value.startswith("eyJ") and value.count(".") >= 2) or "PRIVATE KEY-----" in value
    if depth == _DEEPEST:
        return False
    if isinstance(value, list):
        return any(_secret(one, depth + 1) for one in value)
    if hasattr(value, "items"):
        private = "kty" in value and ("d" in value or "k" in value)
        return private or any(_secret(one, depth + 1) for one in value.values())
    return False
