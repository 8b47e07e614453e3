"""Errors as they are printed on stderr: one JSON object, or a message and a hint."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from nhictl.render.escape import json_text, terminal

if TYPE_CHECKING:
    from nhictl.errors import NhictlError

SCHEMA = "nhictl.error/v1"
WARNING = "nhictl.warning/v1"
# A token pasted in the place of a name must not end up in somebody's CI log: what looks like one is cut short.
_TOKEN = re.compile(r"eyJ[A-Za-z0-9_-]{8,}(?:\.[A-Za-z0-9_-]*){0,4}")


def _masked(text: str) -> str:
    return _TOKEN.sub("eyJ… (a token)", text)


def error_json(error: NhictlError, *, warning: bool = False) -> str:
    """Return the error as one compact line of JSON, without its newline; a warning has a schema and member of its own.

    This never fails: a detail that JSON cannot hold is given as text, and details that cannot be written at all are
    left out, since the reader needs the code and the message most.
    """
    try:
        return _json(error, error.details, warning=warning)
    except (TypeError, ValueError, RecursionError):
        return _json(error, {}, warning=warning)


def _json(error: NhictlError, details: dict[str, object], *, warning: bool) -> str:
    body = {"code": error.code, "message": error.message, "hint": error.hint, "details": details}
    whole = {"schema": WARNING, "warning": body} if warning else {"schema": SCHEMA, "error": body}
    return json_text(
        _masked(json.dumps(whole, ensure_ascii=False, separators=(",", ":"), allow_nan=False, default=str))
    )


def error_text(error: NhictlError, *, warning: bool = False) -> str:
    """Return `nhictl: message`, and the hint on an indented line if there is one, without the last newline."""
    text = f"nhictl: {'warning: ' if warning else ''}{terminal(_masked(error.message))}"
    return f"{text}\n  hint: {terminal(_masked(error.hint))}" if error.hint else text
