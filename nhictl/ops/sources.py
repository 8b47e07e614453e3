"""Files of other systems' logs: found, read with a cap, named by run, recognised; a bad one is refused by name only."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple

from nhictl import formats
from nhictl.errors import InputError
from nhictl.formats import ForeignFormatError, Imported

MAX_SOURCE: Final = 256 * 1024 * 1024


class Source(NamedTuple):
    """One file: where it is, how it is called in events and records, and the run it holds."""

    path: Path
    name: str
    run: str


def find(paths: Sequence[str]) -> list[Source]:
    """The files that are named, and those below folders that are, in a fixed order; InputError if there is none."""
    found: list[Path] = []
    for text in paths:
        path = Path(text)
        if path.is_dir():
            found += sorted(p for p in path.rglob("*") if p.is_file() and not p.name.startswith("."))
        else:
            found.append(path)
    if not found:
        raise InputError("no file to read", code="unreadable")
    runs = formats.run_names([str(path) for path in found])
    return [Source(path, run + path.suffix, run) for path, run in zip(found, runs, strict=True)]


def read(source: Source) -> bytes:
    """The file's bytes; InputError if it cannot be read or is too large to be taken whole."""
    try:
        with source.path.open("rb") as file:
            data = file.read(MAX_SOURCE + 1)
    except OSError as e:
        raise InputError(f"cannot read `{source.path}`: {(e.strerror or str(e)).lower()}", code="unreadable") from e
    if len(data) > MAX_SOURCE:
        raise InputError(f"`{source.path}` is over {MAX_SOURCE} bytes", code="too_large")
    return data


def interpret(source: Source, data: bytes, chosen: str | None) -> Imported:
    """Read a foreign log in the format chosen, else in the one it is recognised as; ForeignFormatError otherwise."""
    name = chosen or formats.sniff(data[: formats.SNIFF_BYTES])
    if name is None:
        known = ", ".join(formats.FORMATS)
        raise ForeignFormatError(f"`{source.path}` is no log that is known here", hint=f"say which: --format {known}")
    return formats.read(name, data, run=source.run, file=source.name)


def is_native(head: bytes) -> bool:
    """Whether a file begins like our own exported log."""
    return head.startswith(b'{"v":1,"ts":"') and b'"type":"log.genesis"' in head[:400]
