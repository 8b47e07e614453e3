"""Formats whose records stand in lists of one JSON text, or one text a line: told apart here, then read alike."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from nhictl.core.replay.event import Event
from nhictl.formats.elements import Element, Elements
from nhictl.formats.lines import MAX_LINE
from nhictl.formats.reading import MAX_DEPTH, Place, Reading
from nhictl.formats.unpacked import CutShortError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

MAX_DOCUMENT: Final = 128 << 20
"""Bytes of one JSON text that are read as a whole; of a longer one the rest is one failed record."""


class DocumentReading(Reading):
    """Records are the elements of the lists called `lists`, or of a text that is a list; else a record a line."""

    lists: tuple[str, ...]

    def events(self, chunks: Iterable[bytes]) -> Iterator[Event]:
        """Read the file as one JSON text, or as lines where its first line is a whole one."""
        source = iter(chunks)
        head, why = _first_line(source)
        if why is None and _is_line(head, self.lists):
            yield from super().events(_again(head, source))
            return
        data, why = _whole(head, source, why)
        self.window.bounded = False
        count = 0
        found = Elements(data, self.lists, MAX_DEPTH)
        for name, element in found:
            count += 1
            self.place = Place(element.offset, element.length, f"record {count}")
            self.element(name, element)
        if why is not None:
            self.place = Place(len(data), 0, f"record {count + 1}")
            self.fail(why, "")
        self.rest(found.rest)
        self.end()
        yield from self.window.rest()

    def text(self, data: bytes) -> None:
        """Take a line: a record, or a text with lists of records, which then all stand in that line."""
        value = self.value(data)
        names = [name for name in self.lists if isinstance(value, dict) and isinstance(value.get(name), list)]
        if not names:
            if value is not None:
                self.take(value)
            return
        for name in names:
            for element in value[name]:
                self.element(name, Element(element, self.place.offset, self.place.length))
        self.rest({name: member for name, member in value.items() if name not in names})

    def element(self, name: str, element: Element) -> None:  # noqa: ARG002 - others ask for it
        """Take one element of the list called `name`."""
        if element.why is not None:
            self.fail(element.why, element.raw)
        else:
            self.take(element.value)

    def rest(self, members: dict[str, Any]) -> None:
        """What else stands in the object around the lists."""


def _first_line(source: Iterator[bytes]) -> tuple[bytes, str | None]:
    head = b""
    try:
        for chunk in source:
            head += chunk
            if len(head) > MAX_LINE or b"\n" in head.lstrip(b"\xef\xbb\xbf \t\r\n"):
                break
    except CutShortError as e:
        return head, str(e)
    return head, None


def _is_line(head: bytes, lists: tuple[str, ...]) -> bool:
    """Whether the first line is a JSON text of its own, with others after it or without a list that is all there is."""
    first, _, more = head.removeprefix(b"\xef\xbb\xbf").lstrip().partition(b"\n")
    value = _object(first)
    if value is None:  # perhaps one broken line among others
        return _object(more.partition(b"\n")[0]) is not None and more[:1] == b"{"
    return bool(more.strip()) or not any(name in value for name in lists)


def _object(line: bytes) -> dict[str, Any] | None:
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _again(head: bytes, source: Iterator[bytes]) -> Iterator[bytes]:
    yield head
    yield from source


def _whole(head: bytes, source: Iterator[bytes], why: str | None) -> tuple[bytes, str | None]:
    parts, size = [head], len(head)
    try:
        for chunk in source:
            parts.append(chunk)
            size += len(chunk)
            if size > MAX_DOCUMENT:
                why = f"one JSON text of more than {MAX_DOCUMENT >> 20} MiB"
                break
    except CutShortError as e:
        why = str(e)
    return b"".join(parts)[:MAX_DOCUMENT], why
