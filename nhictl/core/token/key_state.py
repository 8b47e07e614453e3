"""The states of a signing key and what each verb makes of them, after SPIRE's local authorities (its `localauthority` API).

`prepared` is published and has never signed; `active` is the one that signs; `old` has signed and still verifies;
`tainted` still verifies, so that what depends on it can be replaced; `revoked` verifies nothing, for ever. A key never
goes back. SPIRE calls tainting a mark on an old key; here it is a state, because revoking asks for it.
"""

from __future__ import annotations

from typing import Final

PREPARED: Final = "prepared"
ACTIVE: Final = "active"
OLD: Final = "old"
TAINTED: Final = "tainted"
REVOKED: Final = "revoked"

BECOMES: Final[dict[str, dict[str, str]]] = {
    "activate": {PREPARED: ACTIVE},
    "taint": {PREPARED: TAINTED, ACTIVE: TAINTED, OLD: TAINTED},
    "revoke": {TAINTED: REVOKED},
}
"""What a verb makes of a key in a state; what is not here is refused. Activating one makes the former active one old."""

_PREPARE: Final = "make another with: nhictl key prepare"
_TAINT_FIRST: Final = "taint it first: nhictl key taint {kid}"
_HINTS: Final = {
    ("activate", ACTIVE): "it is the one that signs",
    ("activate", OLD): f"a key that was replaced does not come back; {_PREPARE}",
    ("activate", TAINTED): f"it is not to be relied on; {_PREPARE}",
    ("activate", REVOKED): _PREPARE,
    ("taint", TAINTED): "end what it signed with: nhictl key revoke {kid}",
    ("taint", REVOKED): "what it signed is refused already",
    ("revoke", PREPARED): _TAINT_FIRST,
    ("revoke", ACTIVE): _TAINT_FIRST + " --now, which leaves nothing to sign with until another is active",
    ("revoke", OLD): _TAINT_FIRST,
    ("revoke", REVOKED): "what it signed is refused already",
}


def hint(verb: str, state: str, kid: str) -> str | None:
    """What to do instead of a verb that the state refuses."""
    said = _HINTS.get((verb, state))
    return said.format(kid=kid) if said else None
