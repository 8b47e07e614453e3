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


class Node:
    """A value with its place: `value` is a dict or list of nodes, or a scalar (numbers are `int` or `Decimal`).

    `mark` is the parser's, counting from 0, and `key_mark` that of the key it stands under: almost all are never asked.
    """

    __slots__ = ("file", "key_mark", "mark", "value")

    def __init__(self, value: Any, file: str | None, mark: Any, key_mark: Any = None) -> None:
        self.value = value
        self.file = file
        self.mark = mark
        self.key_mark = key_mark

    @property
    def line(self) -> int | None:
        """The line it begins in, from 1; None for what stands in no file."""
        return None if self.mark is None else self.mark.line + 1

    @property
    def column(self) -> int | None:
        """The column it begins at, from 1; None for what stands in no file."""
        return None if self.mark is None else self.mark.column + 1

    def key_node(self, key: str) -> Node:
        """One of this mapping's keys as a node, which knows where it stands."""
        return Node(key, self.file, self.value[key].key_mark)

    def error(self, message: str, *, hint: str | None = None) -> InputError:
        """Return (not raise) an error that points at this node."""
        return InputError(message, file=self.file, line=self.line, column=self.column, hint=hint)

    def key_error(self, key: str, message: str, *, hint: str | None = None) -> InputError:
        """Return an error that points at one of this mapping's keys."""
        return self.key_node(key).error(message, hint=hint)

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

    This loop is most of what loading a policy costs: nodes are made for values alone, in place, and all else is left to the
    rare path.
    """
    import yaml

    scalar, mapping, sequence = yaml.ScalarEvent, yaml.MappingStartEvent, yaml.SequenceStartEvent
    mapping_end, sequence_end = yaml.MappingEndEvent, yaml.SequenceEndEvent
    roots: list[Node] = []
    documents = 0
    # The collection that is open, and the key that waits for its value with its mark; the stack holds the collections
    # around it, which wait for nothing, since a collection is put into its place when it opens.
    into: Any = roots
    listed = True
    waiting: str | None = None
    key_mark: Any = None
    stack: list[Any] = []
    for event in iter(parser.get_event, None):
        kind = type(event)
        if kind is scalar:
            if event.anchor is not None or event.tag is not None:
                raise _extras(file, event)
            value = event.value
            if event.implicit[0]:
                if value in _WORDS or value[0] in _NUMERIC_START:
                    value = _plain(file, event, value)
            elif not value.isprintable() and _IN_VALUE.search(value):
                raise _at(file, event, "control character in a string")
            if listed:
                into.append(Node(value, file, event.start_mark))
            elif waiting is not None:
                into[waiting] = Node(value, file, event.start_mark, key_mark)
                waiting = None
            elif type(value) is not str or value == "<<" or value in into:
                raise _no_key(file, event, value)
            else:
                waiting, key_mark = value, event.start_mark
        elif kind is mapping or kind is sequence:
            if event.anchor is not None or event.tag is not None:
                raise _extras(file, event)
            opened: Any = {} if kind is mapping else []
            if listed:
                into.append(Node(opened, file, event.start_mark))
            elif waiting is not None:
                into[waiting] = Node(opened, file, event.start_mark, key_mark)
                waiting = None
            else:
                raise _no_key(file, event, None)
            if len(stack) >= MAX_DEPTH:
                raise _at(file, event, f"nested deeper than {MAX_DEPTH}")
            stack.append(into)
            into, listed = opened, kind is sequence
        elif kind is mapping_end or kind is sequence_end:
            into = stack.pop()
            listed = type(into) is list
        elif kind is yaml.AliasEvent:
            raise _at(file, event, "an alias is not allowed")
        elif kind is yaml.DocumentStartEvent:
            documents += 1
            if documents > 1 or event.version or event.tags:
                raise _at(file, event, "more than one document" if documents > 1 else "a directive is not allowed")
        elif kind is yaml.StreamEndEvent:
            break
    if not roots:
        raise InputError("empty document", file=file, line=1, column=1)
    return roots[0]


def _at(file: str, event: Any, message: str, *, hint: str | None = None) -> InputError:
    return Node(None, file, event.start_mark).error(message, hint=hint)


def _extras(file: str, event: Any) -> InputError:
    return _at(file, event, "an anchor is not allowed" if event.anchor is not None else "a tag is not allowed")


def _no_key(file: str, event: Any, key: Any) -> InputError:
    """Say why this can be no key of the mapping that is open: `key` is its value, None for a collection."""
    if type(key) is not str:
        return _at(file, event, "a key must be a string", hint="quote it")
    if key == "<<":
        return _at(file, event, "a merge key is not allowed")
    return _at(file, event, f"duplicate key `{key}`")


def _plain(file: str, event: Any, text: str) -> Any:
    """The value of a plain scalar that is a word of YAML or begins as a number does."""
    if text in _WORDS:
        return _WORDS[text]
    if _AMBIGUOUS.match(text):
        raise _at(
            file,
            event,
            f"ambiguous number `{text[:50]}`",
            hint="quote it if it is text, or write it in plain decimal digits",
        )
    try:
        if _INTEGER.match(text):
            return exact(int(text) if len(text) < 50 else 10**50)
        if _DECIMAL.match(text):
            from decimal import Decimal

            return exact(Decimal(text)) if len(text) < 120 else exact(10**50)
    except Refused as e:
        raise _at(file, event, f"number {e}") from e
    return text
