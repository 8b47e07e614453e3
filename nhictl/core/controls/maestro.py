"""CSA MAESTRO's seven layers (reference/controls.md)."""

from __future__ import annotations

from nhictl.core.controls import owasp_asi, owasp_nhi
from nhictl.core.controls.evidence import Evidence
from nhictl.core.controls.measure import (
    MET,
    NOT_MET,
    Control,
    Measure,
    detected,
    judged,
    measured,
    no_data,
    not_here,
    worse,
)

GOOD = ("VERIFIED", "VERIFIED_UNANCHORED")

l1 = not_here("L1", "Foundation Models", "models are not seen from here")
l2 = not_here("L2", "Data Operations", "training data and retrieval are not seen from here")


@measured("L3", "Agent Frameworks")
def l3(e: Evidence) -> Measure:
    """Tools granted against tools used, over ended tasks."""
    return same(owasp_nhi.nhi5, e)


@measured("L4", "Deployment Infrastructure")
def l4(e: Evidence) -> Measure:
    """Every agent names its environment; files of the home are its owner's alone."""
    if not e.agents:
        return no_data("no agent is registered", agents=0)
    rows = [{"agent": agent.name} for agent in e.agents if not agent.env]
    named = judged(rows, "every agent names its environment", "agents without an environment", agents=len(e.agents),
                   unlabelled=len(rows))  # fmt: skip
    return worse(named, owasp_nhi.files(e))


@measured("L5", "Evaluation & Observability")
def l5(e: Evidence) -> Measure:
    """The log verifies, and what it leaves unproven."""
    if not e.records:
        return no_data("the log is empty", records=0)
    numbers = {"records": e.records, "verdict": e.verdict, "unproven": len(e.unproven)}
    rows = tuple({"unproven": what} for what in e.unproven)
    if e.verdict not in GOOD:
        return Measure(NOT_MET, f"the log's verdict is {e.verdict}", numbers, ({"verdict": e.verdict}, *rows))
    log = Measure(MET, f"the log is {e.verdict}", numbers, rows)
    return worse(log, detected(e, "CLOCK_REGRESSION", "CALL_RESULT_MISMATCH", population=e.records, of="records"))


@measured("L6", "Security & Compliance")
def l6(e: Evidence) -> Measure:
    """Lifetimes of tokens, approvals as a second look, and a registry that knows every agent that acted."""
    found = [same(owasp_nhi.nhi7, e), registry(e)]
    if e.approvals:
        found.append(same(owasp_asi.asi09, e))
    return worse(*found)


@measured("L7", "Agent Ecosystem")
def l7(e: Evidence) -> Measure:
    """How deep delegation goes, and whether any widened what it was given."""
    depth = max((token.depth for token in e.tokens), default=0)
    made = sum(token.depth > 0 for token in e.tokens)
    return detected(e, "DELEGATION_AMPLIFIED", population=made, of="delegated_tokens", deepest=depth)


def registry(e: Evidence) -> Measure:
    """Whether every agent that acted is registered."""
    if not e.calls.seen:
        return no_data("no agent acted", agents_seen=0)
    rows = [{"agent": name, **ref} for name, ref in e.calls.strangers]
    return judged(rows, "every agent that acted is registered", "agents that acted are not registered",
                  agents_seen=e.calls.seen, registered=e.calls.seen - len(rows))  # fmt: skip


def same(control: Control, e: Evidence) -> Measure:
    """What another framework's control comes to; it has to be a measured one."""
    assert control.measure is not None  # noqa: S101  # named in our own code
    return control.measure(e)


CONTROLS = (l1, l2, l3, l4, l5, l6, l7)
