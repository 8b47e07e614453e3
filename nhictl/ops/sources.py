"""Files of other systems' logs: found, named by run, recognised, read as their bytes come; a bad one is refused by name.

`open_source` and `Opened.begin` read in bounded memory; `read` and `interpret` take a file whole, with a cap, for what has
to keep its very bytes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from stat import S_ISREG
from typing import BinaryIO, Final, NamedTuple

from nhictl import formats
from nhictl.core.replay.event import Event
from nhictl.errors import InputError
from nhictl.formats import ForeignFormatError, Imported
from nhictl.formats.reading import Reading
from nhictl.formats.unpacked import head as unpacked_head
from nhictl.formats.unpacked import unpacked

MAX_SOURCE: Final = 256 * 1024 * 1024
_BLOCK: Final = 1 << 20
STDIN: Final = "-"


class Source(NamedTuple):
    """One file: where it is, how it is called in events and records, the run it holds; `walked` if a folder led to it."""

    path: Path
    name: str
    run: str
    walked: bool = False


class LeftOutError(ForeignFormatError):
    """A file that stands in a folder of logs and is no JSON at all, such as a licence: named, and no failure."""

    code = "left_out"


def find(paths: Sequence[str]) -> list[Source]:
    """The files that are named, and those below folders that are, in a fixed order; InputError if there is none.

    `-` is standard input.
    """
    found: list[Path] = []
    walked: set[int] = set()
    for text in paths:
        path = Path(text)
        if path.is_dir():
            below = sorted(p for p in path.rglob("*") if p.is_file() and not p.name.startswith("."))
            walked.update(range(len(found), len(found) + len(below)))
            found += below
        else:
            found.append(path)
    if not found:
        raise InputError("no file to read", code="unreadable")
    runs = formats.run_names(["stdin" if str(path) == STDIN else str(path) for path in found])
    return [
        Source(path, run + _suffix(path), run, place in walked)
        for place, (path, run) in enumerate(zip(found, runs, strict=True))
    ]


def _suffix(path: Path) -> str:
    return "".join(path.suffixes[-2:]) if path.suffix == ".gz" else path.suffix


class Opened:
    """A file that is open at its beginning, with its first bytes at hand."""

    def __init__(self, source: Source, file: BinaryIO) -> None:
        self.source = source
        self._file = file
        self.head = self._read(formats.SNIFF_BYTES)

    def chunks(self) -> Iterator[bytes]:
        """All bytes from the beginning, once."""
        if self.head:
            yield self.head
        while block := self._read(_BLOCK):
            yield block

    def file(self) -> BinaryIO:
        """The file itself, at its beginning: for what can be read more than once."""
        self._file.seek(0)
        return self._file

    def begin(self, chosen: str | None, mapping: bytes | None = None) -> Reading:
        """Choose how to read it: the format named, else the one it is recognised as; ForeignFormatError otherwise."""
        looks = formats.sniff(self.head)
        name = chosen or ("generic" if mapping is not None else looks)
        if name is None:
            raise _unknown(self.source, self.head)
        made = formats.begin(name, run=self.source.run, file=self.source.name, digest=self._digest, mapping=mapping)
        made.looks = looks
        return made

    def events(self, reading: Reading) -> Iterator[Event]:
        """The events of a reading of this file; at the end ForeignFormatError if it was not of that format."""
        yield from reading.events(unpacked(self.chunks()))
        if (refusal := reading.refusal()) is not None:
            raise refusal

    def _read(self, size: int) -> bytes:
        made = b""
        try:
            while len(made) < size and (block := self._file.read(size - len(made))):  # a pipe gives what it has
                made += block
        except OSError as e:
            raise _unreadable(self.source, e) from e
        return made

    def _digest(self) -> str | None:
        """SHA-256 (hex) of the whole file, read once more; None for what can be read only once."""
        if not hasattr(self, "_known"):
            self._known = self._hash()
        return self._known

    def _hash(self) -> str | None:
        from hashlib import file_digest

        try:
            if str(self.source.path) == STDIN or not S_ISREG(self.source.path.stat().st_mode):
                return None
            with self.source.path.open("rb") as file:
                return file_digest(file, "sha256").hexdigest()
        except OSError as e:
            raise _unreadable(self.source, e) from e


@contextmanager
def open_source(source: Source) -> Iterator[Opened]:
    """Open a file for one reading; InputError if it cannot be read."""
    if str(source.path) == STDIN:
        import sys

        yield Opened(source, sys.stdin.buffer)
        return
    try:
        file = source.path.open("rb")
    except OSError as e:
        raise _unreadable(source, e) from e
    with file:
        yield Opened(source, file)


def read(source: Source) -> bytes:
    """The file's bytes; InputError if it cannot be read or is too large to be taken whole."""
    with open_source(source) as opened:
        data = b""
        for chunk in opened.chunks():
            data += chunk
            if len(data) > MAX_SOURCE:
                raise InputError(f"`{source.path}` is over {MAX_SOURCE} bytes", code="too_large")
    return data


def interpret(source: Source, data: bytes, chosen: str | None, mapping: bytes | None = None) -> Imported:
    """Read a foreign log in the format chosen, else in the one it is recognised as; ForeignFormatError otherwise."""
    name = chosen or ("generic" if mapping is not None else formats.sniff(data[: formats.SNIFF_BYTES]))
    if name is None:
        raise _unknown(source, data[: formats.SNIFF_BYTES])
    return formats.read(name, data, run=source.run, file=source.name, mapping=mapping)


def is_native(head: bytes) -> bool:
    """Whether a file begins like our own exported log."""
    return head.startswith(b'{"v":1,"ts":"') and b'"type":"log.genesis"' in head[:400]


def _unknown(source: Source, head: bytes) -> ForeignFormatError:
    text = unpacked_head(head, 4096).removeprefix(b"\xef\xbb\xbf").lstrip()
    if not text:
        return ForeignFormatError(f"`{source.path}` holds no record", hint="say which format, and it is a log of none")
    if source.walked and text[:1] not in (b"{", b"["):
        return LeftOutError(f"`{source.path}` is not JSON, so it was left out")
    known = ", ".join(formats.FORMATS)
    return ForeignFormatError(f"`{source.path}` is no log that is known here", hint=f"say which: --format {known}")


def _unreadable(source: Source, e: OSError) -> InputError:
    return InputError(f"cannot read `{source.path}`: {(e.strerror or str(e)).lower()}", code="unreadable")
