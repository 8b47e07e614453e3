"""`token verify --offline`: what a verifier elsewhere can tell from the token, the issuer's keys and its status lists.

No home is needed and nothing is recorded. What only the authority knows (whether the task stands, what its policy says,
how often a token was used) is not decided: a revocation shows through a status list, as of the list's own moment.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from nhictl.core.identity import spiffe
from nhictl.core.token import claims, compact, jwks, profile, state, status_list
from nhictl.core.token.verdict import RejectedError, Verdict
from nhictl.errors import InputError
from nhictl.ops.house import ALGORITHMS
from nhictl.ops.token_facts import Question
from nhictl.ops.verify_token import check_details

_UNUSABLE = frozenset({"set_malformed", "set_mixed"})


class Known(NamedTuple):
    """What the verifier has: the issuer, its keys (a JWK set or SPIFFE bundle), status list tokens, and how old one may be."""

    issuer: str
    keys: Any
    lists: Sequence[bytes] = ()
    max_stale_s: int = 60
    trust_domain: str | None = None


def verify_offline(known: Known, asked: Question, now_us: int) -> Verdict:
    """Judge by what is known alone, as of `asked.at_us` or now.

    InputError (2) for keys that are no set of public keys. A token that names a status list is undecidable without that
    list; one that names none is taken as it is, and `status.source` says `none`.
    """
    issuer = _issuer(known, asked.kind)
    at_us = now_us if asked.at_us is None else asked.at_us
    source, age = "none", 0
    try:
        parsed = compact.parse(asked.token, profile.TYPS[profile.known(asked.kind)], issuer.algorithms)
        mine = parsed.claims
        claims.check_signature(parsed, claims.choose_issuer(mine, (issuer,), asked.kind))
        claims.check_types(mine, asked.kind)
        claims.check_times(mine, at_us, asked.kind)
        claims.check_audience(mine, asked.audience)
        _check_subject(mine, issuer.trust_domain)
        state.check_chain(mine, issuer.iss, issuer.trust_domain)
        if "cnf" in mine:
            from nhictl.ops import possession

            possession.check(None, asked, parsed, at_us, take=False)
        if known.lists or "status" in mine:
            source = "list"
            lists = [status_list.parse(data, issuer) for data in known.lists]
            age = status_list.status(mine, lists, at_us, known.max_stale_s)
        if mine.get("nhictl", {}).get("uses") is not None:
            raise RejectedError(18, "use_required", "a use-limited token is decided by its authority only")
        if asked.tool is not None:
            _check_call(asked, mine)
    except RejectedError as e:
        return Verdict(e.reason, e.step, message=e.message, source=source if e.step >= 17 else "none", age_s=age)
    return Verdict("valid", 17 if asked.tool is None else 19, claims=mine, source=source, age_s=age)


def _check_subject(mine: dict[str, Any], trust_domain: str) -> None:
    """Step 14, without the agent's state, which only the authority knows."""
    try:
        domain, path = spiffe.parse(mine["sub"])
    except ValueError as e:
        raise RejectedError(14, "sub_invalid", str(e)) from e
    if not path:
        raise RejectedError(14, "sub_invalid", "a trust domain is no agent")
    if trust_domain and domain != trust_domain:
        raise RejectedError(14, "trust_domain_mismatch")


def _check_call(asked: Question, mine: dict[str, Any]) -> None:
    """Step 19 without the task's state. A JWT-SVID says nothing about calls."""
    if asked.kind == profile.JWT_SVID:
        raise RejectedError(19, "indeterminate", "a jwt-svid does not say what it allows: ask its authority")
    check_details(None, profile.boxes(mine.get("authorization_details", [])), asked, mine.get("scope", ""))


def _issuer(known: Known, kind: str) -> claims.Issuer:
    """The issuer with its keys; a SPIFFE bundle's are taken for JWT-SVIDs, and then its X.509 authorities are left out."""
    entries = jwks.entries_of(known.keys)
    if isinstance(entries, jwks.Finding):
        raise InputError(f"the keys: the set {entries.message}", code="invalid_jwks")
    if kind == profile.JWT_SVID:
        entries = [
            {**entry, "use": "sig"} if entry.get("use") == "jwt-svid" else entry
            for entry in entries
            if isinstance(entry, dict) and entry.get("use") != "x509-svid"
        ]
    for finding in jwks.lint({"keys": entries}):
        if finding.code in _UNUSABLE:
            raise InputError(f"the keys: the set {finding.message}", code="invalid_jwks")
    keys = tuple((entry, False) for entry in entries if isinstance(entry, dict))
    domain = known.trust_domain or (
        known.issuer.removeprefix("spiffe://") if known.issuer.startswith("spiffe://") else ""
    )
    return claims.Issuer(known.issuer, keys, domain, ALGORITHMS)
