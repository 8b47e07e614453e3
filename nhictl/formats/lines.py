"""The lines of a file with their places, in bounded memory: what is broken about a line is said, and none is lost."""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING, Final, NamedTuple

from nhictl.formats.unpacked import CutShortError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

MAX_LINE: Final = 32 << 20
"""Bytes of a line that is still read; of a longer one only place, length and digest are kept."""

_SHOWN: Final = 1024
"""Bytes of such a line that are kept."""

_BOM: Final = b"\xef\xbb\xbf"


class Line(NamedTuple):
    """One line that is not blank: its place in the (unpacked) file in bytes, and its bytes without the line end.

    `why` says why it cannot be read, None if it can; then `data` may be a beginning only, and `digest` is the SHA-256
    (hex) of the whole line if it was longer than that.
    """

    offset: int
    length: int
    data: bytes
    why: str | None = None
    digest: str | None = None


def lines(chunks: Iterable[bytes], limit: int = MAX_LINE) -> Iterator[Line]:
    """Split chunks into lines at LF; CR before it, a byte order mark at the start and blank lines are passed over."""
    offset, rest, first, why = 0, b"", True, None
    source = iter(chunks)
    while True:
        try:
            chunk = next(source, b"")
        except CutShortError as e:
            chunk, why = b"", str(e)
        if not chunk:
            break
        rest += chunk
        if first and len(rest) < len(_BOM):
            continue  # it could still begin with a mark
        if first and rest.startswith(_BOM):
            rest, offset, chunk = rest[len(_BOM) :], len(_BOM), rest
        elif first:
            chunk = rest
        first = False
        *parts, rest = rest.split(b"\n") if b"\n" in chunk else [rest]
        while True:
            for part in parts:
                if made := _line(part, offset, limit):
                    yield made
                offset += len(part) + 1
            if len(rest) <= limit:
                break
            line, after, cut = _skip(rest, offset, source, limit)
            yield line
            offset += line.length + 1
            if cut is not None:
                yield Line(offset - 1, 0, b"", cut)
                return
            *parts, rest = after.split(b"\n")
    for part in rest.split(b"\n"):  # more than one only of a file that is shorter than a mark
        if made := _line(part, offset, limit):
            yield made
        offset += len(part) + 1
    if why is not None:
        yield Line(offset - 1, 0, b"", why)


def _too_long(limit: int) -> str:
    return f"a line of more than {limit >> 20} MiB" if limit >= 1 << 20 else f"a line of more than {limit} bytes"


def _line(part: bytes, offset: int, limit: int) -> Line | None:
    if len(part) > limit:
        return Line(offset, len(part), part[: min(limit, _SHOWN)], _too_long(limit), sha256(part).hexdigest())
    data = part.rstrip(b"\r")
    return None if not data or data.isspace() else Line(offset, len(data), data)


def _skip(begun: bytes, offset: int, source: Iterator[bytes], limit: int) -> tuple[Line, bytes, str | None]:
    """Go on to the end of a line that is too long; return it, what follows it, and why nothing does if it was cut."""
    digest, length, cut = sha256(begun), len(begun), None
    rest = b""
    try:
        for chunk in source:
            part, found, rest = chunk.partition(b"\n")
            digest.update(part)
            length += len(part)
            if found:
                break
    except CutShortError as e:
        cut = str(e)
    return Line(offset, length, begun[: min(limit, _SHOWN)], _too_long(limit), digest.hexdigest()), rest, cut
