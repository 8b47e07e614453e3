"""What each type of record does to authority: one function a type, `ACTS` by type."""

from __future__ import annotations

from sys import intern
from typing import TYPE_CHECKING, Any, Final

from nhictl.core.replay.authority.entities import Agent, Cut, Mark, Task, Token
from nhictl.core.replay.select import instant_us

if TYPE_CHECKING:
    from collections.abc import Callable

    from nhictl.core.replay.authority.fold import Authority
    from nhictl.core.replay.authority.step import Step

    Act = Callable[[Authority, Step, Mark], None]


def _genesis(world: Authority, step: Step, _mark: Mark) -> None:
    world.whole = True
    world.owner = step.actor.get("id")
    world.trust_domain = step.ext.get("trust_domain")


def _registered(world: Authority, step: Step, mark: Mark) -> None:
    if step.agent is None:
        return
    agent = world.agents[step.agent] = Agent(step.agent, mark)
    agent.attrs = dict(step.ext)
    agent.expires_us = instant_us(step.ext.get("expires"))
    if isinstance(step.ext.get("kid"), str):
        agent.keys.append(step.ext["kid"])
    _name(world, agent)


def _updated(world: Authority, step: Step, _mark: Mark) -> None:
    agent, to = world.agents.get(step.agent or ""), step.ext.get("to")
    if agent is None or not isinstance(to, dict):
        return
    agent.attrs |= to
    if "expires" in to:
        agent.expires_us = instant_us(to["expires"])
    _name(world, agent)


def _name(world: Authority, agent: Agent) -> None:
    for alias in [alias for alias, name in world.aliases.items() if name == agent.name]:
        del world.aliases[alias]
    world.aliases |= dict.fromkeys(agent.attrs.get("aliases") or (), agent.name)


def _rotated(world: Authority, step: Step, _mark: Mark) -> None:
    if (agent := world.agents.get(step.agent or "")) is not None and isinstance(step.ext.get("kid"), str):
        agent.keys.append(step.ext["kid"])


def _state(word: str) -> Act:
    def change(world: Authority, step: Step, mark: Mark) -> None:
        if (agent := world.agents.get(step.agent or "")) is not None:
            agent.state = word
            agent.history.append((mark, word))
            if word == "retired":
                world.cuts.setdefault(("agent", agent.name), []).append(Cut(mark, None, None, None))

    return change


def _instance(world: Authority, step: Step, mark: Mark) -> None:
    key = (step.agent or "", step.inst or "")
    if step.type == "instance.suspended":
        world.stopped[key] = mark
    else:
        world.stopped.pop(key, None)


def _opened(world: Authority, step: Step, mark: Mark) -> None:
    if step.task is None:
        return
    name = intern(step.task)
    task = world.tasks[name] = Task(name, mark)
    task.agent, task.inst = _same(step.agent), _same(step.inst)
    task.intent = step.ext.get("intent")
    task.deadline_us = instant_us(step.ext.get("deadline"))
    task.digest = step.scope
    scope, principal = step.content("scope"), step.content("principal")
    task.scope = world.shared(scope) if isinstance(scope, list) else None
    task.principal = principal if isinstance(principal, str) else None
    task.ci = (step.actor.get("ci") or {}).get("run_id")
    task.ext = world.shared({name: step.ext[name] for name in ("delegation", "max_tokens") if name in step.ext})


def _closed(world: Authority, step: Step, mark: Mark) -> None:
    if (task := world.tasks.get(step.task or "")) is not None and task.ended is None:
        task.ended, task.state = mark, step.type.removeprefix("task.")


def _same(name: Any) -> Any:
    """The name as it is kept already: thousands of tokens have the same agent."""
    return intern(name) if isinstance(name, str) else name


_OF_TOKEN: Final = ("aud", "uses", "jkt", "x5t#S256", "cnf")
"""What is kept of a token besides what has a field of its own."""


def _issued(world: Authority, step: Step, mark: Mark) -> None:
    if step.jti is None:
        return
    token = Token(step.jti, mark)
    world.tokens.setdefault(step.jti, token)
    if world.tokens[step.jti] is not token:
        return
    token.agent, token.inst, token.digest = _same(step.agent), _same(step.inst), step.tok
    token.task = _same(step.task)
    token.ext = world.shared({name: step.ext[name] for name in _OF_TOKEN if name in step.ext})
    expires = step.ext.get("exp")
    token.expires_us = expires * 1_000_000 if isinstance(expires, int) else None
    token.kid = _same(step.ext.get("kid"))
    if step.type == "token.delegated":
        token.delegated = True
        token.parent = step.parent
        token.act = [str(name) for name in step.ext.get("act") or ()]
        scope = step.content("scope")
        token.scope = world.shared(scope) if isinstance(scope, list) else None
        if step.parent is not None:
            world.children.setdefault(step.parent, []).append(step.jti)


def _exchanged(world: Authority, step: Step, _mark: Mark) -> None:
    if (task := world.tasks.get(step.task or "")) is not None and isinstance(step.ext.get("run_id"), str):
        task.ci = step.ext["run_id"]


def _revoked(world: Authority, step: Step, mark: Mark) -> None:
    ext = step.ext
    kind = ext.get("selector")
    if step.jti is not None:
        if (token := world.tokens.get(step.jti)) is not None and token.revoked is None:
            token.revoked = mark
        return
    value: Any = {
        "task": step.task, "agent": step.agent, "instance": step.inst, "kid": ext.get("kid"),
        "ci-run": ext.get("run"), "issued": "", "principal": step.content("principal"),
    }.get(kind if isinstance(kind, str) else "")  # fmt: skip
    if not isinstance(value, str):
        world.hidden_cuts += 1
        return
    narrower = step.agent if kind != "agent" else None
    cut = Cut(mark, narrower, instant_us(ext.get("from")), instant_us(ext.get("to")))
    world.cuts.setdefault((str(kind), value), []).append(cut)


def _restored(world: Authority, _step: Step, mark: Mark) -> None:
    world.cuts.setdefault(("all", ""), []).append(Cut(mark, None, None, None))


def _used(world: Authority, step: Step, _mark: Mark) -> None:
    if step.jti is not None and step.allowed and (token := world.tokens.get(step.jti)) is not None:
        token.uses += 1


def _activated(world: Authority, step: Step, mark: Mark) -> None:
    if isinstance(digest := step.dec.get("pdig"), str):
        world.policy = (digest, mark)


def _frozen(world: Authority, step: Step, mark: Mark) -> None:
    kind = str(step.ext.get("selector"))
    value = step.agent if kind == "agent" else step.ext.get(kind, "")
    if step.type == "authority.frozen":
        world.freezes[(kind, str(value or ""))] = mark
    else:
        world.freezes.pop((kind, str(value or "")), None)


def _key(world: Authority, step: Step, mark: Mark) -> None:
    kid = step.ext.get("kid")
    if not isinstance(kid, str):
        return
    state = step.type.removeprefix("key.")
    use = step.ext.get("use")
    if state == "activated":
        for other, (held, at) in world.keys.items():
            if held == f"{use} activated":
                world.keys[other] = (f"{use} old", at)
    world.keys[kid] = (f"{use} {state}", mark)
    if state == "revoked":
        world.cuts.setdefault(("kid", kid), []).append(Cut(mark, None, None, None))


def _trust(world: Authority, step: Step, mark: Mark) -> None:
    name = str(step.ext.get("trust"))
    if step.type == "trust.added":
        world.trusts[name] = (step.agent, mark)
    else:
        world.trusts.pop(name, None)


def _approval(world: Authority, step: Step, mark: Mark) -> None:
    request = step.ext.get("request")
    if not isinstance(request, str):
        return
    if request not in world.approvals and step.task is not None:
        world.requests.setdefault(step.task, []).append(request)
    held = world.approvals.setdefault(request, {"granted": []})
    word = step.type.removeprefix("approval.")
    seen = {"mark": mark, "step": step}
    if word == "granted":
        held["granted"].append(seen)
    else:
        held[word] = seen


ACTS: Final[dict[str, Act]] = {
    "log.genesis": _genesis, "log.restored": _restored,
    "agent.registered": _registered, "agent.updated": _updated, "agent.key_rotated": _rotated,
    "agent.suspended": _state("suspended"), "agent.resumed": _state("active"), "agent.retired": _state("retired"),
    "instance.suspended": _instance, "instance.resumed": _instance,
    "task.opened": _opened, "task.closed": _closed, "task.killed": _closed,
    "token.issued": _issued, "token.delegated": _issued, "token.exchanged": _exchanged, "token.revoked": _revoked,
    "token.used": _used, "tool.called": _used,
    "policy.activated": _activated,
    "authority.frozen": _frozen, "authority.unfrozen": _frozen,
    "key.prepared": _key, "key.activated": _key, "key.tainted": _key, "key.revoked": _key,
    "trust.added": _trust, "trust.removed": _trust,
    "approval.requested": _approval, "approval.granted": _approval, "approval.denied": _approval,
    "approval.used": _approval,
}  # fmt: skip
