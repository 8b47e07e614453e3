"""Steps 14 to 19: what the issuing authority knows about agent, token and task at the moment asked about.

Facts come in as a value; nothing here reads a store. What this version cannot decide it refuses by name: a chain of
actors (`act`) and key binding (`cnf`) are never skipped.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from nhictl.core.identity import spiffe
from nhictl.core.token.verdict import RejectedError


class Facts(NamedTuple):
    """State as of the moment: `agent` and `task` by their state word or None if unknown; `token` None if unknown.

    `digest_ok` says that the token's SHA-256 is the one recorded at issue, `head_ok` that the log it names is ours and
    no longer than ours; `uses` is what is left of a use limit, None without one; `stopped` is the token's instance if it is
    suspended, `frozen` what freeze holds the agent; `lease` is `held`, `lost` or `unseen` for a task that lives as long
    as one process, else None.
    """

    agent: str | None
    token: str | None
    digest_ok: bool
    head_ok: bool
    task: str | None
    uses: int | None
    stopped: str | None = None
    frozen: str | None = None
    lease: str | None = None
    actors: tuple[tuple[str, str], ...] = ()
    """Of a delegated token: who acts and acted, each with the word for its state, the current one first."""


def check_subject(claims: dict[str, Any], trust_domain: str, facts: Facts) -> None:
    """Step 14."""
    try:
        domain, _ = spiffe.parse(claims["sub"])
    except ValueError as e:
        raise RejectedError(14, "sub_invalid", str(e)) from e
    if domain != trust_domain:
        raise RejectedError(14, "trust_domain_mismatch")
    check_agent(facts)


def check_agent(facts: Facts) -> None:
    """Step 14, second half: the agent and its running copy are active."""
    if facts.agent is None:
        raise RejectedError(14, "agent_unknown")
    if facts.agent == "suspended":
        raise RejectedError(14, "agent_suspended")
    if facts.agent != "active":
        raise RejectedError(14, "agent_retired", "its registration has expired" if facts.agent == "expired" else "")
    if facts.stopped is not None:
        raise RejectedError(14, "agent_suspended", f"its instance `{facts.stopped}` is suspended")


def check_chain(claims: dict[str, Any], issuer: str, trust_domain: str) -> None:
    """Step 15, as far as the token says: a chain of actors as we make them."""
    if "act" in claims:
        from nhictl.core.token import delegation

        delegation.chain(claims, issuer, trust_domain)
    if "may_act" in claims:
        raise RejectedError(15, "may_act_violation", "who may act is not said this way here")


def check_actors(facts: Facts) -> None:
    """Step 15, as far as the store knows: everybody in the chain is active, not the current actor alone."""
    for name, state in facts.actors:
        if state != "active":
            raise RejectedError(15, "actor_not_active", f"`{name}` is {state}")


def check_status(facts: Facts) -> None:
    """Step 17, from the local store: exact, no cache."""
    if facts.token is None:
        raise RejectedError(17, "token_unknown", "not in this authority's store")
    if not facts.digest_ok:
        raise RejectedError(17, "token_unknown", "another token was issued under this jti")
    if not facts.head_ok:
        raise RejectedError(17, "token_unknown", "issued from a log that this one does not contain")
    if facts.token == "revoked":  # noqa: S105  # a state word
        raise RejectedError(17, "token_revoked")


def check_uses(facts: Facts, *, consume: bool) -> None:
    """Step 18: without consuming, a use-limited token cannot be decided; the taking itself comes last of all."""
    if facts.uses is None:
        return
    if facts.uses < 1:
        raise RejectedError(18, "uses_exhausted")
    if not consume:
        raise RejectedError(18, "use_required", "a use-limited token is decided by --consume only")


def check_task(facts: Facts) -> None:
    """Step 19, first half: the approved piece of work still stands, and nobody has frozen who does it."""
    if facts.task != "open":
        raise RejectedError(19, "task_killed" if facts.task == "killed" else "task_closed")
    if facts.frozen is not None:
        raise RejectedError(19, "frozen", f"by the freeze of {facts.frozen}")
    if facts.lease == "lost":
        raise RejectedError(19, "lease_lost", "the process that the task was bound to is gone")
    if facts.lease not in (None, "held"):
        raise RejectedError(19, "indeterminate", "whether the task's process still runs cannot be seen from here")
