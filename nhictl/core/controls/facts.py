"""From authority after the whole log, and a tally of it, to the values that controls are measured on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nhictl.core.controls.evidence import AgentFact, PolicyFact, TaskFact, TokenFact, TrustFact

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from nhictl.core.controls.tally import Tally
    from nhictl.core.policy.compiled import Policy
    from nhictl.core.replay.authority.entities import Token
    from nhictl.core.replay.authority.fold import Authority

_EXTERNAL = ("external", "third-party", "third_party", "vendor")


def agents(world: Authority, tally: Tally, trusted: Iterable[str], now_us: int) -> tuple[AgentFact, ...]:
    """The agents by name; `trusted` are those that a foreign issuer's jobs act as."""
    outside = set(trusted)
    made = []
    for name in sorted(world.agents):
        agent = world.agents[name]
        attrs, confirmed = agent.attrs, tally.confirmed.get(name, (None, agent.history[0][0].seq))
        expired = agent.state == "active" and agent.expires_us is not None and agent.expires_us <= now_us
        labels = attrs.get("labels") or {}
        made.append(
            AgentFact(
                name, attrs.get("owner"), attrs.get("env"), attrs.get("trust"), "expired" if expired else agent.state,
                confirmed[0], confirmed[1], agent.expires_us, tally.used_us.get(name), tuple(tally.envs.get(name, ())),
                name in outside or any(labels.get(word) not in (None, "", "false", "no") for word in _EXTERNAL),
            )
        )  # fmt: skip
    return tuple(made)


def tokens(world: Authority, now_us: int) -> tuple[TokenFact, ...]:
    """The tokens in the order of issue."""
    return tuple(_token(world, token, now_us) for token in world.tokens.values())


def _token(world: Authority, token: Token, now_us: int) -> TokenFact:
    task = world.tasks.get(token.task or "")
    over = task is not None and (
        task.ended is not None or (task.deadline_us is not None and task.deadline_us <= now_us)
    )
    expired = token.expires_us is not None and token.expires_us <= now_us
    ttl = None
    if token.expires_us is not None and token.issued.us is not None:
        ttl = (token.expires_us - token.issued.us // 1_000_000 * 1_000_000) // 1_000_000
    audience = token.ext.get("aud")
    return TokenFact(
        token.jti, token.issued.seq, token.agent, token.task, audience if isinstance(audience, str) else None, ttl,
        "jkt" in token.ext or "x5t#S256" in token.ext,
        not (over or expired or world.revocation(token) is not None), len(list(world.chain(token))) - 1,
        token.delegated and token.parent not in world.tokens,
    )  # fmt: skip


def tasks(
    world: Authority, tally: Tally, scopes: Sequence[Mapping[str, Any]], now_us: int
) -> tuple[TaskFact, ...]:  # fmt: skip
    """The tasks in the order they were opened; `scopes` as the view of scopes granted and used has them."""
    use = {one["task"]: one for one in scopes}
    issued: dict[str, list[Token]] = {}
    for token in world.tokens.values():
        issued.setdefault(token.task or "", []).append(token)
    made = []
    for task in world.tasks.values():
        seen, mine = use.get(task.id) or {}, issued.get(task.id, [])
        limit = task.ext.get("max_tokens")
        made.append(
            TaskFact(
                task.id, task.opened.seq, task.agent,
                task.ended is not None or (task.deadline_us is not None and task.deadline_us <= now_us),
                None if task.scope is None else len(task.scope), len(seen.get("used", ())),
                tuple(box["text"] for box in seen.get("unused", ())), sum(one["times"] for one in seen.get("unknown", ())),
                _wide(seen), len(mine), limit if isinstance(limit, int) else None, tally.task_calls.get(task.id, 0),
                len({token.agent for token in mine}),
            )
        )  # fmt: skip
    return tuple(made)


def _wide(seen: Mapping[str, Any]) -> tuple[str, ...]:
    """The boxes whose tools hold a wildcard."""
    found = []
    for box in seen.get("granted") or ():
        names = box["allow"].get("tools") or ()
        if any("*" in name for name in ([names] if isinstance(names, str) else names)):
            found.append(box["text"])
    return tuple(found)


def policy(found: Policy, seq: int) -> PolicyFact:
    """The policy in force, put there by record `seq`."""
    form = found.form
    every = set(form["tools"])
    wide = [
        rule["id"]
        for rule in form["rules"]
        if rule["effect"] == "permit" and len(every) > 1 and set(rule["tools"]) >= every
    ]
    gated = {tool for one in form.get("classes", {}).values() if one.get("requires") for tool in one["tools"]}
    run = running(found)
    return PolicyFact(found.digest, seq, "deny", tuple(wide), tuple(sorted(run)), tuple(sorted(run & gated)))


def running(found: Policy | None) -> frozenset[str]:
    """The tools of classes whose name says that they run code: `exec`, `execution`, `shell`, `code`."""
    if found is None:
        return frozenset()
    names = found.form.get("classes", {})
    return frozenset(tool for name, one in names.items() if _runs(name) for tool in one["tools"])


def _runs(name: str) -> bool:
    words = name.lower().replace("_", "-").replace(".", "-").split("-")
    return any(word in ("shell", "code") or word.startswith("exec") for word in words)


def trust(shown: Mapping[str, Any]) -> TrustFact:
    """A trust as `nhictl.trust/v1` shows it."""
    return TrustFact(shown["name"], shown["seq"], tuple(sorted(shown["match"])), shown["audience"])
