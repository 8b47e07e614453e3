"""What is wrong with a SPIFFE bundle (SPIFFE Trust Domain and Bundle §4): a JWK set with its own rules for `use`.

Keys to check JWT-SVIDs carry a `kid` and no certificate, keys to check X509-SVIDs exactly one certificate and no `kid`;
both are RSA or EC. Errors and warnings as in `core.token.jwks`; no keys at all is allowed and means that all are revoked.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from nhictl.core.identity import certificate
from nhictl.core.token import jwk as keys
from nhictl.core.token import jws
from nhictl.core.token.jwks import Finding, check_key, check_kids, entries_of, kid_of

JWT: Final = "jwt-svid"
X509: Final = "x509-svid"
_NUMBERS: Final = (
    ("spiffe_sequence", "sequence", 0, "readers cannot tell a new bundle from an old one"),
    ("spiffe_refresh_hint", "refresh_hint", 1, "readers choose how long they trust a revoked key"),
)


def lint(value: Any) -> list[Finding]:
    """Everything there is to say about a bundle: its own members, key by key, then the keys together."""
    entries = entries_of(value)
    if isinstance(entries, Finding):
        return [entries]
    found = list(_check_numbers(value))
    for index, entry in enumerate(entries):
        found.extend(_lint_key(entry, index))
    found.extend(check_kids(entries))
    if not entries:
        found.append(Finding("bundle_empty", "no key: everything of this trust domain is revoked", error=False))
    return found


def _check_numbers(bundle: dict[str, Any]) -> Iterator[Finding]:
    for name, short, least, without in _NUMBERS:
        number = bundle.get(name)
        if name not in bundle:
            yield Finding(f"{short}_missing", f"`{name}` is missing: {without}", error=False)
        elif not isinstance(number, int) or isinstance(number, bool) or not least <= number < 1 << 63:
            yield Finding(f"{short}_malformed", f"`{name}` is no whole number from {least} on")


def _lint_key(entry: Any, index: int) -> Iterator[Finding]:
    if not isinstance(entry, dict):
        yield Finding("key_malformed", "the key is no JSON object", index)
        return
    kid, use = kid_of(entry), entry.get("use")
    if use not in (JWT, X509):
        if not jws.SECRET.isdisjoint(entry) or entry.get("kty") == "oct":
            yield Finding("key_private", "the key holds a private or secret member", index, kid)
        if "use" in entry and isinstance(use, str):
            message = f"readers pass over a key that is neither {JWT} nor {X509}"
            yield Finding("use_unknown", message, index, kid, error=False)
        else:
            yield Finding("use_missing", f"the key says neither {JWT} nor {X509}", index, kid)
        return
    if entry.get("kty") == "OKP":
        yield Finding("key_unsupported", "SPIFFE takes RSA and EC keys only", index, kid)
    found = list(check_key(entry, index, use))
    yield from found
    if use == JWT:
        yield from _jwt(entry, index)
    else:
        yield from _x509(entry, index, sound=not found)


def _jwt(entry: dict[str, Any], index: int) -> Iterator[Finding]:
    kid = kid_of(entry)
    if "kid" not in entry or kid == "":
        yield Finding("kid_missing", f"a {JWT} key is chosen by its `kid`", index)
    if "x5c" in entry:
        yield Finding("x5c_unexpected", f"a {JWT} key carries no certificate", index, kid)


def _x509(entry: dict[str, Any], index: int, *, sound: bool) -> Iterator[Finding]:
    """`sound`: the key's own numbers can be compared with those of its certificate."""
    kid = kid_of(entry)
    if "kid" in entry:
        yield Finding("kid_unexpected", f"an {X509} key is chosen by its certificate and has no `kid`", index, kid)
    chain = entry.get("x5c")
    if not isinstance(chain, list) or len(chain) != 1 or not isinstance(chain[0], str):
        code = "x5c_malformed" if "x5c" in entry else "x5c_missing"
        yield Finding(code, f"an {X509} key carries exactly one certificate in `x5c`", index, kid)
        return
    try:
        parsed = certificate.parse(chain[0])
    except ValueError as e:
        yield Finding("x5c_malformed", f"the certificate {e}", index, kid)
        return
    if sound and not certificate.holds(parsed, keys.public(entry)):
        yield Finding("x5c_key_mismatch", "the certificate is about another key", index, kid)
    if not certificate.is_authority(parsed):
        message = "the certificate is not that of an authority: nothing it signed will be accepted"
        yield Finding("x5c_not_ca", message, index, kid, error=False)
