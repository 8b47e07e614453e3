"""Small readers over located nodes, shared by policy, registry and scope documents: every refusal names its place."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nhictl.core.policy.resource import Refused, checked_text
from nhictl.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable

    from nhictl.core.policy.yaml_events import Node

__all__ = ["entries", "flag", "items", "located", "name", "names", "require", "text"]


def entries(node: Node, allowed: Collection[str] | None, *, what: str) -> dict[str, Node]:
    """Return a mapping's members, all of them known; None allows any key."""
    if not isinstance(node.value, dict):
        raise node.error(f"{what} must be a mapping")
    found: dict[str, Node] = node.value
    if allowed is not None and not found.keys() <= (allowed if isinstance(allowed, frozenset) else frozenset(allowed)):
        key = next(key for key in found if key not in allowed)
        raise node.key_error(key, f"unknown key `{key}` in {what}", hint=_hint(key, allowed))
    return found


def _hint(key: str, allowed: Collection[str]) -> str:
    from difflib import get_close_matches

    near = get_close_matches(key, list(allowed), n=1)
    return f"did you mean `{near[0]}`?" if near else f"known keys: {', '.join(sorted(allowed))}"


def require(node: Node, keys: Iterable[str], *, what: str) -> None:
    """Raise unless every one of `keys` is there."""
    for key in keys:
        if key not in node.value:
            raise node.error(f"{what} lacks `{key}`")


def items(node: Node, *, what: str) -> list[Node]:
    """Return a list's nodes, at least one: an empty list of conditions is a mistake, not `any`."""
    if not isinstance(node.value, list):
        raise node.error(f"{what} must be a list")
    if not node.value:
        raise node.error(f"{what} must not be empty")
    found: list[Node] = node.value
    return found


def text(node: Node, *, what: str, limit: int = 4096) -> str:
    """Return a string that is not empty, in NFC."""
    value = node.value
    if type(value) is str and value.isascii() and value.isprintable() and len(value) <= limit and value.strip():
        return value
    if not isinstance(value, str):
        hint = "quote it if it is text" if isinstance(value, int | bool) else None
        raise node.error(f"{what} must be a string", hint=hint)
    if not value.strip() or len(value) > limit:
        raise node.error(f"{what} must not be {'longer than ' + str(limit) if value.strip() else 'empty'}")
    return str(located(node, checked_text, value))


def name(node: Node, *, what: str, limit: int = 256) -> str:
    """Return a string without spaces or invisible characters."""
    value = text(node, what=what, limit=limit)
    if value.isalnum():
        return value
    if not value.isprintable() or " " in value:
        raise node.error(f"{what} must not hold spaces or control characters")
    return value


def names(node: Node, *, what: str) -> list[str]:
    """Return a list of different names in sorted order."""
    entry = f"an entry of {what}"
    found: dict[str, None] = {}
    for item in items(node, what=what):
        value = name(item, what=entry)
        if value in found:
            raise item.error(f"duplicate `{value}` in {what}")
        found[value] = None
    return sorted(found)


def flag(node: Node, *, what: str) -> bool:
    """Return true or false."""
    if not isinstance(node.value, bool):
        raise node.error(f"{what} must be true or false")
    return node.value


def located(node: Node, make: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Return `make(…)`, turning `Refused` into an error at `node`."""
    try:
        return make(*args, **kwargs)
    except Refused as e:
        raise node.error(str(e)) from e


def version(node: Node, key: str) -> None:
    """Check the format version that every document opens with."""
    if key not in node.value:
        raise node.error(f"not this kind of document: `{key}: 1` is missing")
    if node.value[key].value != 1 or isinstance(node.value[key].value, bool):
        raise node.value[key].error(f"`{key}` must be 1")


def one_mapping(file: str, data: bytes, what: str) -> Node:
    """Read a document that must be a mapping."""
    from nhictl.core.policy.yaml_events import read_yaml

    node = read_yaml(file, data)
    if not isinstance(node.value, dict):
        raise InputError(f"{what} must be a mapping", file=file, line=node.line, column=node.column)
    return node
