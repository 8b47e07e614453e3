"""NIST AI RMF 1.0, GOVERN (reference/controls.md): tools supply evidence only."""

from __future__ import annotations

from nhictl.core.controls import owasp_nhi
from nhictl.core.controls.evidence import DAY_US, REVIEW_US, Evidence
from nhictl.core.controls.maestro import registry, same
from nhictl.core.controls.measure import Measure, declared, detected, judged, measured, no_data, not_here, worse

_PEOPLE = "for people to show: policies, roles and culture are not in a log"

g11 = declared("GOVERN 1.1", "Legal and regulatory requirements", _PEOPLE)
g12 = declared("GOVERN 1.2", "Characteristics of trustworthy AI in policies", _PEOPLE)


@measured("GOVERN 1.3", "Level of risk management follows risk tolerance")
def g13(e: Evidence) -> Measure:
    """The longest life that tokens of each trust level were given, against the limit of their kind."""
    trust = {agent.name: agent.trust for agent in e.agents}
    found = [token for token in e.tokens if token.ttl_s is not None and token.agent in trust]
    if not found:
        return no_data("no token of a registered agent", tokens=0)
    longest: dict[str, int] = {}
    for token in found:
        tier = f"trust_{trust[token.agent or '']}_longest_s"
        longest[tier] = max(longest.get(tier, 0), token.ttl_s or 0)
    rows = [
        {"token": token.jti, "seq": token.seq, "ttl_s": token.ttl_s} for token in found if owasp_nhi.long_lived(token)
    ]
    return judged(rows, "no tier's tokens live beyond their limit", "tokens live beyond the limit of their kind",
                  tokens=len(found), **dict(sorted(longest.items())))  # fmt: skip


@measured("GOVERN 1.4", "Processes are transparent and documented")
def g14(e: Evidence) -> Measure:
    """Every decision's record names the policy that made it by digest."""
    if not e.calls.decided:
        return no_data("nothing was decided", decisions=0)
    return judged(e.calls.undigested, "every decision names its policy", "decisions that name no policy",
                  decisions=e.calls.decided, unnamed=len(e.calls.undigested))  # fmt: skip


@measured("GOVERN 1.5", "Monitoring and periodic review")
def g15(e: Evidence) -> Measure:
    """Active agents that nobody registered, updated or resumed within 90 days."""
    found = [agent for agent in e.agents if agent.state == "active"]
    if not found:
        return no_data("no agent is active", agents=len(e.agents))
    rows = [
        {"agent": agent.name, "seq": agent.confirmed, "days": (e.now_us - agent.confirmed_us) // DAY_US}
        for agent in found
        if agent.confirmed_us is not None and e.now_us - agent.confirmed_us > REVIEW_US
    ]
    return judged(rows, "every agent was looked at within 90 days", "agents that nobody looked at for 90 days",
                  agents=len(found), overdue=len(rows))  # fmt: skip


@measured("GOVERN 1.6", "Inventory of AI systems")
def g16(e: Evidence) -> Measure:
    """Agents registered, of those seen acting."""
    return registry(e)


@measured("GOVERN 1.7", "Decommissioning")
def g17(e: Evidence) -> Measure:
    """Retired agents with tokens that still stand, or that acted afterwards."""
    gone = [agent for agent in e.agents if agent.state == "retired"]
    if not gone:
        return no_data("no agent was retired", retired=0)
    rows = [{"agent": agent.name} for agent in gone if owasp_nhi.standing(e, agent.name)]
    tokens = judged(rows, "retired agents have no token that stands", "retired agents have tokens", retired=len(gone))
    return worse(tokens, detected(e, "INACTIVE_AGENT", population=len(gone), of="retired"))


@measured("GOVERN 2.1", "Roles and responsibilities")
def g21(e: Evidence) -> Measure:
    """Every agent has an accountable owner."""
    found = [agent for agent in e.agents if agent.state != "retired"]
    if not found:
        return no_data("no agent is registered", agents=len(e.agents))
    rows = [{"agent": agent.name} for agent in found if not agent.owner]
    return judged(rows, "every agent has an owner", "agents without an owner", agents=len(found), ownerless=len(rows))


g22 = declared("GOVERN 2.2", "Training", _PEOPLE)
g23 = declared("GOVERN 2.3", "Executive leadership", _PEOPLE)
g31 = not_here("GOVERN 3.1", "Diverse teams", "teams are not seen from here")


@measured("GOVERN 3.2", "Human-AI configurations and oversight")
def g32(e: Evidence) -> Measure:
    """Who approved is another than who asked."""
    if not e.approvals:
        return no_data("no approval was given", approvals=0)
    rows = [{"seq": one.seq} for one in e.approvals if one.approver is not None and one.approver == one.opener]
    return judged(rows, "who approved is another than who asked", "who asked approved", approvals=len(e.approvals),
                  self_approved=len(rows))  # fmt: skip


@measured("GOVERN 4.1", "Safety-first mindset")
def g41(e: Evidence) -> Measure:
    """What no rule permits is denied, and no rule permits everything."""
    if e.policy is None:
        return no_data("no policy is in force: every call is denied", policies=0)
    rows = [{"rule": name, "seq": e.policy.seq} for name in e.policy.wide]
    if e.policy.default != "deny":
        rows.append({"default": e.policy.default, "seq": e.policy.seq})
    return judged(rows, "default deny, and no rule permits every tool", "rules that permit every tool",
                  policies=1, wide_rules=len(e.policy.wide))  # fmt: skip


g42 = declared("GOVERN 4.2", "Communication of risks", _PEOPLE)


@measured("GOVERN 4.3", "Testing, incidents and information sharing")
def g43(e: Evidence) -> Measure:
    """Revocations take effect: none was used afterwards, and seconds until a call was first refused for one."""
    if not e.revocations:
        return no_data("nothing was revoked", revocations=0)
    if not e.refusals:
        return no_data("no revocation met a call", revocations=len(e.revocations), refused=0)
    times = sorted(seconds for seconds, _ in e.refusals)
    return detected(e, "TOKEN_AFTER_REVOKE", population=len(e.revocations), of="revocations", refused=len(times),
                    first_refusal_s=times[0], median_refusal_s=times[len(times) // 2])  # fmt: skip


g51 = not_here("GOVERN 5.1", "Feedback from outside", "not seen from here")
g52 = not_here("GOVERN 5.2", "Adjudicated feedback", "not seen from here")


@measured("GOVERN 6.1", "Third-party risks")
def g61(e: Evidence) -> Measure:
    """External agents have owner and expiry."""
    return same(owasp_nhi.nhi3, e)


@measured("GOVERN 6.2", "Contingency for third-party failures")
def g62(e: Evidence) -> Measure:
    """A revocation drill: within 90 days authority was taken away, whether in earnest or as an exercise."""
    if not e.tokens:
        return no_data("no token was ever issued", tokens=0)
    recent = [one for one in e.revocations if one.get("us") is not None and e.now_us - one["us"] <= REVIEW_US]
    rows = [] if recent else [{"seq": one.get("seq")} for one in e.revocations[-1:]] or [{"revocations": 0}]
    return judged(rows, "authority was taken away within 90 days", "nobody took authority away within 90 days",
                  revocations=len(e.revocations), recent=len(recent))  # fmt: skip


CONTROLS = (g11, g12, g13, g14, g15, g16, g17, g21, g22, g23, g31, g32, g41, g42, g43, g51, g52, g61, g62)
