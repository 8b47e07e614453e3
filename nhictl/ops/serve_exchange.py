"""Token exchange for a client at the other end of a connection, which may be gone before its token comes."""

from __future__ import annotations

import threading
from typing import Any, NamedTuple

from nhictl.core import strict_json
from nhictl.core.token import b64
from nhictl.core.trust.value import Trust
from nhictl.errors import InputError
from nhictl.ops import exchange_checks, policies, reading
from nhictl.ops.exchange_token import Exchanged, Refused, exchange
from nhictl.ops.house import House
from nhictl.ops.revoke_token import Selector, revoke
from nhictl.store import sqlite, trusts

_ACCESS = "urn:ietf:params:oauth:token-type:access_token"


class Asked(NamedTuple):
    """What a client asks for, as it said it."""

    token: bytes
    audience: str
    intent: str
    purpose: str | None = None
    trust: str | None = None
    scope: tuple[str, ...] = ()
    ttl: str | None = None
    deadline: str | None = None


class Exchanging:
    """One exchange. What was issued to a client that is gone is revoked, whenever that is learned."""

    def __init__(self, asked: Asked) -> None:
        self._asked = asked
        self._lock = threading.Lock()
        self._gone = False
        self._jti: str | None = None

    def __call__(self, house: House) -> dict[str, Any] | Refused:
        """The members of a token response (RFC 8693 §2.2.1), or the refusal. Raises what `exchange` raises."""
        asked = self._asked
        policy = policies.active(house) if asked.scope else None
        wanted = exchange_checks.Asked(
            asked.intent, asked.audience, reading.boxes(policy, list(asked.scope), None),
            reading.seconds("ttl", asked.ttl) if asked.ttl else None,
            reading.seconds("deadline", asked.deadline) if asked.deadline else None, asked.purpose,
        )  # fmt: skip
        answer, head = exchange(house, asked.trust or _trusting(house, asked.token), asked.token, wanted)
        if isinstance(answer, Refused):
            return answer
        with self._lock:
            self._jti, gone = answer.issued.jti, self._gone
        if gone:
            self.revoke(house)
        return _response(answer, head.to_json() if head is not None else None)

    def abandon(self) -> None:
        """Nobody waits any more: what is issued from now on is revoked where it is issued."""
        with self._lock:
            self._gone = True

    def revoke(self, house: House) -> None:
        """Revoke what was issued."""
        if self._jti is not None:
            revoke(house, Selector(jti=self._jti), "could not be delivered")


def _trusting(house: House, token: bytes) -> str:
    """The one trust in the token's issuer; InputError (2) if there is none or more: then the client names it."""
    with sqlite.guarded("read the trusts"):
        rows = trusts.in_force(house.db)
    said = _issuer(token)
    found = [trust.name for trust in (Trust.from_json(row.doc) for row in rows) if trust.issuer == said]
    if len(found) != 1:
        raise InputError(
            f"{len(found) or 'no'} trusts in the issuer of `subject_token`: name one with `trust`", code="trust"
        )
    return found[0]


def _issuer(token: bytes) -> str | None:
    """What the token says, believed for nothing but the choice of who checks it."""
    parts = token.strip().split(b".")
    try:
        claims = strict_json.loads(b64.decode(parts[1])) if len(parts) == 3 else None
    except ValueError:
        return None
    found = claims.get("iss") if isinstance(claims, dict) else None
    return found if isinstance(found, str) else None


def _response(made: Exchanged, head: dict[str, Any] | None) -> dict[str, Any]:
    issued = made.issued
    claims = strict_json.loads(b64.decode(issued.token.split(".")[1].encode()))
    return {
        "access_token": issued.token, "issued_token_type": _ACCESS, "token_type": "Bearer",
        "expires_in": claims["exp"] - claims["iat"], "scope": claims["scope"],
        "authorization_details": claims["authorization_details"], "jti": issued.jti, "task": issued.task,
        "trust": made.trust, "log": head,
    }  # fmt: skip
