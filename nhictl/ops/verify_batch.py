"""`token verify --batch`: one question a line, each answered from a fresh read, so that no line misses a revocation.

A line may be answered `offline`, by keys and lists that the command line or the line itself brings along.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from nhictl.core.token import profile
from nhictl.errors import InputError
from nhictl.ops import reading
from nhictl.ops.house import House
from nhictl.ops.token_facts import Question
from nhictl.ops.verify_token import ask

if TYPE_CHECKING:
    from nhictl.ops.verify_offline import Verifier

_TEXTS: Final = (
    "token", "audience", "tool", "resource", "at", "profile", "dpop_proof", "htm", "htu", "client_cert", "issuer",
    "max_stale",
)  # fmt: skip
_OBJECTS: Final = ("args", "context", "jwks")
_FLAGS: Final = ("consume", "offline")
_FAR: Final = ("jwks", "issuer", "status_list", "max_stale")


def answer(
    house: House, line: dict[str, Any], defaults: dict[str, Any], verifier: Verifier | None = None
) -> dict[str, Any]:  # fmt: skip
    """The verdict on one line; `defaults` holds what the command line says for lines that do not, `verifier` its keys.

    InputError (2) for a member that is missing, unknown or of another type; `consume` makes a line a live check.
    """
    given = {key: value for key, value in defaults.items() if value is not None} | line
    _check_members(given)
    live, far = bool(given.get("consume")), bool(given.get("offline"))
    if not far and any(given.get(name) is not None for name in _FAR):
        raise InputError(
            "`jwks`, `issuer`, `status_list` and `max_stale` go with `offline`", code="invalid_request_line"
        )
    asked = question(house, given)
    if not far:
        return ask(house, asked, live=live)[0]
    if live or asked.context:
        raise InputError("`offline` goes with neither `consume` nor `context`", code="invalid_request_line")
    from nhictl.ops import verify_offline

    return verify_offline.ask(_verifier(given, verifier), asked, house.clock())[0]


def _check_members(given: dict[str, Any]) -> None:
    if extra := sorted(given.keys() - {*_TEXTS, *_OBJECTS, *_FLAGS, "status_list", "supported"}):
        raise InputError(f"no member `{extra[0]}` in a line of this check", code="invalid_request_line")
    for name in _TEXTS:
        if not isinstance(given.get(name), str | None):
            raise InputError(f"`{name}` has to be a string", code="invalid_request_line")
    for name in _OBJECTS:
        if not isinstance(given.get(name), dict | None):
            raise InputError(f"`{name}` has to be an object", code="invalid_request_line")
    for name in _FLAGS:
        if not isinstance(given.get(name), bool | None):
            raise InputError(f"`{name}` has to be true or false", code="invalid_request_line")
    lists = given.get("status_list")
    if lists is not None and not (isinstance(lists, list) and all(isinstance(each, str) for each in lists)):
        raise InputError("`status_list` has to be a list of strings", code="invalid_request_line")


def question(house: House, given: dict[str, Any]) -> Question:
    """A line's members as a question; a token too large to be one is a verdict, not a malformed line."""
    for name in ("token", "audience"):
        if given.get(name) is None:
            raise InputError(f"a line needs `{name}`", code="invalid_request_line")
    tool = given.get("tool")
    if tool is None and any(given.get(name) is not None for name in ("args", "resource", "context")):
        raise InputError(
            "`args`, `resource` and `context` describe a call: name its `tool`", code="invalid_request_line"
        )
    at_us = reading.moment("at", given["at"], house.clock()) if given.get("at") is not None else None
    token = given["token"].encode()
    return Question(
        token[: reading.TOKEN_LIMIT], given["audience"], tool, (given.get("args") or {}) if tool is not None else None,
        given.get("resource"), given.get("context") or {}, at_us, given.get("profile") or profile.AT_JWT,
        _proof(given), _certificate(given), reading.supported(given.get("supported")),
    )  # fmt: skip


def _proof(given: dict[str, Any]) -> tuple[bytes, str, str] | None:
    text, method, address = (given.get(name) for name in ("dpop_proof", "htm", "htu"))
    if text is None and method is None and address is None:
        return None
    if text is None or method is None or address is None:
        raise InputError("`dpop_proof`, `htm` and `htu` go together", code="invalid_request_line")
    return text.encode(), method, address


def _certificate(given: dict[str, Any]) -> bytes | None:
    if given.get("client_cert") is None:
        return None
    from nhictl.ops import binding

    return binding.certificate(given["client_cert"].encode(), "client_cert")


def _verifier(given: dict[str, Any], verifier: Verifier | None) -> Verifier:
    """What the line is judged by: the command line's keys and lists as they are, or with what the line says instead."""
    from nhictl.ops.verify_offline import Known, Verifier

    said = {name: given[name] for name in _FAR if given.get(name) is not None}
    if verifier is not None and not said:
        return verifier
    known = verifier.known if verifier is not None else None
    issuer, keys = said.get("issuer", known and known.issuer), said.get("jwks", known and known.keys)
    if issuer is None or keys is None:
        raise InputError("an `offline` line needs `jwks` and `issuer`", code="invalid_request_line")
    lists = (
        tuple(each.encode() for each in said["status_list"]) if "status_list" in said else known.lists if known else ()
    )
    stale = reading.seconds("max_stale", said["max_stale"]) if "max_stale" in said else None
    return Verifier(Known(issuer, keys, lists, stale or (known.max_stale_s if known else reading.MAX_STALE_S)))
