"""The one way out: a result, a format, a stream."""

from __future__ import annotations

from typing import TYPE_CHECKING, TextIO

from nhictl.errors import InputError
from nhictl.render.escape import terminal as visible
from nhictl.render.json_text import compact, indented, streamed
from nhictl.render.lines import paint

if TYPE_CHECKING:
    from nhictl.render.result import Result, Table

FORMATS = ("table", "json", "jsonl", "csv", "tsv", "markdown")
DOCUMENTS = ("junit", "sarif")
"""Formats that single commands have beside those: whole documents of somebody else's shape."""


def emit(result: Result, fmt: str | None, stream: TextIO, *, color: bool, terminal: bool, width: int | None) -> None:
    """Print the result; `fmt` is one of `FORMATS`, or None for the thing alone, else its text, else its table.

    `terminal` says whether `stream` is one, `width` how many columns it has (80 if unknown), `color` whether colour is
    wanted: all three are the caller's to find out. Into a pipe or file the bytes depend on the result alone. JSONL,
    CSV, TSV and Markdown are written as the rows come. An unknown format raises `InputError`, a reader that went away
    `BrokenPipeError`.
    """
    if fmt in DOCUMENTS:
        _document(result, fmt, stream)
    elif fmt is None and result.plain is not None:
        _plain(result.plain, stream)
    elif fmt is None and result.text is not None:
        stream.writelines(paint(line, terminal=terminal, color=color, width=width) + "\n" for line in result.text)
        _message(result, stream)
    elif fmt is None or fmt == "table":
        _table(result, stream, color=color, terminal=terminal, width=width)
    elif fmt == "json":
        _json(result, stream, terminal=terminal)
    elif fmt == "jsonl":
        _jsonl(result, stream)
    else:
        _delimited(result, fmt, stream)
    stream.flush()  # a broken pipe shows here, and not while the interpreter shuts down


def _document(result: Result, fmt: str, stream: TextIO) -> None:
    if fmt not in result.documents:
        raise InputError(f"this command has no output format `{fmt}`", hint=f"one of {', '.join(FORMATS)}")
    stream.write(result.documents[fmt]())


def _plain(text: str, stream: TextIO) -> None:
    # Tabs and newlines stay for things of several lines (a note, a policy); one newline ends it in any case.
    shown = visible(text, keep="\n\t")
    stream.write(shown if shown.endswith("\n") else shown + "\n")


def _message(result: Result, stream: TextIO) -> None:
    if result.message is not None:
        stream.write(visible(result.message, keep="\n") + "\n")


def _table(result: Result, stream: TextIO, *, color: bool, terminal: bool, width: int | None) -> None:
    from nhictl.render.grid import plain_table, rich_table

    table = _shown(result)
    stream.write(rich_table(table, color=color, width=width) if terminal else plain_table(table))
    _message(result, stream)


def _json(result: Result, stream: TextIO, *, terminal: bool) -> None:
    whole = {"schema": result.schema, **result.data}
    if result.items is None or result.items_key is None:
        stream.write(indented(whole) if terminal else compact(whole))
    elif terminal:
        stream.write(indented({**whole, result.items_key: list(result.items)}))
    else:
        stream.writelines(streamed(whole, result.items_key, result.items))
    stream.write("\n")


def _jsonl(result: Result, stream: TextIO) -> None:
    items = result.items if result.items is not None else ({"schema": result.schema, **result.data},)
    stream.writelines(compact(item) + "\n" for item in items)


def _delimited(result: Result, fmt: str, stream: TextIO) -> None:
    from nhictl.render import delimited

    writers = {"csv": delimited.write_csv, "tsv": delimited.write_tsv, "markdown": delimited.write_markdown}
    if fmt not in writers:
        raise InputError(f"unknown output format `{fmt}`", hint=f"one of {', '.join(FORMATS)}")
    writers[fmt](_shown(result), stream)


def _shown(result: Result) -> Table:
    """The table of the result, or its object as keys and values."""
    from nhictl.render.cells import listing

    return result.table if result.table is not None else listing(result.data)
