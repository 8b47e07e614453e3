"""`token verify --offline`: what a verifier elsewhere can tell from the token, the issuer's keys and its status lists.

No home is needed and nothing is recorded. What only the authority knows (whether the task stands, what its policy says,
how often a token was used) is not decided: a revocation shows through a status list, as of the list's own moment.

Profile `generic` is for tokens of issuers that are not nhictl: any algorithm with a public key, unknown header members,
times with fractions, no `jti`; a `sub` that is any name, unless the issuer is a SPIFFE trust domain or the name is a SPIFFE
ID. Everything else is as strict as for our own: one `aud`, an hour of life at most, a `kid` that names one key.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypeVar

from nhictl.core.identity import spiffe
from nhictl.core.token import claims, compact, jwks, profile, state, status_list
from nhictl.core.token.verdict import RejectedError, Verdict
from nhictl.errors import InputError
from nhictl.ops import reading
from nhictl.ops.token_facts import Question
from nhictl.ops.verify_token import check_details

_UNUSABLE = frozenset({"set_malformed", "set_mixed"})
T = TypeVar("T")


class Known(NamedTuple):
    """What the verifier has: the issuer, its keys (a JWK set or SPIFFE bundle), status list tokens, and how old one may be."""

    issuer: str
    keys: Any
    lists: Sequence[bytes] = ()
    max_stale_s: int = reading.MAX_STALE_S
    trust_domain: str | None = None


class Verifier:
    """What is known, read once for as many questions as are asked: keys of each profile, and the lists' signatures."""

    def __init__(self, known: Known) -> None:
        self.known = known
        self._read: dict[str, Any] = {}

    def issuer(self, kind: str) -> claims.Issuer:
        """The issuer as tokens of profile `kind` are checked by; InputError (2) for keys that are no set of public keys."""
        return self._once(f"issuer {kind}", lambda: _issuer(self.known, kind))

    def lists(self, kind: str) -> list[status_list.Signed]:
        """The status lists, each with its signature checked; RejectedError `status_list_invalid` for one that is none."""
        return self._once(
            f"lists {kind}", lambda: [status_list.parse(data, self.issuer(kind)) for data in self.known.lists]
        )

    def _once(self, what: str, make: Callable[[], T]) -> T:
        if what not in self._read:
            try:
                self._read[what] = make()
            except RejectedError as e:
                self._read[what] = e
        found: T | RejectedError = self._read[what]
        if isinstance(found, RejectedError):
            raise RejectedError(found.step, found.reason, found.message)
        return found


def verify_offline(known: Known | Verifier, asked: Question, now_us: int) -> Verdict:
    """Judge by what is known alone, as of `asked.at_us` or now.

    InputError (2) for keys that are no set of public keys. A token that names a status list is undecidable without that
    list, and of a past moment without one that was made by then; one that names none is taken as it is, and
    `status.source` says `none`.
    """
    verifier = known if isinstance(known, Verifier) else Verifier(known)
    kind = asked.kind if asked.kind == profile.GENERIC else profile.known(asked.kind)
    issuer = verifier.issuer(kind)
    at_us = now_us if asked.at_us is None else asked.at_us
    source, age = "none", 0
    try:
        mine = _claims(issuer, kind, asked, at_us)
        if verifier.known.lists or "status" in mine:
            source = "list"
            past = asked.at_us is not None and asked.at_us < now_us
            age = status_list.status(mine, verifier.lists(kind), at_us, verifier.known.max_stale_s, past=past)
        if mine.get("nhictl", {}).get("uses") is not None:
            raise RejectedError(18, "use_required", "a use-limited token is decided by its authority only")
        if asked.tool is not None:
            _check_call(asked, mine)
    except RejectedError as e:
        return Verdict(e.reason, e.step, message=e.message, source=source if e.step >= 17 else "none", age_s=age)
    return Verdict("valid", 17 if asked.tool is None else 19, claims=mine, source=source, age_s=age)


def ask(known: Known | Verifier, asked: Question, now_us: int) -> tuple[dict[str, Any], int]:
    """The members of `nhictl.verdict/v1` on one question, and the exit status that goes with them."""
    verdict = verify_offline(known, asked, now_us)
    hypothetical = {"hypothetical": True} if asked.at_us is not None else {}
    return {**verdict.to_json(), "recorded": False, "offline": True, **hypothetical}, verdict.exit


def _claims(issuer: claims.Issuer, kind: str, asked: Question, at_us: int) -> dict[str, Any]:
    """Steps 1 to 16; the claims, which hold as far as the token, the keys and the proof say."""
    foreign = kind == profile.GENERIC
    parsed = compact.parse(asked.token, profile.TYPS[kind], issuer.algorithms, foreign=foreign)
    mine = parsed.claims
    claims.check_signature(parsed, claims.choose_issuer(mine, (issuer,), kind))
    claims.check_types(mine, kind)
    claims.check_times(mine, at_us, kind)
    claims.check_audience(mine, asked.audience)
    named = foreign and not issuer.trust_domain and not mine["sub"].lower().startswith("spiffe:")
    if not named:
        _check_subject(mine, issuer.trust_domain)
    state.check_chain(mine, issuer.iss, None if foreign else issuer.trust_domain)
    if "cnf" in mine:
        from nhictl.ops import possession

        possession.check(None, asked, parsed, at_us, take=False)
    return mine


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
    return claims.Issuer(known.issuer, keys, domain, _algorithms(kind))


def _algorithms(kind: str) -> frozenset[str]:
    """Step 6: what an issuer may sign with; a foreign one with anything that has a public key."""
    if kind != profile.GENERIC:
        return claims.OWN_ALGORITHMS
    from nhictl.core.token import algorithms

    return algorithms.ALGORITHMS
