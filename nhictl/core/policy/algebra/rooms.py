"""What each fact of a call to one tool can be: its type where the catalogue declares one, and whether it can be absent.

Facts of one tool are independent of one another but for the fields of an optional object, which are absent together.
So a declared tool has a *shape* for each choice of such objects being there, and within a shape all facts are free.
"""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING

from nhictl.core.policy.condition import Condition
from nhictl.core.policy.types import ArgType, Refused

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from nhictl.core.policy.box_value import Box, Clause
    from nhictl.core.policy.catalogue import Tool

__all__ = ["MAX_OBJECTS", "Room", "Shape", "bind", "clauses_of", "shapes"]

MAX_OBJECTS = 6
"""Optional objects of one tool that are told apart by presence; beyond that their fields count as independent."""
_UNTYPED, _RESOURCE = ArgType("untyped"), ArgType("resource")


class Room:
    """The values a fact can have: of `kind`, as one (`scalar`) or several (`many`), none (`absent`), or one that compares
    to nothing (`odd`).
    """

    __slots__ = ("absent", "kind", "many", "odd", "scalar")

    def __init__(
        self, kind: str, *, scalar: bool = False, many: bool = False, absent: bool = False, odd: bool = False
    ) -> None:
        self.kind = kind
        self.scalar = scalar
        self.many = many
        self.absent = absent
        self.odd = odd


class Shape:
    """One tool, or with None any that is not declared, with the optional objects that are there."""

    __slots__ = ("loose", "objects", "tool")

    def __init__(self, tool: Tool | None, objects: frozenset[str] = frozenset(), *, loose: bool = False) -> None:
        self.tool = tool
        self.objects = objects
        self.loose = loose

    def room(self, path: str) -> Room:
        """What the fact at `path` can be."""
        if path == "resource":
            return self._resource()
        if self.tool is None:
            return Room("untyped", scalar=True, many=True, absent=True, odd=True)
        of = self.tool.argument_type(path[5:])
        if of is None:
            return Room("untyped", absent=True)
        above, optional = _above(self.tool, path[5:])
        there = self.loose or self.objects.issuperset(above)
        may_miss = optional or of.item is not None or (self.loose and bool(above)) or not there
        if of.item is not None:
            return Room(of.item.kind, many=there, absent=may_miss)
        return Room(of.kind, scalar=there, absent=may_miss)

    def _resource(self) -> Room:
        if self.tool is None:
            return Room("resource", scalar=True, absent=True)
        named = self.tool.resource
        if named is None:
            return Room("resource", absent=True)
        if "{" in named:
            return Room("resource", scalar=True, absent=True)
        return Room(f"resource:{named}", scalar=True)

    def kind_of(self, path: str) -> str:
        """The kind of a fact, `untyped` where nothing declares one."""
        of = self.tool.argument_type(path[5:]) if self.tool is not None and path != "resource" else None
        return "uri" if path == "resource" else "untyped" if of is None else (of.item or of).kind

    def tied(self, path: str) -> bool:
        """Whether the fact hangs together with others: a derived resource and the arguments it is made from."""
        if not self.derived or self.tool is None:
            return False
        return path == "resource" or "{" + path + "}" in (self.tool.resource or "")

    @property
    def derived(self) -> bool:
        """Whether the resource hangs on arguments."""
        return self.tool is not None and self.tool.resource is not None and "{" in self.tool.resource


def _above(tool: Tool, name: str) -> tuple[list[str], bool]:
    """The optional objects around a declared argument, outermost first, and whether it is itself optional."""
    *around, last = name.split(".")
    found: list[str] = []
    fields, path = tool.args, ""
    for part in around:
        of, optional = fields[part]
        path += part
        if optional:
            found.append(path)
        path += "."
        fields = of.fields or {}
    return found, fields[last][1]


def shapes(tool: Tool | None, paths: Iterable[str]) -> Iterator[Shape]:
    """The shapes of a tool that conditions on `paths` can tell apart."""
    if tool is None:
        yield Shape(None)
        return
    objects: dict[str, None] = {}
    for path in paths:
        if path.startswith("args.") and tool.argument_type(path[5:]) is not None:
            objects.update(dict.fromkeys(_above(tool, path[5:])[0]))
    if len(objects) > MAX_OBJECTS:
        yield Shape(tool, loose=True)
        return
    for there in product((True, False), repeat=len(objects)):
        chosen = frozenset(name for name, is_there in zip(objects, there, strict=True) if is_there)
        if all(outer in chosen for name in chosen for outer in objects if name.startswith(outer + ".")):
            yield Shape(tool, chosen)


def clauses_of(box: Box) -> list[Clause]:
    """A box's conditions, its resource prefix among them."""
    return [*([("resource", "under", box.resource, False)] if box.resource is not None else []), *box.clauses]


def bind(clause: Clause, tool: Tool | None) -> Condition | None:
    """A condition with the type its fact has for `tool`; None if no call to the tool can ever meet it."""
    path, op, operand, absent_ok = clause
    of = _RESOURCE if path == "resource" else _UNTYPED
    if path != "resource" and tool is not None:
        declared = tool.argument_type(path[5:])
        if declared is None and tool.open:
            return None
        of = declared or _UNTYPED
    if op == "same_as" and not (operand == "resource" or str(operand).startswith("args.")):
        return None
    try:
        return Condition(path, op, operand, of, absent_ok=absent_ok)
    except Refused:
        return None
