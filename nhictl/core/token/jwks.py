"""What is wrong with a set of public keys (RFC 7517 §5): for one that is to be trusted, or published.

An **error** is what makes a verifier refuse a key, take the wrong one, or believe what anybody could have signed; with
one of them the set is not valid. A **warning** works here and may not elsewhere. Errors bear the codes of verification
step 9 where it has one: a key without `kid` is `kid_missing`, two with the same are `kid_ambiguous`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, NamedTuple

from nhictl.core.token import jwk as keys
from nhictl.core.token import jws

MAX_KEYS: Final = 1000
_CERTIFICATE: Final = ("x5c", "x5u", "x5t", "x5t#S256")


class Finding(NamedTuple):
    """One thing said about a set: the code, a sentence, the key's index from 0 and `kid` (None: the whole set)."""

    code: str
    message: str
    key: int | None = None
    kid: str | None = None
    error: bool = True

    def to_json(self) -> dict[str, Any]:
        """The members of a finding: `code severity message key kid`."""
        severity = "error" if self.error else "warning"
        return {"code": self.code, "severity": severity, "message": self.message, "key": self.key, "kid": self.kid}


def lint(value: Any) -> list[Finding]:
    """Everything there is to say about a JWK set that is to verify signatures, key by key, then the set as a whole."""
    entries = entries_of(value)
    if isinstance(entries, Finding):
        return [entries]
    found = [f for index, entry in enumerate(entries) for f in _lint_key(entry, index)]
    found.extend(check_kids(entries))
    found.extend(_check_set(entries))
    return found


def entries_of(value: Any) -> list[Any] | Finding:
    """The entries of a set, or why it is none."""
    if not isinstance(value, dict):
        return Finding("set_malformed", "is no JSON object")
    entries = value.get("keys")
    if not isinstance(entries, list):
        single = "is a single key: put it into `keys`" if "kty" in value else "has no array `keys`"
        return Finding("set_malformed", single)
    if len(entries) > MAX_KEYS:
        return Finding("set_malformed", f"has {len(entries)} keys, at most {MAX_KEYS}")
    return entries


def check_key(entry: dict[str, Any], index: int, use: str) -> Iterator[Finding]:
    """The errors of one key that is to be used for `use`: private, of another kind, too small, malformed, weak."""
    kid = kid_of(entry)
    faults = list(keys.member_faults(entry, use=use))
    yield from (Finding(code, f"the key {message}", index, kid) for code, message in faults)
    if {code for code, _ in faults} & {"key_unsupported", "key_malformed"} or entry.get("kty") == "oct":
        return
    try:
        keys.public(entry)
    except jws.KeyFaultError as e:
        yield Finding(e.reason, f"the key {e}", index, kid)


def check_kids(entries: list[Any]) -> Iterator[Finding]:
    """Every key whose `kid` an earlier key has."""
    first: dict[str, int] = {}
    for index, entry in enumerate(entries):
        kid = kid_of(entry)
        if kid and first.setdefault(kid, index) != index:
            yield Finding("kid_ambiguous", f"key {first[kid]} has the same `kid`", index, kid)


def kid_of(entry: Any) -> str | None:
    """The `kid` of an entry if it has one that is a string."""
    kid = entry.get("kid") if isinstance(entry, dict) else None
    return kid if isinstance(kid, str) else None


def _lint_key(entry: Any, index: int) -> Iterator[Finding]:
    if not isinstance(entry, dict):
        yield Finding("key_malformed", "the key is no JSON object", index)
        return
    kid = kid_of(entry)
    if "kid" not in entry or kid == "":
        yield Finding("kid_missing", "the key has no `kid`: no token can name it", index)
    faults = list(check_key(entry, index, "sig"))
    yield from faults
    if "alg" not in entry and not faults:
        yield Finding("alg_missing", "the key does not say which `alg` it is for", index, kid, error=False)
    if brought := [name for name in _CERTIFICATE if name in entry]:
        message = f"the key has `{brought[0]}`: nobody here looks at certificates, and some libraries refuse the set"
        yield Finding("certificate_ignored", message, index, kid, error=False)


def _check_set(entries: list[Any]) -> Iterator[Finding]:
    if not entries:
        yield Finding("set_empty", "the set has no key: every signature is refused", error=False)
    known = [entry for entry in entries if isinstance(entry, dict) and "kty" in entry]
    kinds = {entry["kty"] == "oct" or "k" in entry for entry in known}
    if len(kinds) == 2:
        yield Finding(
            "set_mixed", "the set mixes public with symmetric keys: a published key could be taken for a secret"
        )
    first: dict[str, int] = {}
    for index, entry in enumerate(entries):
        try:
            mark = jws.thumbprint(entry) if isinstance(entry, dict) else None
        except ValueError:
            continue
        if mark and first.setdefault(mark, index) != index:
            message = f"the key is the same as key {first[mark]}"
            yield Finding("key_duplicate", message, index, kid_of(entry), error=False)
