"""What an agent is registered with: the limits of every attribute, one normal form, and how two states differ.

Attributes are a JSON object with all of `ATTRIBUTES`; `expires_us` is the first microsecond (UTC) at which the agent is
inactive, None for never.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from nhictl.core.identity import spiffe

ATTRIBUTES: Final = ("owner", "purpose", "env", "trust", "groups", "labels", "expires_us", "attested", "aliases")
MAX_TEXT: Final = 500
MAX_GROUPS: Final = 64
MAX_LABELS: Final = 32
MAX_ALIASES: Final = 32
MAX_ALIAS: Final = 256


def normal(given: dict[str, Any]) -> dict[str, Any]:
    """The one form of the attributes in `given`: defaults filled in, lists sorted without repetition, labels by name."""
    return {
        "owner": given["owner"],
        "purpose": given["purpose"],
        "env": given.get("env"),
        "trust": given.get("trust", 0),
        "groups": sorted(set(given.get("groups", ()))),
        "labels": dict(sorted(given.get("labels", {}).items())),
        "expires_us": given.get("expires_us"),
        "attested": given.get("attested", False),
        "aliases": sorted(set(given.get("aliases", ()))),
    }


def fault(attribute: str, value: Any) -> tuple[str, str] | None:
    """The error code and the reason why `value` cannot be that attribute, or None."""
    if attribute in ("owner", "purpose"):
        if not value.strip() or len(value) > MAX_TEXT or not value.isprintable():
            return f"invalid_{attribute}", f"{attribute} is 1 to {MAX_TEXT} printable characters"
    elif attribute == "trust":
        if not 0 <= value <= 3:
            return "invalid_trust", f"trust {value} is not 0 to 3"
    elif attribute == "env":
        return _label(value, "an environment") if value is not None else None
    elif attribute == "groups":
        return _each(value, "a group", MAX_GROUPS, "groups")
    elif attribute == "aliases":
        return _each(value, "an alias", MAX_ALIASES, "aliases", MAX_ALIAS)
    elif attribute == "labels":
        return _each(value, "a label's name", MAX_LABELS, "labels") or _each(
            value.values(), "a label's value", MAX_LABELS, "labels"
        )
    return None


def _label(text: str, what: str, limit: int = 128) -> tuple[str, str] | None:
    why = spiffe.label_fault(text, what, limit)
    return ("invalid_label", f"`{text[: limit + 1]}`: {why}") if why else None


def _each(texts: Any, what: str, most: int, all_of_them: str, limit: int = 128) -> tuple[str, str] | None:
    if len(texts) > most:
        return "invalid_label", f"an agent has at most {most} {all_of_them}"
    return next((found for text in texts if (found := _label(text, what, limit))), None)


def first_fault(attributes: dict[str, Any], names: Iterable[str] = ATTRIBUTES) -> tuple[str, str, str] | None:
    """The first attribute of those named that is out of its limits, with code and reason, or None."""
    for name in names:
        if found := fault(name, attributes[name]):
            return name, *found
    return None


def differences(before: dict[str, Any], after: dict[str, Any]) -> dict[str, tuple[Any, Any]]:
    """What differs between two normal forms: old and new value by attribute."""
    return {name: (before[name], after[name]) for name in ATTRIBUTES if before[name] != after[name]}
