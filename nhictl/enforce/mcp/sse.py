"""Server-sent events (WHATWG HTML §9.2), as far as MCP uses them: read as they come, and written again."""

from __future__ import annotations

from typing import Final, NamedTuple

from nhictl.enforce.mcp.message import MAX_LINE

_BOM: Final = b"\xef\xbb\xbf"


class Event(NamedTuple):
    """One event; `data` has its lines joined by line feeds. `id` and `retry` are None where it has none."""

    name: bytes
    data: bytes
    id: bytes | None
    retry: bytes | None

    @property
    def carries(self) -> bool:
        """Whether it is one that MCP puts messages into; others are for nobody."""
        return self.name in (b"", b"message") and bool(self.data)


class TooLargeError(ValueError):
    """An event is over the limit of a message."""


class Reader:
    """Bytes that come in, as events. A stream that ends inside an event leaves it out, as the standard says."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._size = 0
        self._data: list[bytes] = []
        self._name = b""
        self._id: bytes | None = None
        self._retry: bytes | None = None
        self._after_return = False
        self._first = True

    def add(self, data: bytes) -> list[Event]:
        """The events that `data` completes; TooLargeError for one that is too large."""
        found: list[Event] = []
        if self._after_return and data.startswith(b"\n"):
            data = data[1:]
        self._after_return = data.endswith(b"\r")
        for piece in data.splitlines(keepends=True):
            self._size += len(piece)
            if self._size > MAX_LINE:
                raise TooLargeError
            self._parts.append(piece)
            if piece.endswith((b"\n", b"\r")):
                line = b"".join(self._parts).rstrip(b"\r\n")
                self._parts.clear()
                if (event := self._line(line)) is not None:
                    found.append(event)
        return found

    def _line(self, line: bytes) -> Event | None:
        if self._first:
            self._first = False
            line = line.removeprefix(_BOM)
        if not line:
            return self._dispatch()
        name, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if name == b"data":
            self._data.append(value)
        elif name == b"event":
            self._name = value
        elif name == b"id" and b"\0" not in value:
            self._id = value
        elif name == b"retry" and value.isdigit():
            self._retry = value
        return None

    def _dispatch(self) -> Event | None:
        self._size = 0
        event = Event(self._name, b"\n".join(self._data), self._id, self._retry)
        some = bool(self._data) or self._id is not None or self._retry is not None
        self._data, self._name, self._id, self._retry = [], b"", None, None
        return event if some else None


def dump(event: Event) -> bytes:
    """The event's bytes; its data may not hold a carriage return, which JSON never needs."""
    lines = [b"event: " + event.name] if event.name else []
    lines += [b"id: " + event.id] if event.id is not None else []
    lines += [b"retry: " + event.retry] if event.retry is not None else []
    lines += (
        [b"data: " + line for line in event.data.split(b"\n")]
        if event.data or event.id is not None or event.retry is None
        else []
    )
    return b"\n".join(lines) + b"\n\n"
