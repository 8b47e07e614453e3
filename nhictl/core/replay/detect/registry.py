"""Every detection, in the order of reference/replay.md §3."""

from __future__ import annotations

from typing import Final

from nhictl.core.replay.detect import tokens
from nhictl.core.replay.detect.rule import Rule

RULES: Final[tuple[Rule, ...]] = (
    tokens.token_after_revoke,
    tokens.token_after_expiry,
    tokens.unknown_jti,
    tokens.shared_credential,
    tokens.delegation_amplified,
)
BY_ID: Final = {rule.id: rule for rule in RULES}
