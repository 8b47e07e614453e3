"""The key a token is bound to: that of its holder, or one made for the occasion, known by its public part or certificate."""

from __future__ import annotations

import json
from typing import Final

from nhictl.core import strict_json
from nhictl.core.token.confirmation import JKT, Confirmation, of_certificate
from nhictl.errors import ConflictError, InputError
from nhictl.store import agents as agent_table

OWN: Final = "agent"
"""As a binding: the holder's registered key."""
Bound = str | Confirmation
"""A binding: `agent`, or the key."""
_PEM: Final = b"-----BEGIN "


def given(data: bytes, file: str) -> Confirmation:
    """What a file binds to: a JWK by its thumbprint (DPoP), a certificate in PEM by its own (mutual TLS).

    InputError (2) for a private key, for one that no proof could be by, and for more than one certificate.
    """
    if data.lstrip().startswith(_PEM):
        return of_certificate(certificate(data, file))
    from nhictl.core.token import jwk
    from nhictl.core.token.jws import KeyFaultError

    try:
        key = strict_json.loads(data)
    except strict_json.StrictJSONError as e:
        raise InputError(f"not a JWK: {e}", file=file, line=e.line, column=e.column, code="key_malformed") from e
    if not isinstance(key, dict):
        raise InputError("not a JWK: no object", file=file, code="key_malformed")
    try:
        for reason, message in jwk.member_faults(key):
            raise KeyFaultError(reason, message)
        jwk.public(key)
        return Confirmation(JKT, jwk.thumbprint(key))
    except KeyFaultError as e:
        hint = "bind to the public part only" if e.reason == "key_private" else None
        raise InputError(f"the key {e}", file=file, code=e.reason, hint=hint) from e


def certificate(data: bytes, file: str) -> bytes:
    """The one certificate in a PEM file, in DER; InputError (2) for anything else."""
    from nhictl.core.identity import certificate as x509

    try:
        return x509.der_of(data)
    except x509.CertificateFaultError as e:
        raise InputError(str(e), file=file, code=e.code) from e


def confirmed(bind: Bound | None, holder: agent_table.AgentRow) -> dict[str, str] | None:
    """What `cnf` says for a binding, None for a bearer's token; ConflictError (5) for a holder without a key of its own."""
    if bind is None or isinstance(bind, Confirmation):
        return None if bind is None else bind.to_json()
    kid: str | None = json.loads(holder.doc)["kid"]
    if kid is None:
        raise ConflictError(
            f"agent `{holder.name}` has no key to bind to", code="agent_key_missing",
            hint=f"nhictl agent rotate-key {holder.name} --public-key FILE, or --bind FILE",
        )  # fmt: skip
    return Confirmation(JKT, kid).to_json()
