"""`token verify --batch`: one question a line, each answered from a fresh read, so that no line misses a revocation."""

from __future__ import annotations

from typing import Any, Final

from nhictl.core.token import profile
from nhictl.errors import InputError
from nhictl.ops import reading
from nhictl.ops.house import House
from nhictl.ops.token_facts import Question
from nhictl.ops.verify_token import ask

_TEXTS: Final = ("token", "audience", "tool", "resource", "at", "profile", "dpop_proof", "htm", "htu")
_OBJECTS: Final = ("args", "context")


def answer(house: House, line: dict[str, Any], defaults: dict[str, Any]) -> dict[str, Any]:
    """The verdict on one line; `defaults` holds what the command line says for lines that do not.

    InputError (2) for a member that is missing, unknown or of another type; `consume` makes a line a live check.
    """
    given = {key: value for key, value in defaults.items() if value is not None} | line
    live = given.pop("consume", False)
    asked = question(house, given)
    if not isinstance(live, bool):
        raise InputError("`consume` has to be true or false", code="invalid_request_line")
    return ask(house, asked, live=live)[0]


def question(house: House, given: dict[str, Any]) -> Question:
    """A line's members as a question; a token too large to be one is a verdict, not a malformed line."""
    if extra := sorted(given.keys() - {*_TEXTS, *_OBJECTS, "supported"}):
        raise InputError(f"no member `{extra[0]}` in a line of this check", code="invalid_request_line")
    for name in _TEXTS:
        if not isinstance(given.get(name), str | None):
            raise InputError(f"`{name}` has to be a string", code="invalid_request_line")
    for name in _OBJECTS:
        if not isinstance(given.get(name), dict | None):
            raise InputError(f"`{name}` has to be an object", code="invalid_request_line")
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
        _proof(given), reading.supported(given.get("supported")),
    )  # fmt: skip


def _proof(given: dict[str, Any]) -> tuple[bytes, str, str] | None:
    text, method, address = (given.get(name) for name in ("dpop_proof", "htm", "htu"))
    if text is None and method is None and address is None:
        return None
    if text is None or method is None or address is None:
        raise InputError("`dpop_proof`, `htm` and `htu` go together", code="invalid_request_line")
    return text.encode(), method, address
