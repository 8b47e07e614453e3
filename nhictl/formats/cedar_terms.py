"""Our facts and values in Cedar: where a fact stands in a request, when it is there, and how its value is written.

Arguments stand under `context.args`, untyped context under `context.ctx` as a record that says the kind (`{"s": …}`,
`{"n": …}`, `{"b": …}`), since Cedar cannot ask what kind a value is
of. Numbers are Cedar decimals (four digits after the point), integers,
sensitivities and instants (microseconds) are longs. What does not fit is refused, never rounded.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from nhictl.core.policy.facts import fact_type
from nhictl.core.policy.instant import parse_instant
from nhictl.core.policy.types import ArgType, scalar_kind

if TYPE_CHECKING:
    from nhictl.core.policy.catalogue import Tool
    from nhictl.core.policy.compiled import Policy

__all__ = [
    "NAMESPACE",
    "TAGS",
    "InexpressibleError",
    "Term",
    "attribute",
    "cedar_kind",
    "decimal_text",
    "like",
    "literal",
    "long",
    "quote",
    "term",
]

NAMESPACE: Final = "Nhi"
TAGS: Final = {"string": "s", "number": "n", "boolean": "b"}
_KINDS: Final = {
    "number": "decimal",
    "integer": "long",
    "sensitivity": "long",
    "timestamp": "long",
    "boolean": "bool",
    "any": "any",
}
_WORDS: Final = frozenset(
    [
        "true",
        "false",
        "if",
        "then",
        "else",
        "in",
        "is",
        "like",
        "has",
        "when",
        "unless",
        "permit",
        "forbid",
        "principal",
        "action",
        "resource",
        "context",
    ]
)
_MAX_LONG: Final = 2**63 - 1
_DECIMAL: Final = 922337203685477


class InexpressibleError(ValueError):
    """Cedar cannot say this as exactly as it is meant; the message says what."""


class Term(NamedTuple):
    """A fact in Cedar: its kind, the tests of presence that all have to hold before it is read, and the expression."""

    kind: str
    present: tuple[str, ...]
    value: str
    many: bool = False


def cedar_kind(of: ArgType) -> str:
    """What a type's normal form is in Cedar: string, decimal, long, bool or any."""
    return _KINDS.get((of.item or of).kind, "string")


def quote(text: str, *, pattern: bool = False) -> str:
    """A string literal; in a pattern `*` is the wildcard, and has to be escaped beforehand where it is none."""
    made = []
    for char in text:
        if char in '"\\' and not (pattern and char == "\\"):
            made.append("\\" + char)
        elif char.isprintable() or (pattern and char == "\\"):
            made.append(char)
        else:
            made.append(f"\\u{{{ord(char):x}}}")
    return '"' + "".join(made) + '"'


def like(value: str, pieces: list[str]) -> str:
    """`value like …` with a wildcard between the literal pieces."""
    escaped = [piece.replace("\\", "\\\\").replace("*", "\\*") for piece in pieces]
    return f"{value} like {quote('*'.join(escaped), pattern=True)}"


def attribute(of: str, name: str) -> str:
    """An attribute of a record or entity."""
    return f"{of}.{name}" if _plain(name) else f"{of}[{quote(name)}]"


def has(of: str, name: str) -> str:
    """The test of its presence."""
    return f"{of} has {name if _plain(name) else quote(name)}"


def _plain(name: str) -> bool:
    return name.isascii() and name.isidentifier() and name not in _WORDS


def long(value: int) -> str:
    """A long literal."""
    if not -_MAX_LONG <= value <= _MAX_LONG:
        raise InexpressibleError(f"{value} does not fit 64 bits")
    return str(value) if value >= 0 else f"({value})"


def decimal_text(value: Any) -> str:
    """A number as Cedar's decimal reads it."""
    text = format(value, "f") if not isinstance(value, int) else str(value)
    whole, _, digits = text.partition(".")
    if len(digits) > 4 or not -_DECIMAL < int(whole) < _DECIMAL:
        raise InexpressibleError(f"{text} is no number of at most 4 digits after the point and 15 before it")
    return f"{whole}.{digits or '0'}"


def literal(kind: str, value: Any) -> str:
    """A normal value of one of our kinds."""
    if kind == "any":
        kind = str(scalar_kind(value))
    if kind == "number":
        return f'decimal("{decimal_text(value)}")'
    if kind in {"integer", "sensitivity"}:
        return long(value)
    if kind == "timestamp":
        return long(parse_instant(value))
    if kind == "boolean":
        return "true" if value else "false"
    return quote(value)


def term(path: str, tool: Tool, policy: Policy) -> Term:
    """Where the fact at `path` stands for calls of `tool`."""
    if path == "tool":
        return Term("string", (), quote(tool.name))
    if path == "class":
        names = [gate.name for gate in policy.gates(tool)]
        return Term("string", () if names else ("false",), f"[{', '.join(map(quote, names))}]", many=True)
    if path == "data.sensitivity":
        return Term("long", ("context has resource",), _sensitivity(policy))
    if path == "resource":
        return Term("string", ("context has resource",), "context.resource")
    if path.startswith("args."):
        of = tool.argument_type(path[5:])
        assert of is not None  # noqa: S101 - the policy was compiled with it
        return _below(("context", "args", *path[5:].split(".")), of)
    of = fact_type(path)
    if of is None:
        raise InexpressibleError(f"no fact `{path}`")
    head, _, rest = path.partition(".")
    if head == "env":
        return _below(("principal", "env"), of)
    if head == "agent":
        parts = ("labels", rest[7:]) if rest.startswith("labels.") else (rest,)
        return _below(("principal", *parts), of)
    return _below(("context", "ctx" if head == "context" else head, rest), of)


def drift_forms(policy: Policy) -> list[dict[str, Any]]:
    """A forbid for each tool whose digest is known: what is described otherwise now, if the context says how, is not called."""
    told = "context.tool.digest"
    return [
        {
            "id": f"nhictl:tool-drift/{name}", "effect": "forbid", "description": "", "obligations": [], "match": {},
            "tools": [name], "all": [[told, "has", True], [told, "ne", tool.digest]], "any": [],
        }
        for name, tool in policy.tools.items() if tool.digest is not None
    ]  # fmt: skip


def _below(parts: tuple[str, ...], of: ArgType) -> Term:
    at, present = parts[0], []
    for name in parts[1:]:
        present.append(has(at, name))
        at = attribute(at, name)
    if of.item is not None:
        present.append(f"!{at}.isEmpty()")
    return Term(cedar_kind(of), tuple(present), at, many=of.item is not None)


def _sensitivity(policy: Policy) -> str:
    """The rank of a resource: that of the longest data entry that covers it, else restricted."""
    made = "3"
    for prefix, rank in reversed(policy.sensitivities):
        made = f"(if {under('context.resource', prefix)} then {rank} else {made})"
    return made


def under(value: str, prefix: str, *, host: bool = False) -> str:
    """Whether a string lies at or below a prefix by whole segments; both in normal form."""
    if host:
        return f"({value} == {quote(prefix)} || {like(value, ['', '.' + prefix])})"
    if prefix.endswith("/"):
        return f"({like(value, [prefix, ''])})"
    tests = [f"{value} == {quote(prefix)}", like(value, [prefix + "/", ""])]
    if "://" in prefix:
        tests.append(like(value, [prefix + "?", ""]))
    return f"({' || '.join(tests)})"
