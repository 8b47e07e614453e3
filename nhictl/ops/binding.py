"""The key a token is bound to: that of its holder, or one that was made for the occasion and is known by its public part."""

from __future__ import annotations

import json
from typing import Final

from nhictl.core import strict_json
from nhictl.errors import ConflictError, InputError
from nhictl.store import agents as agent_table

OWN: Final = "agent"
"""As a binding: the holder's registered key."""


def given(data: bytes, file: str) -> str:
    """The thumbprint of the public key in a JWK file; InputError (2) for a private key, or one that no proof could be by."""
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
        return jwk.thumbprint(key)
    except KeyFaultError as e:
        hint = "bind to the public part only" if e.reason == "key_private" else None
        raise InputError(f"the key {e}", file=file, code=e.reason, hint=hint) from e


def thumbprint(bind: str | None, holder: agent_table.AgentRow) -> str | None:
    """What goes into `cnf.jkt` for a binding; ConflictError (5) for a holder without a key of its own."""
    if bind != OWN:
        return bind
    kid: str | None = json.loads(holder.doc)["kid"]
    if kid is None:
        raise ConflictError(
            f"agent `{holder.name}` has no key to bind to", code="agent_key_missing",
            hint=f"nhictl agent rotate-key {holder.name} --public-key FILE, or --bind JWK-FILE",
        )  # fmt: skip
    return kid
