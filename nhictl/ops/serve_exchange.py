"""Token exchange and delegation for a client at the other end of a connection, which may be gone before its token comes."""

from __future__ import annotations

import threading
from typing import Any, NamedTuple

from nhictl.core import strict_json
from nhictl.core.token import b64
from nhictl.core.trust.value import Trust
from nhictl.errors import InputError
from nhictl.ops import binding, delegate_token, exchange_checks, exchange_token, policies, reading
from nhictl.ops.delegation_checks import Wanted
from nhictl.ops.house import House
from nhictl.ops.issue_token import Issued
from nhictl.ops.revoke_token import Selector, revoke
from nhictl.store import sqlite, trusts

_ACCESS = "urn:ietf:params:oauth:token-type:access_token"


class Asked(NamedTuple):
    """What a client asks for, as it said it. `to` names the agent that a task token is delegated to, with the `proof` that a
    bound one takes; without it, `token` is a CI job's own, and `intent` says what for.
    """

    token: bytes
    audience: str | None
    intent: str = ""
    purpose: str | None = None
    trust: str | None = None
    scope: tuple[str, ...] = ()
    ttl: str | None = None
    deadline: str | None = None
    to: str | None = None
    instance: str | None = None
    proof: bytes | None = None


class Refused(NamedTuple):
    """Why nothing was issued, and whether that was recorded."""

    reason: str
    step: int
    message: str
    recorded: bool


class Delivery:
    """One token for a client. What was issued to one that is gone is revoked, whenever that is learned."""

    def __init__(self, asked: Asked) -> None:
        self._asked = asked
        self._lock = threading.Lock()
        self._gone = False
        self._jti: str | None = None

    def __call__(self, house: House) -> dict[str, Any] | Refused:
        """The members of a token response (RFC 8693 §2.2.1), or the refusal. Raises what `exchange` and `delegate` raise."""
        made = (_exchanged if self._asked.to is None else _delegated)(house, self._asked)
        if isinstance(made, Refused):
            return made
        with self._lock:
            self._jti, gone = made["jti"], self._gone
        if gone:
            self.revoke(house)
        return made

    def abandon(self) -> None:
        """Nobody waits any more: what is issued from now on is revoked where it is issued."""
        with self._lock:
            self._gone = True

    def revoke(self, house: House) -> None:
        """Revoke what was issued."""
        if self._jti is not None:
            revoke(house, Selector(jti=self._jti), "could not be delivered")


def _exchanged(house: House, asked: Asked) -> dict[str, Any] | Refused:
    policy = policies.active(house) if asked.scope else None
    wanted = exchange_checks.Asked(
        asked.intent, asked.audience or "", reading.boxes(policy, list(asked.scope), None), _seconds("ttl", asked.ttl),
        _seconds("deadline", asked.deadline), asked.purpose,
    )  # fmt: skip
    answer, head = exchange_token.exchange(house, asked.trust or _trusting(house, asked.token), asked.token, wanted)
    if isinstance(answer, exchange_token.Refused):
        return Refused(answer.reason, answer.step, answer.message, answer.recorded)
    return {**_response(answer.issued), "trust": answer.trust, "log": head.to_json() if head is not None else None}


def _delegated(house: House, asked: Asked) -> dict[str, Any] | Refused:
    """A child of a task token, bound to the key that its holder is registered with: no other could use it."""
    boxes = reading.boxes(policies.active(house), list(asked.scope), None)
    copy = asked.instance or f"serve.{house.random(8).hex()}"  # which copy it is for we cannot see: each is its own
    wanted = Wanted(asked.to or "", boxes, binding.OWN, asked.audience, _seconds("ttl", asked.ttl), copy)
    answer, head = delegate_token.delegate(house, asked.token, wanted, asked.proof)
    if not isinstance(answer, delegate_token.Delegated):
        return Refused(answer.reason, answer.step, answer.message, answer.recorded)
    return {**_response(answer.issued), "act": answer.act, "log": head.to_json() if head is not None else None}


def _seconds(name: str, text: str | None) -> int | None:
    return reading.seconds(name, text) if text else None


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


def _response(issued: Issued) -> dict[str, Any]:
    claims = strict_json.loads(b64.decode(issued.token.split(".")[1]))
    return {
        "access_token": issued.token, "issued_token_type": _ACCESS, "token_type": "DPoP" if "cnf" in claims else "Bearer",
        "expires_in": claims["exp"] - claims["iat"], "scope": claims["scope"],
        "authorization_details": claims["authorization_details"], "jti": issued.jti, "task": issued.task,
    }  # fmt: skip
