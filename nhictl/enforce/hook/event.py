"""A host's event as a value. Claude Code and Codex send the same members; what a kind of event does not need is not read.

Sources: the hosts' public hook references (`hook_event_name`, `session_id`, `cwd`, `tool_name`, `tool_input`,
`tool_use_id`, `agent_id`, `tool_response`, `error`, `prompt`). Unknown members are ignored, since hosts add some with each
version; what decides has to be there and of its type.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from nhictl.core import strict_json
from nhictl.errors import InputError

MAX_EVENT: Final = 8 << 20
"""Bytes: what a call is decided on is kept as evidence, so it cannot be without bound."""
MAX_DEPTH: Final = 64

CALL: Final = "call"
RETURNED: Final = "returned"
FAILED: Final = "failed"
PROMPT: Final = "prompt"
BEGIN: Final = "begin"
END: Final = "end"
OTHER: Final = "other"
KINDS: Final = {
    "PreToolUse": CALL,
    "PostToolUse": RETURNED,
    "PostToolUseFailure": FAILED,
    "UserPromptSubmit": PROMPT,
    "SessionStart": BEGIN,
    "SessionEnd": END,
}


class Event(NamedTuple):
    """What happened: `kind` one of the words above, `name` as the host calls it; `result` is any JSON, `agent` the
    host's id of a sub-agent whose call it is.
    """

    kind: str
    name: str
    session: str
    cwd: str
    tool: str = ""
    args: dict[str, Any] | None = None
    call: str | None = None
    result: Any = None
    error: str | None = None
    prompt: str = ""
    agent: str | None = None


def parse(data: bytes) -> Event:
    """Read one event; InputError (which blocks) for what is none, or lacks what its kind is decided on."""
    if len(data) > MAX_EVENT:
        raise InputError(f"the event is over {MAX_EVENT >> 20} MiB", code="event_malformed")
    try:
        value = strict_json.loads(data, max_depth=MAX_DEPTH)
    except strict_json.StrictJSONError as e:
        raise InputError(f"the event is not strict JSON: {e}", code="event_malformed") from e
    if not isinstance(value, dict):
        raise InputError("the event is no object", code="event_malformed")
    name = _text(value, "hook_event_name", 64)
    event = Event(KINDS.get(name, OTHER), name, _text(value, "session_id", 256), _text(value, "cwd", 4096))
    if event.kind in (CALL, RETURNED, FAILED):
        args = value.get("tool_input")
        if not isinstance(args, dict):
            raise InputError("the event's `tool_input` is no object", code="event_malformed")
        event = event._replace(
            tool=_text(value, "tool_name", 256), args=args, call=_call(value), agent=_optional(value, "agent_id")
        )
    if event.kind == RETURNED:
        event = event._replace(result=value.get("tool_response"))
    elif event.kind == FAILED:
        error = value.get("error")
        event = event._replace(error=error if isinstance(error, str) else strict_json.dumps(error))
    elif event.kind == PROMPT:
        event = event._replace(prompt=_text(value, "prompt", MAX_EVENT, empty=True))
    return event


def _text(value: dict[str, Any], name: str, longest: int, *, empty: bool = False) -> str:
    found = value.get(name)
    if not isinstance(found, str) or len(found) > longest or not (found or empty):
        raise InputError(f"the event has no text `{name}` of at most {longest} characters", code="event_malformed")
    return found


def _call(value: dict[str, Any]) -> str | None:
    """The host's id of the call; older versions send none."""
    return _optional(value, "tool_use_id")


def _optional(value: dict[str, Any], name: str) -> str | None:
    return _text(value, name, 256) if value.get(name) is not None else None
