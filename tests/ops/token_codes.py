"""Every reason code there is, by the step that gives it, and where each is shown."""

from __future__ import annotations

from typing import Final

CODES: Final[dict[int, str]] = {
    1: "token_too_large token_empty",
    2: "token_bad_charset token_bad_segments token_is_jwe token_json_serialization token_bad_base64",
    3: "header_bad_json header_duplicate_member",
    4: "header_crit_unsupported header_forbidden header_key_injection header_unexpected",
    5: "typ_missing typ_mismatch",
    6: "alg_none alg_not_allowed",
    7: "claims_bad_json claims_duplicate_member",
    8: "iss_missing iss_untrusted",
    9: "kid_missing kid_unknown kid_ambiguous key_alg_mismatch key_use_mismatch key_private key_too_small key_revoked",
    10: "signature_invalid",
    11: "claim_missing:NAME claim_type:NAME",
    12: "token_expired token_not_yet_valid iat_in_future exp_before_iat lifetime_too_long clock_regressed",
    13: "aud_mismatch aud_multiple",
    14: "sub_invalid trust_domain_mismatch agent_unknown agent_suspended agent_retired",
    15: "act_malformed act_depth actor_not_active may_act_violation",
    16: "pop_required cnf_unsupported mtls_mismatch dpop_malformed dpop_typ dpop_alg dpop_private_jwk dpop_signature"
    " dpop_missing:NAME dpop_htm dpop_htu dpop_iat dpop_ath dpop_key_mismatch dpop_replay",
    17: "status_missing status_malformed status_list_unavailable status_list_invalid status_list_expired"
    " status_list_stale status_index_out_of_range token_revoked token_suspended token_unknown status_unknown_value",
    18: "jti_replayed uses_exhausted use_required",
    19: "task_closed task_killed lease_lost frozen authz_insufficient constraint_unknown scope_insufficient",
    20: "not_permitted forbidden invalid_request limit_exceeded",
}
DOCUMENTED: Final = frozenset((step, code) for step, codes in CODES.items() for code in codes.split())
ELSEWHERE: Final[dict[str, str]] = {
    "key_too_small": "foreign", "status_missing": "foreign", "status_malformed": "foreign",
    "status_list_unavailable": "foreign", "status_list_invalid": "foreign", "status_list_expired": "foreign",
    "status_list_stale": "foreign", "status_index_out_of_range": "foreign", "status_unknown_value": "foreign",
    "token_suspended": "foreign", "jti_replayed": "exchange", "clock_regressed": "times",
}  # fmt: skip
"""Codes that no token of our own meets before its own store, and the table of vectors that shows each instead: tokens far
from their authority (`token_vectors_foreign`), CI tokens (`test_exchange_attacks`), the clock (`test_token_times`)."""
REACHABLE: Final = frozenset((step, code) for step, code in DOCUMENTED if code not in ELSEWHERE)


def generic(reason: str) -> str:
    """The code as the table has it: `claim_type:NAME` for `claim_type:exp`."""
    head, colon, _ = reason.partition(":")
    return f"{head}:NAME" if colon else head
