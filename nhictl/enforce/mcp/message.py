"""JSON-RPC 2.0 messages, as far as a guard has to understand them (jsonrpc.org specification §4–6; MCP "Base Protocol").

Strict: what two readers could take for different messages is no message. Some readers take `Method` for `method` (Go's
`encoding/json` does), so names that differ in case alone are not told apart here either.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from nhictl.core import strict_json

MAX_LINE: Final = 128 << 20
"""Bytes of one message."""
MAX_BATCH: Final = 1000
MAX_DEPTH: Final = 128

PARSE_ERROR: Final = -32700
INVALID_REQUEST: Final = -32600
METHOD_NOT_FOUND: Final = -32601
INVALID_PARAMS: Final = -32602
INTERNAL_ERROR: Final = -32603

_ENVELOPE: Final = frozenset(("jsonrpc", "id", "method", "params", "result", "error"))
_CALL: Final = frozenset(("name", "arguments", "task", "_meta"))

Id = tuple[str, Any]
"""An id with its JSON type, so that `1` and `"1"` are two."""


class MessageFaultError(ValueError):
    """The line is no message; `code` is JSON-RPC's."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


class Message(NamedTuple):
    """One message: a request has `method` and `id`, a notification the one, a response the other; `raw` is the object."""

    raw: dict[str, Any]
    method: str | None
    id: Id | None

    @property
    def is_request(self) -> bool:
        """Whether somebody waits for an answer to it."""
        return self.method is not None and self.id is not None

    @property
    def params(self) -> dict[str, Any]:
        """Its parameters by name; none if it has them by place, which MCP never does."""
        found = self.raw.get("params")
        return found if isinstance(found, dict) else {}


def parse(line: bytes) -> tuple[list[Message], bool]:
    """The messages of a line, and whether they came as a batch; MessageFaultError for anything else."""
    if len(line) > MAX_LINE:
        raise MessageFaultError(INVALID_REQUEST, f"a message is at most {MAX_LINE >> 20} MiB")
    try:
        value = strict_json.loads(line, max_depth=MAX_DEPTH)
    except strict_json.StrictJSONError as e:
        raise MessageFaultError(PARSE_ERROR, f"not strict JSON: {e}") from e
    if isinstance(value, list):
        if not 1 <= len(value) <= MAX_BATCH:
            raise MessageFaultError(INVALID_REQUEST, f"a batch holds 1 to {MAX_BATCH} messages")
        return [_one(item) for item in value], True
    return [_one(value)], False


def _one(value: Any) -> Message:
    if not isinstance(value, dict) or value.get("jsonrpc") != "2.0":
        raise MessageFaultError(INVALID_REQUEST, "not a JSON-RPC 2.0 message")
    if _in_disguise(value, _ENVELOPE):
        raise MessageFaultError(INVALID_REQUEST, "a member's name differs from JSON-RPC's in case alone")
    method, ident = value.get("method"), value.get("id")
    if "method" in value and not isinstance(method, str):
        raise MessageFaultError(INVALID_REQUEST, "`method` is no string")
    if "id" in value and "method" in value and (isinstance(ident, bool) or not isinstance(ident, str | int | float)):
        raise MessageFaultError(INVALID_REQUEST, "`id` is neither a string nor a number")
    if method is not None and ("result" in value or "error" in value):
        raise MessageFaultError(INVALID_REQUEST, "a request and a response in one")
    if method is None and "id" not in value:
        raise MessageFaultError(INVALID_REQUEST, "neither a request nor a response")
    if method is None and ("result" in value) == ("error" in value):
        raise MessageFaultError(INVALID_REQUEST, "a response has either a result or an error")
    return Message(value, method, key(ident) if "id" in value and ident is not None else None)


def _in_disguise(value: dict[str, Any], names: frozenset[str]) -> bool:
    return any(name not in names and name.casefold() in names for name in value)


def ambiguous(params: dict[str, Any]) -> bool:
    """Whether a reader that is careless of case could take these parameters of a call for others, at any depth."""
    if _in_disguise(params, _CALL):
        return True
    left: list[Any] = [params]
    while left:
        value = left.pop()
        if isinstance(value, dict):
            if len({name.casefold() for name in value}) != len(value):
                return True
            left += value.values()
        elif isinstance(value, list):
            left += value
    return False


def key(ident: Any) -> Id:
    """An id as a key: `1` and `1.0` are one number, `"1"` is another id."""
    return ("s", ident) if isinstance(ident, str) else ("n", ident)


def dump(value: Any) -> bytes:
    """One line of a message of ours."""
    return strict_json.dumps(value).encode() + b"\n"


def error(ident: Any, code: int, text: str, data: dict[str, Any] | None = None) -> dict[str, Any]:
    """An error response; `ident` as the request gave it, None where it could not be read."""
    said: dict[str, Any] = {"code": code, "message": text}
    if data is not None:
        said["data"] = data
    return {"jsonrpc": "2.0", "id": ident, "error": said}
