"""The elements of a list inside one JSON text, one by one with their places, so that a text cut short still tells."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from nhictl.core import strict_json

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    _Steps = Generator[tuple[str, "Element"], None, int | None]

_BLANK: Final = " \t\r\n"
_SCAN: Final = json.JSONDecoder(parse_int=lambda _text: 0)


class Element(NamedTuple):
    """A value, strictly read, and the bytes where it stands; `why` if it, or the text from there on, is broken."""

    value: Any
    offset: int
    length: int
    why: str | None = None
    raw: str = ""


class Elements:
    """One JSON text that is a list, or an object with lists as members.

    `rest` holds the other members of an object, as far as they were read when iteration ended. `why` says what is
    broken of the text outside the elements, None if nothing is.
    """

    def __init__(self, data: bytes, names: tuple[str, ...], max_depth: int) -> None:
        self.names = names
        self.max_depth = max_depth
        self.rest: dict[str, Any] = {}
        self.why: str | None = None
        self._at_bytes = 3 if data.startswith(b"\xef\xbb\xbf") else 0
        self._at = 0
        try:
            self.text = data[self._at_bytes :].decode("utf-8")
        except UnicodeDecodeError as e:
            good = data[self._at_bytes : self._at_bytes + e.start]
            self.text = good.decode("utf-8")
            self.why = f"invalid UTF-8 at byte {self._at_bytes + e.start}"

    def __iter__(self) -> Iterator[tuple[str, Element]]:
        """Each element beside the name of its list, empty for a text that is a list itself."""
        start = self._blank(0)
        opening = self.text[start : start + 1]
        if opening not in ("[", "{"):
            yield "", self._broken(start, "neither a list nor an object")
            return
        end = yield from self._list("", start) if opening == "[" else self._object(start)
        if end is None:
            return
        if self._blank(end) < len(self.text):
            yield "", self._broken(self._blank(end), "further text after the end")
        elif self.why is not None:
            yield "", self._broken(len(self.text), self.why)

    def _object(self, at: int) -> _Steps:
        seen: set[str] = set()
        at += 1
        while True:
            at = self._blank(at)
            if self.text[at : at + 1] == "}" and not seen:
                return at + 1
            try:
                name, end = _SCAN.raw_decode(self.text, at)
            except (ValueError, RecursionError):
                name, end = None, at
            end = self._blank(end)
            if not isinstance(name, str) or self.text[end : end + 1] != ":":
                yield "", self._broken(at, "a member without a name")
                return None
            start = self._blank(end + 1)
            if name in seen:
                yield "", self._broken(at, f"duplicate member `{name}`")
                return None
            seen.add(name)
            if name in self.names and self.text[start : start + 1] == "[":
                after = yield from self._list(name, start)
                if after is None:
                    return None
                end = after
            else:
                found = self._element(start)
                if found.why is not None:
                    yield name, found
                    if self._at <= start:
                        return None
                self.rest[name] = found.value
                end = self._at
            at = self._blank(end)
            mark = self.text[at : at + 1]
            if mark == "}":
                return at + 1
            if mark != ",":
                yield "", self._broken(at, "the text ends inside an object" if not mark else "a comma is missing")
                return None
            at += 1

    def _list(self, name: str, at: int) -> _Steps:
        at = self._blank(at + 1)
        if self.text[at : at + 1] == "]":
            return at + 1
        while True:
            found = self._element(at)
            yield name, found
            if found.why is not None and self._at <= at:
                return None
            at = self._blank(self._at)
            mark = self.text[at : at + 1]
            if mark == "]":
                return at + 1
            if mark != ",":
                yield name, self._broken(at, "the text ends inside a list" if not mark else "a comma is missing")
                return None
            at = self._blank(at + 1)

    def _element(self, at: int) -> Element:
        """Read one value at `at` and stand behind it; where no end can be found the rest of the text is broken."""
        try:
            end = _SCAN.raw_decode(self.text, at)[1]
        except (ValueError, RecursionError):
            return self._broken(at, self.why or "not JSON from here on")
        raw = self.text[at:end]
        offset = self._place(at)
        length = self._place(end) - offset
        try:
            value = strict_json.loads(raw, max_depth=self.max_depth)
        except strict_json.StrictJSONError as e:
            return Element(None, offset, length, str(e), raw)
        return Element(value, offset, length, None)

    def _broken(self, at: int, why: str) -> Element:
        raw = self.text[at:]
        offset = self._place(at)
        return Element(None, offset, len(raw.encode()), why, raw[:4096])

    def _place(self, at: int) -> int:
        """The byte where character `at` stands; places only ever go forward."""
        self._at_bytes += len(self.text[self._at : at].encode())
        self._at = at
        return self._at_bytes

    def _blank(self, at: int) -> int:
        text = self.text
        while at < len(text) and text[at] in _BLANK:
            at += 1
        return at
