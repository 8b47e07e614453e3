"""Where the parts of a policy document stand: file, line and column of each rule, limit, tool, class, guardrail, assertion."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from nhictl.core.policy.yaml_events import Node

__all__ = ["Place", "Places"]


class Place(NamedTuple):
    """Line and column count from 1; None where a document has no text of its own."""

    file: str | None
    line: int | None
    column: int | None


class Places:
    """Filled while a document is read, if the reader was handed one."""

    __slots__ = ("_places",)

    def __init__(self) -> None:
        self._places: dict[tuple[str, str], Place] = {}

    def put(self, kind: str, name: str, node: Node) -> None:
        """Note where something was declared."""
        self._places[kind, name] = Place(node.file, node.line, node.column)

    def keys(self, kind: str, root: Node, section: str) -> None:
        """Note where each key of a section stands."""
        node = root.value.get(section)
        if node is not None and isinstance(node.value, dict):
            for name in node.value:
                self.put(kind, name, node.key_node(name))

    def find(self, kind: str, name: str) -> Place | None:
        """Where it was declared; None if nobody noted it."""
        return self._places.get((kind, name))
