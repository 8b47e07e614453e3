"""A strict reader of YAML documents on parser events: what two readers could understand differently is refused.

Plain scalars follow the YAML 1.2 core schema, so `no`, `on`, `18:00`, `1_000` and `2026-12-31` are strings, and `010`,
`0x1f`, `0o17`, `.inf` and `.nan` are refused as ambiguous; quoted scalars are always strings. Refused as well:
duplicate and non-string keys, anchors, aliases, tags, merge keys, directives, several documents, control characters,
invalid UTF-8, a byte order mark, over 10 MB, and nesting deeper than 32. Every node knows its line and column, both
from 1. A JSON text is a YAML text.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, TypeVar

from nhictl.core.policy.resource import Refused
from nhictl.core.policy.types import exact
from nhictl.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["MAX_BYTES", "MAX_DEPTH", "Node", "read_yaml", "uncollected"]

MAX_BYTES = 10_000_000
MAX_DEPTH = 32
# One character class each, or fixed shapes without nested repetition: none of these can backtrack.
_FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]")
_IN_VALUE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
_INTEGER = re.compile(r"[-+]?(?:0|[1-9][0-9]*)\Z")
_DECIMAL = re.compile(r"[-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]{1,4})?\Z")
_AMBIGUOUS = re.compile(r"[-+]?0[0-9]+\Z|[-+]?0[xob][0-9a-fA-F_]+\Z|[-+]?\.(?:inf|Inf|INF)\Z|\.(?:nan|NaN|NAN)\Z")
_WORDS: dict[str, Any] = {
    **dict.fromkeys(("null", "Null", "NULL", "~", ""), None),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_T = TypeVar("_T")
_NUMERIC_START = frozenset("0123456789+-.")


_NO_KEYS: dict[str, tuple[int | None, int | None]] = {}


class Node:
    """A value with its place: `value` is a dict or list of nodes, or a scalar (numbers are `int` or `Decimal`)."""

    __slots__ = ("column", "file", "keys", "line", "value")

    def __init__(self, value: Any, file: str | None, line: int | None, column: int | None) -> None:
        self.value = value
        self.file = file
        self.line = line
        self.column = column
        self.keys = _NO_KEYS

    def error(self, message: str, *, hint: str | None = None) -> InputError:
        """Return (not raise) an error that points at this node."""
        return InputError(message, file=self.file, line=self.line, column=self.column, hint=hint)

    def key_error(self, key: str, message: str, *, hint: str | None = None) -> InputError:
        """Return an error that points at one of this mapping's keys."""
        line, column = self.keys.get(key, (self.line, self.column))
        return InputError(message, file=self.file, line=line, column=column, hint=hint)

    def data(self) -> Any:
        """Return the plain value without places (depth is bounded by the reader)."""
        if isinstance(self.value, dict):
            return {key: node.data() for key, node in self.value.items()}
        if isinstance(self.value, list):
            return [node.data() for node in self.value]
        return self.value


def read_yaml(file: str, data: bytes) -> Node:
    """Return the one document in `data` as a node; raise `InputError` with file, line and column."""
    text = _text(file, data)
    import yaml

    loader = yaml.CLoader if yaml.__with_libyaml__ else yaml.Loader
    try:
        return uncollected(_build, file, loader(text))
    except yaml.MarkedYAMLError as e:
        mark = e.problem_mark or e.context_mark
        problem = (e.problem or e.context or "malformed").lower()
        if mark is None:
            raise InputError(f"not YAML: {problem}", file=file) from e
        raise InputError(f"not YAML: {problem}", file=file, line=mark.line + 1, column=mark.column + 1) from e
    except yaml.YAMLError as e:
        raise InputError("not YAML", file=file) from e


def uncollected(make: Callable[..., _T], *args: Any) -> _T:
    """Call `make` with the garbage collector at rest: hundreds of thousands of live nodes are no garbage, and looking
    through them again and again is what makes loading grow faster than the document.
    """
    import gc

    if not gc.isenabled():
        return make(*args)
    gc.disable()
    try:
        return make(*args)
    finally:
        gc.enable()


def _text(file: str, data: bytes) -> str:
    if len(data) > MAX_BYTES:
        raise InputError(f"larger than {MAX_BYTES} bytes", file=file)
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as e:
        line, column = _place(data[: e.start].decode("utf-8"))
        raise InputError("invalid UTF-8", file=file, line=line, column=column) from e
    bad = _FORBIDDEN.search(text)
    if bad:
        line, column = _place(text[: bad.start()])
        raise InputError(f"control character U+{ord(bad.group()):04X}", file=file, line=line, column=column)
    return text


def _place(before: str) -> tuple[int, int]:
    return before.count("\n") + 1, len(before) - (before.rfind("\n") + 1) + 1


def _build(file: str, parser: Any) -> Node:
    """Fold the parser's events into nodes with a stack of open collections, so that depth costs no recursion.

    This loop is most of what loading a policy costs; places and values are made in it, and all else is left to the rare path.
    """
    import yaml

    scalar, mapping, sequence = yaml.ScalarEvent, yaml.MappingStartEvent, yaml.SequenceStartEvent
    ends, following = (yaml.MappingEndEvent, yaml.SequenceEndEvent), parser.get_event
    root: Node | None = None
    documents = 0
    stack: list[tuple[Node, list[str]]] = []  # the collections around the open one, each with its waiting key
    parent: Node | None = None
    waiting: list[str] = []
    while True:
        event = following()
        kind = type(event)
        if kind is scalar:
            if event.anchor is not None or event.tag is not None:
                _refuse_extras(file, event)
            mark, text = event.start_mark, event.value
            node = Node(text, file, mark.line + 1, mark.column + 1)
            if event.implicit[0]:
                if text in _WORDS or text[0] in _NUMERIC_START:
                    node.value = _plain(node, text)
            elif not text.isprintable() and _IN_VALUE.search(text):
                raise node.error("control character in a string")
        elif kind is mapping or kind is sequence:
            if event.anchor is not None or event.tag is not None:
                _refuse_extras(file, event)
            mark = event.start_mark
            node = Node([], file, mark.line + 1, mark.column + 1)
            if kind is mapping:
                node.value, node.keys = {}, {}
        elif kind in ends:
            parent, waiting = stack.pop()
            continue
        elif kind is yaml.AliasEvent:
            raise _at(file, event, "an alias is not allowed")
        elif kind is yaml.DocumentStartEvent:
            documents += 1
            if documents > 1 or event.version or event.tags:
                raise _at(file, event, "more than one document" if documents > 1 else "a directive is not allowed")
            continue
        elif kind is yaml.StreamEndEvent or event is None:
            break
        else:
            continue
        if parent is None:
            root = node
        elif type(parent.value) is list:
            parent.value.append(node)
        elif waiting:
            parent.value[waiting.pop()] = node
        else:
            _key(parent, node)
            waiting.append(node.value)
        if kind is not scalar:
            if len(stack) >= MAX_DEPTH:
                raise node.error(f"nested deeper than {MAX_DEPTH}")
            stack.append((parent, waiting))  # type: ignore[arg-type]  # none around the root, which nothing is put into
            parent, waiting = node, []
    if root is None:
        raise InputError("empty document", file=file, line=1, column=1)
    return root


def _at(file: str, event: Any, message: str) -> InputError:
    return InputError(message, file=file, line=event.start_mark.line + 1, column=event.start_mark.column + 1)


def _refuse_extras(file: str, event: Any) -> None:
    raise _at(file, event, "an anchor is not allowed" if event.anchor is not None else "a tag is not allowed")


def _key(parent: Node, node: Node) -> None:
    """Note a mapping's next key, unless it is none that one can have."""
    key = node.value
    if type(key) is not str:
        raise node.error("a key must be a string", hint="quote it")
    if key == "<<":
        raise node.error("a merge key is not allowed")
    if key in parent.keys:
        raise node.error(f"duplicate key `{key}`")
    parent.keys[key] = (node.line, node.column)


def _plain(node: Node, text: str) -> Any:
    if text in _WORDS:
        return _WORDS[text]
    if text[0] not in _NUMERIC_START:
        return text
    if _AMBIGUOUS.match(text):
        raise node.error(
            f"ambiguous number `{text[:50]}`", hint="quote it if it is text, or write it in plain decimal digits"
        )
    try:
        if _INTEGER.match(text):
            return exact(int(text) if len(text) < 50 else 10**50)
        if _DECIMAL.match(text):
            from decimal import Decimal

            return exact(Decimal(text)) if len(text) < 120 else exact(10**50)
    except Refused as e:
        raise node.error(f"number {e}") from e
    return text
