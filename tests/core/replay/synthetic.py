"""Writes logs that no honest authority would: records as the fold reads them, with their content beside them."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256
from typing import Any

from nhictl.core import times
from nhictl.core.policy.compiled import Policy
from nhictl.core.policy.document import parse_policy
from nhictl.core.replay.authority.step import Step, of_event, of_record
from nhictl.core.replay.detect.registry import RULES
from nhictl.core.replay.detect.rule import Rule
from nhictl.core.replay.detect.run import Watch
from nhictl.core.replay.event import Event
from nhictl.core.strict_json import dumps

START = 1_780_315_200
POLICY = parse_policy([("p.yaml", b"""
nhictl_policy: 1
id: house
owner: o@example.org
default: deny
timezone: UTC
tools:
  crm.read: {args: {query: string}, resource: uri}
  crm.write: {args: {query: string}, resource: uri}
  vault.read: {args: {path: string}}
  mail.send: {args: {to: email, body: string}}
  pay.send: {args: {amount: number}}
  shell.run: {args: {cmd: string}}
classes:
  secrets: {tools: [vault.read], marks: [secret]}
  out: {tools: [mail.send], marks: [egress], allow: [boss@example.org]}
  money: {tools: [pay.send], impact: high, requires: guardrail_or_approval}
  act: {tools: [crm.write, shell.run], impact: medium}
guardrails:
  G-1: {class: money, approved_by: cfo@example.org, expires: 2030-01-01, within: {args.amount: {lte: 100}}}
rules:
  - {id: R-1, effect: permit, match: {tools: ["*"]}, when: {token.ttl_s: {lte: 900}}}
  - {id: R-2, effect: forbid, match: {tools: [shell.run]}, when: {args.cmd: {eq: rm}}}
limits:
  - {id: L-1, match: {tools: [crm.read]}, per: agent, window: 60s, calls: 3}
openers:
  - {uid: [1000], agents: ["*"], intents: [work, ask]}
  - {uid: [1002], agents: ["*"], scope: [crm.read]}
  - {uid: [1002], agents: ["*"], scope: [crm.write]}
""")])  # fmt: skip
SCOPE = [{"tools": ["crm.*", "vault.read", "mail.send", "pay.send"]}]
USER = {"kind": "operator", "id": "uid:1000", "host": "h1"}


class Log:
    """Records one after another; `at` is seconds since the start, kept until it is set again."""

    def __init__(self, *, policy: Policy | None = POLICY) -> None:
        self.at = 0.0
        self.records: list[dict[str, Any]] = []
        self.contents: dict[tuple[int, str], Any] = {}
        self.foreign: list[Event] = []
        self.policy = policy
        self.add("log.genesis", ext={"trust_domain": "example.org"})
        self.add("key.activated", ext={"kid": "k1", "use": "token"})
        if policy is not None:
            self.add("policy.activated", dec={"effect": "allow", "reason": "activated", "pdig": policy.digest})
        for name in ("bot", "other"):
            self.add("agent.registered", agent=name, ext={"owner": "o", "env": "prod", "trust": 2, "groups": []})

    def add(self, kind: str, *, outcome: str = "ok", content: Mapping[str, Any] | None = None, **fields: Any) -> int:
        """One record; `content` is committed to within its task and can be opened."""
        seq = len(self.records)
        made = {"type": kind, "outcome": outcome, "ts": times.rfc3339(self.us()), "actor": USER, **fields}
        for label, value in (content or {}).items():
            said = f"{fields.get('task')} {label} {dumps(value)}"
            made.setdefault("c", {})[label] = sha256(said.encode()).hexdigest()
            self.contents[seq, label] = value
        self.records.append(made)
        return seq

    def content(self, seq: int, label: str) -> Any:
        """Opens content, None if there is none."""
        return self.contents.get((seq, label))

    def us(self) -> int:
        """Now, in microseconds."""
        return round((START + self.at) * 1_000_000)

    def task(self, name: str = "t1", agent: str = "bot", scope: list[Any] | None = None, **ext: Any) -> None:
        """A task that is open for an hour."""
        more = {"intent": "work", "deadline": times.rfc3339(self.us() + 3_600_000_000)} | ext
        actor = more.pop("actor", USER)
        self.add("task.opened", task=name, agent=agent, inst="i1", actor=actor, ext=more,
                 content={"scope": SCOPE if scope is None else scope, "purpose": "do the work"})  # fmt: skip

    def token(self, jti: str = "j1", task: str = "t1", agent: str = "bot", ttl: int = 600, kid: str = "k1") -> None:
        """A token issued for a task."""
        self.add("token.issued", jti=jti, task=task, agent=agent, inst="i1", tok=f"sha256:{jti}",
                 ext={"exp": START + int(self.at) + ttl, "kid": kid, "aud": "a"})  # fmt: skip

    def child(
        self, jti: str, parent: str, act: list[str], scope: list[Any], *, ttl: int = 60, task: str = "t1"
    ) -> None:
        """A token made from a token; the first of `act` holds it."""
        self.add("token.delegated", jti=jti, task=task, agent=act[0], inst="i1", tok=f"sha256:{jti}", **{"del": jti},
                 pdel=parent, ext={"exp": START + int(self.at) + ttl, "kid": "k1", "act": act},
                 content={"scope": scope})  # fmt: skip

    def use(self, tool: str = "crm.read", args: dict[str, Any] | None = None, *, effect: str = "allow",
            reason: str = "permitted", jti: str | None = "j1", task: str | None = "t1", agent: str = "bot",
            kind: str | None = None, res: str | None = None, **more: Any) -> int:  # fmt: skip
        """A call that was judged."""
        content: dict[str, Any] = {"args": {"query": "x"} if args is None else args}
        if res is None and tool.startswith("crm."):
            res = "s3://crm/a"
        if res is not None:
            content["res"] = res
        dec = {"effect": effect, "reason": reason}
        if self.policy is not None:
            dec["pdig"] = self.policy.digest
        named = kind or ("token.used" if effect == "allow" else "token.denied")
        fields = {"jti": jti, "tok": f"sha256:{jti}" if jti else None, "task": task, "agent": agent, "inst": "i1", "tool": tool,
                  "dec": dec, "ext": {}} | more  # fmt: skip
        fields = {key: value for key, value in fields.items() if value is not None}
        return self.add(named, outcome="ok" if effect == "allow" else "deny", content=content, **fields)

    def call(self, call: str | None, **more: Any) -> int:
        """A call that an enforcement point makes."""
        return self.use(kind="tool.called", **(more | ({"call": call} if call else {})))

    def result(self, call: str, result: Any = "done", task: str = "t1", tool: str = "crm.read") -> None:
        """What came of it."""
        self.add("tool.returned", task=task, agent="bot", tool=tool, call=call, content={"result": result})

    def end(self, task: str = "t1", kind: str = "task.closed") -> None:
        """The task ends."""
        self.add(kind, task=task, agent="bot", inst="i1")

    def event(self, kind: str = "tool.called", **fields: Any) -> Event:
        """An event of another log, at this moment."""
        made = Event(kind, evidence="imported", time=times.rfc3339(self.us()),
                     source={"file": "other.jsonl", "offset": len(self.foreign)})  # fmt: skip
        for name, value in fields.items():
            setattr(made, name, value)
        self.foreign.append(made)
        return made

    def steps(self, *, opened: bool = True) -> list[Step]:
        """The steps; without `opened` the content is not at hand, as in an export."""
        found = self.contents if opened else {}
        own = [of_record(seq, one, lambda s, label: found.get((s, label))) for seq, one in enumerate(self.records)]
        return own + [of_event(event) for event in self.foreign]

    def watch(self, *, opened: bool = True, rules: tuple[Rule, ...] = RULES, known: bool = True) -> Watch:
        """All detections over it; `known` says whether the policy is at hand."""
        policy = self.policy

        def policies(digest: str) -> Policy | None:
            return policy if known and policy is not None and digest == policy.digest else None

        return Watch(policies, rules, second=bool(self.foreign)).take_all(self.steps(opened=opened))
