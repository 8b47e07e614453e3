"""What comes in as text becomes values here: moments, durations, JSON lines, call arguments, scope boxes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from nhictl.core import strict_json, times
from nhictl.errors import InputError

if TYPE_CHECKING:
    from nhictl.core.policy.box import Box
    from nhictl.core.policy.compiled import Policy

TOKEN_LIMIT: Final = 16384 + 2
"""Bytes that are read of a token: one more than any that could be accepted, and its line end."""

JWKS_LIMIT: Final = 1_000_000
MAX_STALE_S: Final = 60
"""How old a status list may be unless somebody says otherwise, in seconds."""
LIST_LIMIT: Final = 6 << 20
"""Bytes that are read of a set of keys, and of a status list (`core.token.status_list.MAX_LIST`)."""


def moment(option: str, text: str, now_us: int) -> int:
    """The microseconds an option names, RFC 3339 or relative; InputError names the option."""
    try:
        return times.parse_time(text, now_us)
    except (ValueError, OverflowError) as e:
        raise InputError(f"{option} `{text}`: {e}", code="usage", hint="RFC 3339, or relative such as -15m") from e


def seconds(option: str, text: str) -> int:
    """The seconds of a duration option; InputError names the option."""
    try:
        value = times.parse_duration(text)
    except ValueError as e:
        raise InputError(f"{option} `{text}`: {e}", code="usage") from e
    if value <= 0:
        raise InputError(f"{option} has to be longer than nothing", code="usage")
    return value


def rfc3339(second: int) -> str:
    """A token's time, in seconds, as text; the number itself if it names no moment."""
    return times.rfc3339(second * 1_000_000) if 0 <= second < 253402300800 else str(second)


def json_value(data: bytes, file: str, line: int | None = None) -> Any:
    """One strict JSON text; InputError says where it is not."""
    try:
        return strict_json.loads(data)
    except strict_json.StrictJSONError as e:
        raise InputError(str(e), file=file, line=line or e.line, column=e.column, code="invalid_json") from e


def context(pairs: list[tuple[str, str]]) -> dict[str, Any]:
    """Claimed facts: JSON scalars where they parse as one, else strings."""
    from nhictl.core.policy.coerce import json_scalar

    return {key: json_scalar(value) for key, value in pairs}


def arguments(policy: Policy | None, tool: str, pairs: list[tuple[str, str]]) -> dict[str, Any]:
    """A call's arguments, typed by the catalogue of `policy` where it declares them."""
    if not pairs:
        return {}
    from nhictl.core.policy.catalogue import coerce_arguments

    return coerce_arguments(policy, tool, pairs)


def boxes(policy: Policy | None, allow: list[str], scope: tuple[str, bytes] | None) -> tuple[Box, ...]:
    """The boxes of `--allow` texts or of a scope file, typed by the catalogue of `policy`."""
    from nhictl.core.policy.box import parse_box, parse_scope_file

    if scope is not None:
        return tuple(parse_scope_file(*scope, policy))
    return tuple(parse_box(text, policy) for text in allow)


def supported(value: Any) -> frozenset[str] | None:
    """The obligations that a line says can be performed; None where it says nothing. InputError for what is no list."""
    if value is None:
        return None
    if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
        raise InputError("`supported` has to be a list of obligations", code="invalid_request_line")
    return frozenset(value)


def check_audience(audience: str) -> None:
    """An audience is one URI or name, without spaces or control characters (RFC 8707 §2 allows no fragment)."""
    if not 1 <= len(audience) <= 512 or not audience.isascii() or not audience.isprintable() or " " in audience:
        raise InputError(f"`{audience}` is no audience: a URI of at most 512 characters", code="invalid_audience")
