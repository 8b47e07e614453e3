"""One line of `audit record`: an event as an agent framework tells it, checked; what is unknown in it is refused by name.

Members: `type` (`tool.called`, `tool.returned`, `message.added`), `agent`, `task`, `jti`, `token`, `tool`, `call`, `args`,
`resource`, `result`, `content`, `role`, `error`, `outcome` (`ok`, `error`, `denied`), `time` (RFC 3339, the teller's own
clock), `trace`, `span`, `parent`, `op`, and `id`, which is echoed and not kept; of a result also `called`, the number of
the record that allowed the call, and `bytes_out`, the bytes that left with it. Content (`args`, `resource`, `result`,
`content`, `error`) is any JSON; the others are texts that stand in the line, so they are short and printable ASCII.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from nhictl.core import times
from nhictl.errors import InputError

TYPES: Final = {"tool.called": "execute_tool", "tool.returned": "execute_tool", "message.added": "chat"}
"""What may be told, with the operation that OpenTelemetry's GenAI conventions call it (`gen_ai.operation.name`)."""

_OUTCOMES: Final = {"ok": "ok", "error": "error", "denied": "deny", None: "ok"}
_TEXTS: Final = {
    "agent": 256, "task": 64, "jti": 64, "tool": 256, "call": 256, "trace": 128, "span": 128, "parent": 128, "op": 64,
    "role": 64,
}  # fmt: skip
_SEALED: Final = {"args": "args", "resource": "res", "result": "result", "content": "prompt", "error": "error"}
_OTHERS: Final = frozenset({"type", "outcome", "time", "token", "called", "bytes_out"})
_COUNTS: Final = {"called": 2**53, "bytes_out": 10**15}
_OF_TYPE: Final = {
    "tool.called": frozenset({"content", "role", "called", "bytes_out"}),
    "tool.returned": frozenset({"content", "role", "args", "resource"}),
    "message.added": frozenset({"args", "resource", "result", "tool", "call", "called", "bytes_out"}),
}
"""Members that a type does not have."""


class Told(NamedTuple):
    """A checked event: members of the record line, content by label, the names it claims, and a token to prove them by."""

    kind: str
    outcome: str
    agent: str | None
    task: str | None
    jti: str | None
    token: bytes | None
    fields: dict[str, Any]
    sealed: dict[str, Any]
    ext: dict[str, Any]
    called: int | None = None
    bytes_out: int = 0


def read(value: Any) -> Told:
    """Check one line's object; InputError (2) says what is wrong with it."""
    if not isinstance(value, dict):
        raise _bad("a line is one JSON object")
    kind = value.get("type")
    if not isinstance(kind, str) or kind not in TYPES:
        raise _bad(f"`type` has to be one of {', '.join(TYPES)}")
    given = {name: one for name, one in value.items() if one is not None}
    if extra := sorted(given.keys() - _TEXTS.keys() - _SEALED.keys() - _OTHERS):
        raise _bad(f"no member `{extra[0][:64]}` in an event")
    if wrong := sorted(given.keys() & _OF_TYPE[kind]):
        raise _bad(f"`{kind}` has no `{wrong[0]}`")
    for name, most in _TEXTS.items():
        _text(name, given.get(name), most)
    for name, top in _COUNTS.items():
        if type(number := given.get(name, 0)) is not int or not 0 <= number <= top:
            raise _bad(f"`{name}` has to be a number from 0 to {top}")
    if "bytes_out" in given and "called" not in given:
        raise _bad("`bytes_out` goes with `called`")
    if kind == "tool.called" and "tool" not in given:
        raise _bad("`tool.called` needs a `tool`")
    outcome = given.get("outcome")
    if not isinstance(outcome, str | None) or outcome not in _OUTCOMES:
        raise _bad("`outcome` has to be ok, error or denied")
    fields = {name: given[name] for name in ("tool", "call", "trace", "span") if name in given}
    fields |= {"pspan": given.get("parent"), "op": given.get("op", TYPES[kind])}
    sealed = {label: given[name] for name, label in _SEALED.items() if name in given}
    return Told(
        kind, _OUTCOMES[outcome], given.get("agent"), given.get("task"), given.get("jti"), _token(given.get("token")),
        fields, sealed, _ext(given), given.get("called"), given.get("bytes_out", 0),
    )  # fmt: skip


def _ext(given: dict[str, Any]) -> dict[str, Any]:
    ext: dict[str, Any] = {name: given[name] for name in ("role", "called", "bytes_out") if name in given}
    if (time := given.get("time")) is not None:
        try:
            if not isinstance(time, str):
                raise TypeError("not a text")
            ext["time"] = times.rfc3339(times.parse_rfc3339(time))
        except (ValueError, TypeError) as e:
            raise _bad(f"`time`: {e}") from e
    return ext


def _token(value: Any) -> bytes | None:
    if value is None:
        return None
    if not isinstance(value, str) or not value.isascii():
        raise _bad("`token` has to be a token's text")
    return value.encode()


def _text(name: str, value: Any, most: int) -> None:
    if value is None:
        return
    if not isinstance(value, str) or not 1 <= len(value) <= most or not value.isascii() or not value.isprintable():
        raise _bad(f"`{name}` has to be 1 to {most} printable ASCII characters")


def _bad(message: str) -> InputError:
    return InputError(message, code="invalid_event")
