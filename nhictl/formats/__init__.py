"""The outside world's shapes, one file each; an importer turns a foreign log into events and loses nothing.

Each importer module has `looks_like(head) -> bool` and `read(data, *, run, file) -> Imported` and is imported only when
it is asked for. Foreign events are evidence `imported`: they never change what is authorised.

Source: reference/replay.md §1.
"""

from __future__ import annotations

import importlib
import os.path
from typing import TYPE_CHECKING, Any, Final

from nhictl.errors import InputError
from nhictl.formats.imported import ForeignFormatError, Imported

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["FORMATS", "SNIFF_BYTES", "ForeignFormatError", "Imported", "read", "run_names", "sniff"]

FORMATS: Final = {"agentdojo": "nhictl.formats.agentdojo"}
"""Importers by name, in the order in which they are asked whether a file is theirs."""

SNIFF_BYTES: Final = 1 << 20
"""How much of a file's beginning `sniff` wants; less is enough for most."""


def _importer(name: str) -> Any:
    module = FORMATS.get(name)
    if module is None:
        known = ", ".join(f"`{known}`" for known in FORMATS)
        raise InputError(f"unknown log format `{name}`", hint=f"known formats: {known}")
    return importlib.import_module(module)


def sniff(head: bytes) -> str | None:
    """Name the format of a file that begins with these bytes, or None where no importer is sure."""
    for name in FORMATS:
        if _importer(name).looks_like(head):
            return name
    return None


def read(format: str, data: bytes, *, run: str, file: str) -> Imported:  # noqa: A002 - the option's name
    """Read a whole file as `format`; raise ForeignFormatError naming `file` if it is not one.

    `run` is the name its events get where the log itself names none; `file` is how messages and events call the file.
    A format that nobody knows raises InputError.
    """
    made = _importer(format).read(data, run=run, file=file)
    assert isinstance(made, Imported)  # noqa: S101 - what every importer promises
    return made


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
    names = [os.path.splitext(path)[0] for path in full]  # noqa: PTH122
    while True:
        bearers: dict[str, set[str]] = {}
        for name, own in zip(names, full, strict=True):
            bearers.setdefault(name, set()).add(own)
        settled = [own if len(bearers[name]) > 1 else name for name, own in zip(names, full, strict=True)]
        if settled == names:
            return _numbered(names)
        names = settled


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
