"""Which texts are normal forms of a type, as automata: no wider than needed, and never narrower than the truth.

Wider is allowed (ports and addresses are not followed into their numbers), because a text that turns out to have no
normal form is not taken for a witness; narrower would call a set empty that is not. Characters a part does not name as
special count as ordinary letters.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nhictl.core.policy.algebra.automata import DEAD, Anything

if TYPE_CHECKING:
    from collections.abc import Iterable

    from nhictl.core.policy.algebra.automata import Part

__all__ = ["universe"]

_HOST = frozenset("abcdefghijklmnopqrstuvwxyz0123456789-_")
_DIGITS = "0123456789"
_NEVER_IN_URI = frozenset(" #\\%")


class _Rules:
    """A part whose states are words, with rules by state; subclasses say what a character does."""

    start: Any = ""
    ends: frozenset[str] = frozenset()
    marks = ""

    def accepts(self, state: Any) -> bool:
        """Whether reading may end here."""
        return state in self.ends

    def special(self, state: Any) -> Iterable[str]:
        """The marks that give a text of this type its shape."""
        return () if state == DEAD else self.marks


def _segment(state: Any, char: str) -> Any:
    """A path's segments: none is empty, `.` or `..`. `seg` begins one, `in` is inside."""
    if char == "/":
        return "seg" if state == "in" else DEAD
    if char == ".":
        return {"seg": ".", ".": ".."}.get(state, "in")
    return DEAD if char == "\\" else "in"


class _Path(_Rules):
    """Absolute and relative paths, and plain names."""

    start = "begin"
    ends = frozenset({"in", "root"})
    marks = "/."

    def step(self, state: Any, char: str) -> Any:
        """`/` alone is a path as well."""
        if state == DEAD:
            return DEAD
        if state == "begin" and char == "/":
            return "root"
        return _segment("seg" if state in ("begin", "root") else state, char)


class _Name(_Path):
    """Plain names, which may have segments and do not begin with `/`."""

    start = "seg"


def _authority(state: Any, char: str) -> Any:
    """Host names and addresses: labels of `h`, brackets of an IPv6 address, a port after them."""
    if state in ("host", "dot", "h"):
        if char in _HOST:
            return "h"
        if char == "[" and state == "host":
            return "six"
        if state == "h":
            return {".": "dot", ":": "colon"}.get(char, DEAD)
        return DEAD
    if state == "six":
        return "bracket" if char == "]" else "six" if char in _HOST or char in ":." else DEAD
    if state == "bracket":
        return "colon" if char == ":" else DEAD
    return "port" if char in _DIGITS else DEAD  # colon, port


class _Host(_Rules):
    """Host names and addresses, without a port."""

    start = "host"
    ends = frozenset({"h", "bracket"})
    marks = ".[]:"

    def step(self, state: Any, char: str) -> Any:
        """As in a uri, but a port is nowhere."""
        after = DEAD if state == DEAD else _authority(state, char)
        return DEAD if after == "colon" else after


class _Email(_Host):
    """`local@host`."""

    start = "local"
    marks = "@.[]:"

    def step(self, state: Any, char: str) -> Any:
        """Before the `@` anything but spaces and a second `@`."""
        if state not in ("local", "more"):
            return super().step(state, char)
        if char == "@":
            return "host" if state == "more" else DEAD
        return DEAD if char == " " else "more"


_URI_HEAD = {"s": {":": "s:"}, "s:": {"/": "s:/"}, "s:/": {"/": "host"}}


class _Uri(_Rules):
    """`scheme://host[:port]/path[?query]`, or `scheme:///path` without a host."""

    start = "scheme"
    ends = frozenset({"h", "bracket", "port", "none", "in", "query"})
    marks = ":/.?[]" + _DIGITS

    def step(self, state: Any, char: str) -> Any:
        """The scheme's letters, `://`, authority, segments, query."""
        if state == DEAD or (char in _NEVER_IN_URI and state != "query"):
            return DEAD
        if state == "scheme":
            return "s" if "a" <= char <= "z" else DEAD
        if state in _URI_HEAD:
            if state == "s" and (char in _HOST or char in "+."):
                return "s" if char != "_" else DEAD
            return _URI_HEAD[state].get(char, DEAD)
        if state == "query":
            return "query"
        if char == "?" and state in ("h", "bracket", "port", "in"):
            return "query"
        if char == "/" and state in ("h", "bracket", "port"):
            return "seg"
        if char == "/" and state == "host":
            return "none"
        if state in ("none", "seg", ".", "..", "in"):
            return _segment("seg" if state == "none" else state, char)
        return _authority(state, char)


class _Resource:
    """Uris, paths and plain names, which a resource tells apart by its look."""

    start: Any = (_Uri.start, _Path.start)

    def __init__(self) -> None:
        self._uri, self._path = _Uri(), _Path()

    def step(self, state: Any, char: str) -> Any:
        """Read it as both."""
        after = (self._uri.step(state[0], char), self._path.step(state[1], char))
        return DEAD if after == (DEAD, DEAD) else after

    def accepts(self, state: Any) -> bool:
        """Whether it is one of them."""
        return self._uri.accepts(state[0]) or self._path.accepts(state[1])

    def special(self, state: Any) -> Iterable[str]:
        """The marks of both."""
        return {*self._uri.special(state[0]), *self._path.special(state[1])}


class _Folded(_Rules):
    """Texts without blanks around them and without capitals."""

    start = "begin"
    ends = frozenset({"begin", "in"})
    marks = ""

    def step(self, state: Any, char: str) -> Any:
        """A blank may stand inside only."""
        if char.isspace():
            return DEAD if state == "begin" else "blank"
        return DEAD if char.isupper() else "in"


class _Spoilt(_Rules):
    """Texts with a backslash, which are no resource and lie nowhere."""

    start = "begin"
    ends = frozenset({"spoilt"})
    marks = "\\"

    def step(self, state: Any, char: str) -> Any:
        """Once is enough."""
        return "spoilt" if char == "\\" or state == "spoilt" else "in"


class _AgentName(_Rules):
    """Names that an agent can have: a letter or digit at both ends; that they are at most 64 long is not followed."""

    start = "begin"
    ends = frozenset({"in"})
    marks = "._-"

    def step(self, state: Any, char: str) -> Any:
        """Letters and digits, and marks between them."""
        if state == DEAD:
            return DEAD
        if char in "._-":
            return DEAD if state == "begin" else "mark"
        return "in" if char in _DIGITS or "a" <= char <= "z" else DEAD


_KINDS: dict[str, type[Any]] = {
    "agent": _AgentName,
    "spoilt": _Spoilt,
    "uri": _Uri,
    "path": _Path,
    "host": _Host,
    "email": _Email,
    "resource": _Resource,
    "resource:uri": _Uri,
    "resource:path": _Path,
    "resource:string": _Name,
    "folded": _Folded,
}


def universe(kind: str) -> Part:
    """The automaton of normal forms of a type that is text; of `spoilt`, of texts that nothing takes for a resource."""
    made: Part = _KINDS.get(kind, Anything)()
    return made
