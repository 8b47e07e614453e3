"""Every detection, in the order and by the numbers of reference/replay.md §3."""

from __future__ import annotations

from typing import Final

from nhictl.core.replay.detect import approval, calls, flow, grants, second, standing, tokens
from nhictl.core.replay.detect.rule import Rule

RULES: Final[tuple[Rule, ...]] = (
    tokens.token_after_revoke,
    tokens.token_after_expiry,
    tokens.unknown_jti,
    calls.scope_violation,
    calls.decision_mismatch,
    tokens.shared_credential,
    tokens.delegation_amplified,
    standing.orphan_action,
    standing.inactive_agent,
    calls.task_drift,
    flow.untrusted_arg,
    flow.secret_then_egress,
    flow.deny_then_bypass,
    approval.approval_gap,
    standing.stale_authority,
    grants.excess_grant,
    calls.velocity,
    calls.call_result_mismatch,
    standing.clock_regression,
    standing.issuer_anomaly,
    second.second_source_gap,
    second.ambient_credential,
)
BY_ID: Final = {rule.id: rule for rule in RULES}
