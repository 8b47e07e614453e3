"""OWASP Non-Human Identities Top 10 2025 (reference/controls.md)."""

from __future__ import annotations

from nhictl.core.controls.evidence import BEARER_TTL_S, BOUND_TTL_S, IDLE_US, AgentFact, Evidence, TokenFact
from nhictl.core.controls.measure import Measure, judged, measured, no_data, worse


@measured("NHI1", "Improper Offboarding")
def nhi1(e: Evidence) -> Measure:
    """Suspended, retired, ownerless or idle agents with tokens that still stand."""
    if not e.agents or not e.tokens:
        return no_data("no agent is registered, or no token was issued", agents=len(e.agents), tokens=len(e.tokens))
    bad = [(agent, why) for agent in e.agents if standing(e, agent.name) and (why := _gone(e, agent)) is not None]
    rows = [{"agent": agent.name, "why": why, "tokens": len(standing(e, agent.name))} for agent, why in bad]
    return judged(rows, "no agent that is gone or idle has a token that stands", "agents that are gone or idle have tokens",
                  agents=len(e.agents), standing_tokens=sum(token.standing for token in e.tokens))  # fmt: skip


def standing(e: Evidence, agent: str) -> list[TokenFact]:
    """The tokens of an agent that stand."""
    return [token for token in e.tokens if token.standing and token.agent == agent]


def _gone(e: Evidence, agent: AgentFact) -> str | None:
    if agent.state != "active":
        return agent.state
    if not agent.owner:
        return "no owner"
    return "idle" if idle(e, agent) else None


def idle(e: Evidence, agent: AgentFact) -> bool:
    """Whether it was let make no call for 30 days, nor confirmed by anybody."""
    last = max((us for us in (agent.used_us, agent.confirmed_us) if us is not None), default=None)
    return last is not None and e.now_us - last > IDLE_US


@measured("NHI2", "Secret Leakage")
def nhi2(e: Evidence) -> Measure:
    """Records that hold what looks like a token or a private key, and files of the home that others can read."""
    if not e.records:
        return no_data("the log is empty", records=0)
    log = judged(e.secrets, "no record holds what looks like a secret", "records hold what looks like a secret",
                 records=e.records, secrets=len(e.secrets))  # fmt: skip
    return worse(log, files(e))


def files(e: Evidence) -> Measure:
    """Whether files of the home are its owner's alone."""
    if e.loose is None:
        return no_data("nobody looked at the files of the home", loose_files=None)
    rows = [{"file": name} for name in e.loose]
    return judged(rows, "files are their owner's alone", "files that others can get at", loose_files=len(e.loose))


@measured("NHI3", "Vulnerable Third-Party NHI")
def nhi3(e: Evidence) -> Measure:
    """External agents (labelled `external`, or a trust's) without an owner or an expiry."""
    found = [agent for agent in e.agents if agent.external]
    if not found:
        return no_data("no agent is external", external=0)
    rows = [{"agent": agent.name} for agent in found if agent.expires_us is None or not agent.owner]
    return judged(rows, "external agents have owner and expiry", "external agents without owner or expiry",
                  external=len(found), open_ended=len(rows))  # fmt: skip


@measured("NHI4", "Insecure Authentication")
def nhi4(e: Evidence) -> Measure:
    """Tokens that stand and are bound to no key: whoever holds one can use it. Algorithms are ES256 or refused."""
    found = [token for token in e.tokens if token.standing]
    if not found:
        return no_data("no token stands", standing_tokens=0)
    rows = [{"token": token.jti, "seq": token.seq, "agent": token.agent} for token in found if not token.bound]
    return judged(rows, "every token is bound to a key", "tokens that whoever holds them can use",
                  standing_tokens=len(found), unbound=len(rows))  # fmt: skip


@measured("NHI5", "Overprivileged NHI")
def nhi5(e: Evidence) -> Measure:
    """Boxes of ended tasks' scopes that were granted and never used."""
    found = [task for task in e.tasks if task.ended and task.granted is not None and task.calls and not task.unclear]
    if not found:
        return no_data("no ended task whose calls and scope are both at hand", tasks=len(e.tasks))
    rows = [{"task": task.id, "agent": task.agent, "unused": list(task.unused)} for task in found if task.unused]
    return judged(
        rows, "what was granted was used", "tasks were granted more than they used", tasks=len(found),
        granted=sum(task.granted or 0 for task in found), used=sum(task.used for task in found),
    )  # fmt: skip


@measured("NHI6", "Insecure Cloud Deployment Configurations")
def nhi6(e: Evidence) -> Measure:
    """Trusts in CI issuers that do not pin the audience and whose tokens they are. Static CI secrets are not seen here."""
    if not e.trusts:
        return no_data("no foreign issuer is believed", trusts=0)
    rows = [{"trust": trust.name, "seq": trust.seq} for trust in e.trusts if not trust.claims or not trust.audience]
    return judged(rows, "every trust pins audience and subject", "trusts that leave audience or subject open",
                  trusts=len(e.trusts), open=len(rows))  # fmt: skip


@measured("NHI7", "Long-Lived Secrets")
def nhi7(e: Evidence) -> Measure:
    """Tokens that live longer than an hour, or four if bound to a key."""
    found = [token for token in e.tokens if token.ttl_s is not None]
    if not found:
        return no_data("no token was issued", tokens=len(e.tokens))
    rows = [{"token": token.jti, "seq": token.seq, "ttl_s": token.ttl_s} for token in found if long_lived(token)]
    return judged(rows, "no token lives beyond its limit", "tokens that live beyond their limit", tokens=len(found),
                  longest_s=max(token.ttl_s or 0 for token in found))  # fmt: skip


def long_lived(token: TokenFact) -> bool:
    """Whether it lives longer than its kind may."""
    return token.ttl_s is not None and token.ttl_s > (BOUND_TTL_S if token.bound else BEARER_TTL_S)


@measured("NHI8", "Environment Isolation")
def nhi8(e: Evidence) -> Measure:
    """Identities that were registered in more than one environment."""
    found = [agent for agent in e.agents if agent.envs]
    if not found:
        return no_data("no agent names an environment", agents=len(e.agents))
    rows = [{"agent": agent.name, "envs": list(agent.envs)} for agent in found if len(agent.envs) > 1]
    return judged(rows, "every identity has one environment", "identities in more than one environment",
                  agents=len(found), across=len(rows))  # fmt: skip


@measured("NHI9", "NHI Reuse")
def nhi9(e: Evidence) -> Measure:
    """Identities whose tokens are for more than one application (audience)."""
    audiences: dict[str, set[str]] = {}
    for token in e.tokens:
        if token.agent is not None and token.audience is not None:
            audiences.setdefault(token.agent, set()).add(token.audience)
    if not audiences:
        return no_data("no token names who it is for", agents=0)
    rows = [{"agent": name, "audiences": sorted(to)} for name, to in sorted(audiences.items()) if len(to) > 1]
    return judged(rows, "every identity serves one application", "identities that serve several applications",
                  agents=len(audiences), reused=len(rows))  # fmt: skip


@measured("NHI10", "Human Use of NHI")
def nhi10(e: Evidence) -> Measure:
    """Calls made from a terminal under an agent's token."""
    if e.calls.by_terminal is None:
        return no_data("no record says whether a call came from a terminal", from_terminal=None)
    return judged(e.calls.by_terminal, "no call came from a terminal", "calls came from a terminal",
                  from_terminal=len(e.calls.by_terminal))  # fmt: skip


CONTROLS = (nhi1, nhi2, nhi3, nhi4, nhi5, nhi6, nhi7, nhi8, nhi9, nhi10)
