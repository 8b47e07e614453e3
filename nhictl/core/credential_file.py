"""The operator's declarations of downstream secrets: `{nhictl_credentials: 1, credentials: [{name, acquire, …}]}`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from nhictl.core import times

if TYPE_CHECKING:
    from nhictl.core.policy.yaml_events import Node

_KEYS: Final = ("name", "acquire", "revoke", "agents", "timeout")
_NAME: Final = frozenset("abcdefghijklmnopqrstuvwxyz0123456789-")
DEFAULT_TIMEOUT_S: Final = 30
MAX_TIMEOUT_S: Final = 300


class Declared(NamedTuple):
    """One secret: the programs that acquire and revoke it, with their arguments; the agents that may have it, by name."""

    name: str
    acquire: tuple[str, ...]
    revoke: tuple[str, ...]
    agents: tuple[str, ...]
    timeout_s: int

    def to_json(self) -> dict[str, object]:
        """The declaration as lists and texts."""
        return {key: list(value) if isinstance(value, tuple) else value for key, value in self._asdict().items()}

    @property
    def variable(self) -> str:
        """The variable it is handed over in, before the suffix of the way."""
        return f"NHICTL_CRED_{self.name.upper().replace('-', '_')}"


def parse(file: str, data: bytes) -> dict[str, Declared]:
    """Read the declarations by name; InputError at the first fault, with its place."""
    from nhictl.core.policy import reading

    root = reading.one_mapping(file, data, "a credentials file")
    reading.version(root, "nhictl_credentials")
    reading.entries(root, ("nhictl_credentials", "credentials"), what="a credentials file")
    reading.require(root, ("credentials",), what="a credentials file")
    found: dict[str, Declared] = {}
    for node in reading.items(root.value["credentials"], what="`credentials`"):
        made = _declared(node)
        if made.name in found:
            raise node.error(f"duplicate `{made.name}`")
        found[made.name] = made
    return found


def _declared(node: Node) -> Declared:
    from nhictl.core.policy import reading

    fields = reading.entries(node, _KEYS, what="a credential")
    reading.require(node, ("name", "acquire", "revoke", "agents"), what="a credential")
    name = reading.name(fields["name"], what="`name`", limit=64)
    if not _NAME.issuperset(name) or name[0] == "-" or name[-1] == "-":
        raise fields["name"].error("`name` is 1 to 64 of a-z, 0-9 and `-`, no `-` at either end")
    timeout = DEFAULT_TIMEOUT_S
    if "timeout" in fields:
        try:
            timeout = times.parse_duration(reading.text(fields["timeout"], what="`timeout`", limit=16))
        except ValueError as e:
            raise fields["timeout"].error(f"`timeout`: {e}") from e
        if not 1 <= timeout <= MAX_TIMEOUT_S:
            raise fields["timeout"].error(f"`timeout` is 1s to {MAX_TIMEOUT_S}s")
    agents = tuple(reading.names(fields["agents"], what="`agents`"))
    return Declared(name, _program(fields["acquire"], "acquire"), _program(fields["revoke"], "revoke"), agents, timeout)


def _program(node: Node, which: str) -> tuple[str, ...]:
    """A program with its arguments: no shell reads them, and nothing is looked up in a path."""
    from nhictl.core.policy import reading

    argv = tuple(reading.text(item, what=f"an entry of `{which}`") for item in reading.items(node, what=f"`{which}`"))
    if not argv[0].startswith("/"):
        raise node.error(f"`{which}` begins with the absolute path of a program")
    if any("\0" in word for word in argv):
        raise node.error(f"`{which}` holds a NUL")
    return argv
