"""Who may ask a served authority what: `{nhictl_serve: 1, callers: [{name, uid | secret_sha256, may, audiences}]}`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from nhictl.core.policy.yaml_events import Node

EVALUATE: Final = "evaluate"
INTROSPECT: Final = "introspect"
METRICS: Final = "metrics"
RIGHTS: Final = (EVALUATE, INTROSPECT, METRICS)
"""What can be allowed: decisions about any agent, what a token says, and the server's own figures."""
_KEYS: Final = ("name", "uid", "secret_sha256", "may", "audiences")
_HEX: Final = frozenset("0123456789abcdef")
_MAX_UID: Final = 2**32 - 2


class Listed(NamedTuple):
    """One caller: known by user ids on the socket or by a secret (its SHA-256, in hex) in `Authorization`, never both.

    `audiences` are the ones it is to tokens; empty: none.
    """

    name: str
    uids: tuple[int, ...]
    secret: str | None
    may: frozenset[str]
    audiences: tuple[str, ...]


def parse(file: str, data: bytes) -> tuple[Listed, ...]:
    """Read the callers; InputError at the first fault, with its place."""
    from nhictl.core.policy import reading

    root = reading.one_mapping(file, data, "a callers file")
    reading.version(root, "nhictl_serve")
    reading.entries(root, ("nhictl_serve", "callers"), what="a callers file")
    reading.require(root, ("callers",), what="a callers file")
    found: list[Listed] = []
    for node in reading.items(root.value["callers"], what="`callers`"):
        made = _listed(node)
        for other in found:
            if (
                made.name == other.name
                or set(made.uids) & set(other.uids)
                or (made.secret and made.secret == other.secret)
            ):
                raise node.error(f"`{made.name}` has a name, a uid or a secret that another caller has")
        found.append(made)
    return tuple(found)


def _listed(node: Node) -> Listed:
    from nhictl.core.policy import reading

    fields = reading.entries(node, _KEYS, what="a caller")
    reading.require(node, ("name", "may"), what="a caller")
    name = reading.name(fields["name"], what="`name`", limit=64)
    may = frozenset(reading.names(fields["may"], what="`may`"))
    if unknown := sorted(may - set(RIGHTS)):
        raise fields["may"].error(f"no right `{unknown[0]}`", hint=f"of {', '.join(RIGHTS)}")
    if ("uid" in fields) == ("secret_sha256" in fields):
        raise node.error("a caller is known by `uid` or by `secret_sha256`")
    audiences = tuple(reading.names(fields["audiences"], what="`audiences`")) if "audiences" in fields else ()
    if INTROSPECT in may and not audiences:
        raise node.error("whoever may introspect is somebody to tokens: `audiences` is missing")
    secret = None
    if "secret_sha256" in fields:
        secret = reading.text(fields["secret_sha256"], what="`secret_sha256`", limit=64)
        if len(secret) != 64 or not _HEX.issuperset(secret):
            raise fields["secret_sha256"].error("`secret_sha256` is 64 of 0-9 and a-f")
    return Listed(name, _uids(fields["uid"]) if "uid" in fields else (), secret, may, audiences)


def _uids(node: Node) -> tuple[int, ...]:
    from nhictl.core.policy import reading

    found = []
    for item in reading.items(node, what="`uid`"):
        if type(item.value) is not int or not 0 <= item.value <= _MAX_UID:
            raise item.error("a `uid` is the number of a user")
        found.append(item.value)
    return tuple(found)
