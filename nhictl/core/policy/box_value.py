"""A box: tools, an optional resource prefix, and conditions that must all hold. A scope is a union of boxes.

A box is kept as it was written, in canonical JSON, and bound to types when a call is asked about: the catalogue's
where a policy declares the tool, else by the look of the values. What this version does not know stays visible in
`unknown`, and a box with something unknown covers nothing (contract §2, `tokens.md` §4 step 19).
"""

from __future__ import annotations

from typing import Any

from nhictl.core.policy.condition import OPERATORS
from nhictl.core.policy.glob import Glob
from nhictl.core.policy.types import Refused, exact, scalar_kind

__all__ = ["FIELDS", "Box", "Clause", "clause_key", "json_operand"]

FIELDS = ("tools", "resource", "when")
Clause = tuple[str, str, Any, bool]  # path, operator, operand as JSON, absent_ok


class Box:
    """One box; build it with `parse_box`, `box_from_mapping` or `parse_scope_file`. Equal boxes have equal mappings."""

    __slots__ = ("_globs", "clauses", "resource", "tools", "unknown")

    def __init__(
        self, tools: list[str], resource: str | None, clauses: list[Clause], unknown: list[str] | None = None
    ) -> None:
        self.tools = tuple(sorted(set(tools)))
        self.resource = resource
        self.clauses = tuple(sorted(clauses, key=clause_key))
        self.unknown = tuple(unknown or ())
        self._globs = [Glob(text) for text in self.tools]

    def matches_tool(self, tool: str) -> bool:
        """Whether one of the box's tool globs covers `tool`."""
        return any(glob.matches(tool) for glob in self._globs)

    def to_mapping(self) -> dict[str, Any]:
        """Return `{tools, resource, when}` as canonical JSON; what is not restricted is left out."""
        made: dict[str, Any] = {"tools": list(self.tools)}
        if self.resource is not None:
            made["resource"] = self.resource
        when: dict[str, Any] = {}
        for path, op, operand, absent_ok in self.clauses:
            below = when.setdefault(path, {})
            below[op] = operand
            if absent_ok:
                below["absent_ok"] = True
        if when:
            made["when"] = when
        return made

    def _identity(self) -> tuple[object, ...]:
        # By the written form of operands: to Python `1` and `true` are equal, to a condition they are not.
        clauses = tuple((*clause_key(clause), clause[3]) for clause in self.clauses)
        return self.tools, self.resource, clauses, self.unknown

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Box) and self._identity() == other._identity()

    def __hash__(self) -> int:
        return hash(self._identity())

    @classmethod
    def from_stored(cls, mapping: Any) -> Box:
        """Read a box from a store or token without refusing it: whatever is not understood goes to `unknown`."""
        if not isinstance(mapping, dict):
            return cls([], None, [], ["box"])
        unknown = [key for key in mapping if key not in FIELDS]
        tools, resource, when = mapping.get("tools"), mapping.get("resource"), mapping.get("when", {})
        if isinstance(tools, str):
            tools = [tools]
        if not isinstance(tools, list) or not tools or not all(isinstance(text, str) for text in tools):
            unknown.append("tools")
            tools = [text for text in tools if isinstance(text, str)] if isinstance(tools, list) else []
        if resource is not None and not isinstance(resource, str):
            unknown.append("resource")
            resource = None
        clauses: list[Clause] = []
        if not isinstance(when, dict):
            unknown.append("when")
            when = {}
        for path, below in when.items():
            found = _stored_clauses(path, below)
            if found is None:
                unknown.append(f"when.{path}")
            else:
                clauses.extend(found)
        return cls(tools, resource, clauses, unknown)


def _stored_clauses(path: str, below: Any) -> list[Clause] | None:
    """Return the clauses on one path, None if any of them is beyond this version."""
    if not isinstance(below, dict) or not (path == "resource" or path.startswith("args.")):
        return None
    operators = [op for op in below if op != "absent_ok"]
    absent_ok = below.get("absent_ok", False)
    if not operators or not OPERATORS.issuperset(operators) or type(absent_ok) is not bool:
        return None
    try:
        return [(path, op, json_operand(below[op]), absent_ok) for op in operators]
    except (Refused, TypeError):
        return None


def clause_key(clause: Clause) -> tuple[str, str, str]:
    """Return what clauses are sorted by."""
    return clause[0], clause[1], repr(clause[2])


def json_operand(value: Any) -> Any:
    """Return an operand as canonical JSON: lists sorted, each value once, numbers as JSON keeps them; raise `Refused`."""
    if isinstance(value, list):
        made = {(scalar_kind(item), item): item for item in map(json_operand, value)}
        return [made[key] for key in sorted(made, key=lambda key: (str(key[0]), key[1]))]
    if scalar_kind(value) != "number":
        return value
    number = exact(value)
    if isinstance(number, int):
        return number
    near = float(number)
    if exact(near) != number:
        raise Refused(f"number `{number}` has more digits than JSON keeps")
    return near
