"""What controls are measured on: plain values, gathered elsewhere. Times are microseconds UTC; None is unknown."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final, NamedTuple

DAY_US: Final = 86_400_000_000
IDLE_US: Final = 30 * DAY_US
"""An agent that used no token for so long is idle."""
REVIEW_US: Final = 90 * DAY_US
"""Access that nobody confirmed (registered, updated, resumed) for so long is due for review."""
EXPIRING_US: Final = 14 * DAY_US
BEARER_TTL_S: Final = 3600
"""Seconds that a token may live which whoever holds it can use."""
BOUND_TTL_S: Final = 4 * 3600
"""Seconds that a token may live which is bound to a key."""


class AgentFact(NamedTuple):
    """An agent. `confirmed_us`: when somebody last registered, updated or resumed it, by record `confirmed`; `used_us`: when
    a call of it was last let pass; `envs`: every environment it was registered in; `external`: labelled so, or a trust's.
    """

    name: str
    owner: str | None
    env: str | None
    trust: int | None
    state: str
    confirmed_us: int | None
    confirmed: int
    expires_us: int | None
    used_us: int | None
    envs: tuple[str, ...]
    external: bool


class TokenFact(NamedTuple):
    """A token. `standing`: neither revoked nor expired nor of an ended task, whether or not its agent may act now; `depth`:
    0 unless it was delegated; `orphan`: made from a token that the log does not know.
    """

    jti: str
    seq: int
    agent: str | None
    task: str | None
    audience: str | None
    ttl_s: int | None
    bound: bool
    standing: bool
    depth: int
    orphan: bool


class TaskFact(NamedTuple):
    """A task. `granted`, `used`: boxes of its scope, None if not at hand; `unclear`: calls whose box is unknown; `wide`: boxes
    whose tools hold a `*`; `tokens`, `calls`, `agents`: how much came of it.
    """

    id: str
    seq: int
    agent: str | None
    ended: bool
    granted: int | None
    used: int
    unused: tuple[str, ...]
    unclear: int
    wide: tuple[str, ...]
    tokens: int
    max_tokens: int | None
    calls: int
    agents: int


class ApprovalFact(NamedTuple):
    """A yes: when it was asked for and given, by whom, and who opened the task it is for."""

    request: str
    seq: int
    asked_us: int | None
    given_us: int | None
    approver: str | None
    opener: str | None


class PolicyFact(NamedTuple):
    """The policy in force. `wide`: rules that permit every tool or agent; `execution`: tools of classes that run code, and
    those of them that need a guardrail or an approval.
    """

    digest: str
    seq: int
    default: str
    wide: tuple[str, ...]
    execution: tuple[str, ...]
    gated: tuple[str, ...]


class TrustFact(NamedTuple):
    """A foreign issuer that is believed: the claims that a token of it has to carry, and the audience it has to name."""

    name: str
    seq: int
    claims: tuple[str, ...]
    audience: str | None


class Detected(NamedTuple):
    """A detection: `found`, `none` or `unknown`; the records of what was found; what is missing."""

    state: str
    times: int
    records: tuple[dict[str, Any], ...]
    missing: tuple[str, ...]


class Calls(NamedTuple):
    """Calls that were checked. `undigested`: records that name no policy, of the decided ones; `strangers`: agents that
    acted and are not registered, with a record of each; `execution`: execution tools that ran without approval or guardrail.
    """

    allowed: int = 0
    denied: int = 0
    decided: int = 0
    undigested: tuple[dict[str, Any], ...] = ()
    seen: int = 0
    strangers: tuple[tuple[str, dict[str, Any]], ...] = ()
    execution: int = 0
    unapproved: tuple[dict[str, Any], ...] = ()
    by_terminal: tuple[dict[str, Any], ...] | None = None


class Evidence(NamedTuple):
    """Everything, at `now_us`. `secrets`: records that hold what looks like one; `loose`: files of the home that others
    can read, None if nobody looked; `refusals`: seconds from a revocation to the first call it refused; `verdict`: of the log.
    """

    now_us: int
    agents: tuple[AgentFact, ...] = ()
    tokens: tuple[TokenFact, ...] = ()
    tasks: tuple[TaskFact, ...] = ()
    approvals: tuple[ApprovalFact, ...] = ()
    policy: PolicyFact | None = None
    trusts: tuple[TrustFact, ...] = ()
    calls: Calls = Calls()
    detected: Mapping[str, Detected] = MappingProxyType({})
    records: int = 0
    secrets: tuple[dict[str, Any], ...] = ()
    loose: tuple[str, ...] | None = None
    revocations: tuple[dict[str, Any], ...] = ()
    refusals: tuple[tuple[int, dict[str, Any]], ...] = ()
    tool_digests: int = 0
    tool_drift: tuple[dict[str, Any], ...] = ()
    verdict: str = "UNSIGNED"
    unproven: tuple[str, ...] = ()
