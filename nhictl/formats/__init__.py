"""The outside world's shapes, one file each; an importer turns a foreign log into events and loses nothing.

Each importer module has `READING`, a `Reading` (`formats.reading`), and tells its own by `claims(record)` for formats of
many records, or by `looks_like(head)` for those that are one JSON text; it is imported only when it is asked for. A file
is read as it comes, in bounded memory where its format is one of lines; gzip is unpacked on the way. Foreign events are
evidence `imported`: they never change what is authorised.

Source: reference/replay.md §1.
"""

from __future__ import annotations

import importlib
import os.path
from functools import lru_cache
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final

from nhictl.errors import InputError
from nhictl.formats.imported import ForeignFormatError, Imported

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from nhictl.formats.reading import Reading

__all__ = ["FORMATS", "SNIFF_BYTES", "ForeignFormatError", "Imported", "begin", "read", "run_names", "sniff"]

FORMATS: Final = {
    "claude-code": "nhictl.formats.claude_code",
    "codex": "nhictl.formats.codex",
    "agentdojo": "nhictl.formats.agentdojo",
    "swe-agent": "nhictl.formats.swe_agent",
    "otlp": "nhictl.formats.otlp",
    "openai-agents": "nhictl.formats.openai_agents",
    "mcp": "nhictl.formats.mcp",
    "cloudtrail": "nhictl.formats.cloudtrail",
    "generic": "nhictl.formats.generic",
}
"""Importers by name, in the order in which they are asked whether a file is theirs."""

SNIFF_BYTES: Final = 1 << 20
"""How much of a file's beginning `sniff` wants; less is enough for most."""

SNIFF_RECORDS: Final = 64


def _importer(name: str) -> Any:
    module = FORMATS.get(name)
    if module is None:
        known = ", ".join(f"`{known}`" for known in FORMATS)
        raise InputError(f"unknown log format `{name}`", hint=f"known formats: {known}")
    return importlib.import_module(module)


@lru_cache(maxsize=8)
def sniff(head: bytes) -> str | None:
    """Name the format of a file that begins with these bytes, or None where no importer is sure.

    Of the first 64 records, the format that claims most of them has the file; gzip is looked into.
    """
    from nhictl.formats.head import records
    from nhictl.formats.unpacked import head as unpacked_head

    plain = unpacked_head(head, SNIFF_BYTES)
    first = records(plain, SNIFF_RECORDS)
    best, most = None, 0
    for name in FORMATS:
        importer = _importer(name)
        if hasattr(importer, "looks_like"):
            count = int(importer.looks_like(plain))
        else:
            count = sum(map(importer.claims, first))
        if count > most:
            best, most = name, count
    return best


def begin(
    format: str,  # noqa: A002 - the option's name
    *,
    run: str,
    file: str,
    digest: Callable[[], str | None],
    mapping: bytes | None = None,
) -> Reading:
    """A reading of one file as `format`, whose `events(chunks)` come as the bytes do.

    `run` is the name its events get where the log itself names none; `file` is how messages and events call the file;
    `digest` tells the SHA-256 (hex) of the file's bytes when a record has to be named by it, None if nobody knows.
    `mapping` is the file of `--map`, for `generic` alone. A format that nobody knows raises InputError.
    """
    importer = _importer(format)
    if format == "generic":
        made = importer.READING(run, file, digest, mapping)
    elif mapping is not None:
        raise InputError("a map is for the format `generic` alone", hint="say --format generic")
    else:
        made = importer.READING(run, file, digest)
    return made  # type: ignore[no-any-return]


def read(
    format: str,  # noqa: A002 - the option's name
    data: bytes,
    *,
    run: str,
    file: str,
    mapping: bytes | None = None,
) -> Imported:
    """Read a whole file as `format`; raise ForeignFormatError naming `file` if nothing in it is of that format.

    The arguments are those of `begin`.
    """
    from nhictl.formats.unpacked import unpacked

    reading = begin(format, run=run, file=file, digest=lambda: sha256(data).hexdigest(), mapping=mapping)
    reading.looks = sniff(data[:SNIFF_BYTES])
    events = list(reading.events(unpacked([data])))
    if (refusal := reading.refusal()) is not None:
        raise refusal
    return Imported(
        format, events, parsed=reading.parsed, opaque=reading.opaque, failed=reading.failed, problems=reading.problems
    )


def run_names(paths: Sequence[str]) -> list[str]:
    """Name the run of each file: its path below the files' deepest common folder, without suffix, `/` between parts.

    Names are distinct: files that differ in suffix alone keep it, and a file given twice gets `#2`, `#3` and so on.
    """
    if not paths:
        return []
    # os.path and not pathlib: `..` is folded without following links, and pathlib costs 15 ms to import.
    absolute = [os.path.abspath(path) for path in paths]  # noqa: PTH100
    top = os.path.commonpath([os.path.dirname(path) for path in absolute])  # noqa: PTH120
    full = [os.path.relpath(path, top).replace(os.sep, "/") for path in absolute]
    names = [_stem(path) for path in full]
    while True:
        bearers: dict[str, set[str]] = {}
        for name, own in zip(names, full, strict=True):
            bearers.setdefault(name, set()).add(own)
        settled = [own if len(bearers[name]) > 1 else name for name, own in zip(names, full, strict=True)]
        if settled == names:
            return _numbered(names)
        names = settled


def _stem(path: str) -> str:
    """Without its suffix; `.gz` is packaging and goes first."""
    packed, suffix = os.path.splitext(path)  # noqa: PTH122
    return os.path.splitext(packed if suffix == ".gz" else path)[0]  # noqa: PTH122


def _numbered(names: list[str]) -> list[str]:
    taken = set(names)
    seen: set[str] = set()
    made = []
    for name in names:
        given, number = name, 1
        while given in seen or (number > 1 and given in taken):
            number += 1
            given = f"{name}#{number}"
        seen.add(given)
        made.append(given)
    return made
