"""Bytes as they come from a file: gzip (RFC 1952) is unpacked on the way, in bounded memory and up to a bounded size."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

GZIP: Final = b"\x1f\x8b"
BLOCK: Final = 1 << 18
"""Bytes that are unpacked at a time."""

MAX_RATIO: Final = 300
FREE_BYTES: Final = 256 << 20
"""A stream may unpack to this many bytes whatever its size, and beyond them to `MAX_RATIO` times what was packed."""


class CutShortError(ValueError):
    """The bytes end, or cannot be followed, before their end; the message says why."""


def unpacked(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Hand the chunks on, unpacked if they begin as gzip; CutShortError once what is good of them was handed on."""
    source = iter(chunks)
    head = b""
    for chunk in source:
        head += chunk
        if len(head) >= len(GZIP):
            break
    if not head.startswith(GZIP):
        if head:
            yield head
        yield from source
        return
    yield from _gunzip(head, source)


def _gunzip(pending: bytes, source: Iterator[bytes]) -> Iterator[bytes]:
    import zlib

    packed, made = len(pending), 0
    stream = zlib.decompressobj(31)
    while True:
        if not pending:
            pending = next(source, b"")
            packed += len(pending)
            if not pending:
                break
        if stream.eof:  # a further member, or the zeros that tapes are filled up with
            pending = pending.lstrip(b"\0")
            if not pending:
                continue
            if not GZIP.startswith(pending[:2]):
                raise CutShortError("other bytes follow the gzip stream")
            stream = zlib.decompressobj(31)
        try:
            out = stream.decompress(pending, BLOCK)
            pending = stream.unused_data if stream.eof else stream.unconsumed_tail
            while out:
                made += len(out)
                yield out
                if made > FREE_BYTES and made > MAX_RATIO * packed:
                    raise CutShortError(f"unpacks to more than {MAX_RATIO} times its size")
                # What was taken in may be worth more than one block.
                out = b"" if stream.eof or pending else stream.decompress(b"", BLOCK)
                if stream.eof:
                    pending = stream.unused_data
        except zlib.error as e:
            raise CutShortError("the gzip stream is damaged") from e
    if not stream.eof:
        raise CutShortError("the gzip stream is cut off")


def head(first: bytes, size: int) -> bytes:
    """At most `size` bytes of the beginning, unpacked, of a file that begins with `first`."""
    made = b""
    try:
        for chunk in unpacked([first]):
            made += chunk
            if len(made) >= size:
                break
    except CutShortError:
        pass  # it is only a beginning
    return made[:size]
