"""OWASP Top 10 for Agentic Applications 2026 (reference/controls.md)."""

from __future__ import annotations

from typing import Final

from nhictl.core.controls.evidence import Evidence
from nhictl.core.controls.measure import Measure, detected, judged, measured, no_data, not_here, worse

DENY_RATE: Final = 0.2
"""More refused calls than this share point to tools that are asked for what they may not."""
HASTY_S: Final = 5
"""A yes given within so many seconds was hardly read."""
FAN_OUT: Final = 10
"""Agents that may come to act for one task."""


@measured("ASI01", "Agent Goal Hijack")
def asi01(e: Evidence) -> Measure:
    """Actions outside the task's tool set."""
    return detected(e, "TASK_DRIFT", population=e.calls.allowed + e.calls.denied, of="calls")


@measured("ASI02", "Tool Misuse and Exploitation")
def asi02(e: Evidence) -> Measure:
    """Grants of tools by wildcard, and the share of calls that were denied (at most a fifth)."""
    scopes = [task for task in e.tasks if task.granted is not None]
    if not scopes:
        return no_data("no task whose scope is at hand", tasks=len(e.tasks))
    wide = [{"task": task.id, "box": box} for task in scopes for box in task.wide]
    grants = judged(wide, "no scope names a tool by wildcard", "scopes name tools by wildcard", tasks=len(scopes),
                    wildcard_boxes=len(wide))  # fmt: skip
    calls = e.calls.allowed + e.calls.denied
    if not calls:
        return worse(grants, no_data("no calls", calls=0, denied=0))
    rate = e.calls.denied / calls
    bad = [{"deny_rate": round(rate, 4)}] if rate > DENY_RATE else []
    said = f"{e.calls.denied:,} of {calls:,} calls were denied"
    return worse(grants, judged(bad, said, f"{said}: more than a fifth", calls=calls, denied=e.calls.denied))


@measured("ASI03", "Identity and Privilege Abuse")
def asi03(e: Evidence) -> Measure:
    """A token shared across agents, copies or hosts; a child's scope wider than its parent's."""
    return detected(e, "SHARED_CREDENTIAL", "DELEGATION_AMPLIFIED", population=len(e.tokens), of="tokens")


@measured("ASI04", "Agentic Supply Chain Vulnerabilities")
def asi04(e: Evidence) -> Measure:
    """Drift of the digests of what tools describe themselves as, in MCP traffic that was imported."""
    if not e.tool_digests:
        return no_data("no MCP traffic was imported that lists tools", tool_digests=0)
    return judged(e.tool_drift, "tools describe themselves as before", "a tool describes itself otherwise than before",
                  tool_digests=e.tool_digests, changed=len(e.tool_drift))  # fmt: skip


@measured("ASI05", "Unexpected Code Execution (RCE)")
def asi05(e: Evidence) -> Measure:
    """Tools of an execution class that ran without approval or guardrail."""
    tools = e.policy.execution if e.policy is not None else ()
    if not tools:
        return no_data("no policy in force names a class of tools that run code", execution_tools=0)
    if not e.calls.execution:
        return no_data("no tool that runs code was called", execution_tools=len(tools), execution_calls=0)
    return judged(
        e.calls.unapproved, "every call that runs code had a yes or a guardrail", "code ran without a yes or a guardrail",
        execution_tools=len(tools), execution_calls=e.calls.execution, unapproved=len(e.calls.unapproved),
    )  # fmt: skip


asi06 = not_here("ASI06", "Memory & Context Poisoning", "what an agent remembers is not seen from here")


@measured("ASI07", "Insecure Inter-Agent Communication")
def asi07(e: Evidence) -> Measure:
    """Broken delegation links: a token made from one that the log does not know, an act whose parent is not there."""
    made = [token for token in e.tokens if token.depth or token.orphan]
    if not made:
        return no_data("nothing was delegated", delegated_tokens=0)
    broken = [{"token": token.jti, "seq": token.seq} for token in made if token.orphan]
    links = judged(broken, "every delegated token has its parent in the log", "delegated tokens without their parent",
                   broken=len(broken))  # fmt: skip
    return worse(links, detected(e, "ORPHAN_ACTION", population=len(made), of="delegated_tokens"))


@measured("ASI08", "Cascading Failures")
def asi08(e: Evidence) -> Measure:
    """Fan-out of a task: tokens within its limit, and at most ten agents that act for it."""
    acted = [task for task in e.tasks if task.tokens]
    if not acted:
        return no_data("no task that a token was issued for", tasks=len(e.tasks))
    over = [
        {"task": task.id, "tokens": task.tokens, "agents": task.agents}
        for task in acted
        if task.agents > FAN_OUT or (task.max_tokens is not None and task.tokens > task.max_tokens)
    ]
    return judged(
        over, "no task fans out beyond its limit", "tasks fan out beyond their limit", tasks=len(acted),
        most_tokens=max(task.tokens for task in acted), most_agents=max(task.agents for task in acted),
        most_calls=max(task.calls for task in acted),
    )  # fmt: skip


@measured("ASI09", "Human-Agent Trust Exploitation")
def asi09(e: Evidence) -> Measure:
    """Approvals: given by somebody else than who opened the task, and not within five seconds of being asked for."""
    if not e.approvals:
        return no_data("no approval was given", approvals=0)
    own = [one for one in e.approvals if one.approver is not None and one.approver == one.opener]
    waits = {one.seq: wait for one in e.approvals if (wait := latency_s(one.asked_us, one.given_us)) is not None}
    hasty = [one for one in e.approvals if waits.get(one.seq, HASTY_S) < HASTY_S]
    rows = [{"seq": one.seq, "why": "by who opened the task"} for one in own]
    rows += [{"seq": one.seq, "why": f"after {waits[one.seq]} s"} for one in hasty]
    times = sorted(waits.values())
    return judged(
        rows, "approvals were given by others, and took their time", "approvals that are no second look",
        approvals=len(e.approvals), self_approved=len(own), hasty=len(hasty),
        fastest_s=times[0] if times else None, median_s=times[len(times) // 2] if times else None,
    )  # fmt: skip


@measured("ASI10", "Rogue Agents")
def asi10(e: Evidence) -> Measure:
    """Events from unregistered, suspended, retired or revoked identities."""
    strangers = [{"agent": name, **ref} for name, ref in e.calls.strangers]
    seen = judged(strangers, "every agent that acted is registered", "agents that acted are not registered",
                  agents_seen=e.calls.seen, unregistered=len(strangers))  # fmt: skip
    calls = e.calls.allowed + e.calls.denied
    return worse(seen, detected(e, "INACTIVE_AGENT", "TOKEN_AFTER_REVOKE", "UNKNOWN_JTI", population=calls, of="calls"))


def latency_s(asked_us: int | None, given_us: int | None) -> int | None:
    """Whole seconds between the two; None if either is unknown."""
    return None if asked_us is None or given_us is None else (given_us - asked_us) // 1_000_000


CONTROLS = (asi01, asi02, asi03, asi04, asi05, asi06, asi07, asi08, asi09, asi10)
