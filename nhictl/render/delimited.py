"""CSV, TSV and Markdown: written row by row, never holding more than one, the same bytes everywhere."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TextIO

from nhictl.render.cells import checked, human, is_number, machine
from nhictl.render.escape import csv_cell, markdown_cell, tsv_cell

if TYPE_CHECKING:
    from nhictl.render.result import Table

_RULES = {"left": "---", "right": "---:", "center": ":---:"}


def _csv(value: Any) -> str:
    # A number cannot be a formula, and an apostrophe before -5 would make it text.
    return str(value) if is_number(value) else csv_cell(machine(value))


def write_csv(table: Table, stream: TextIO) -> None:
    """Write RFC 4180 with a header, but lines end in LF alone.

    Every CSV reader takes both endings, while sort, cut, diff and awk would see the CR of RFC 4180 as part of the last
    cell.
    """
    import csv

    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow([csv_cell(name) for name in table.columns])
    for row in checked(table):
        writer.writerow([_csv(value) for value in row])


def write_tsv(table: Table, stream: TextIO) -> None:
    """Write one line per row, cells parted by tabs, a header first; see `escape.tsv_cell` for what is escaped."""
    stream.write("\t".join(map(tsv_cell, table.columns)) + "\n")
    stream.writelines("\t".join(tsv_cell(machine(value)) for value in row) + "\n" for row in checked(table))


def write_markdown(table: Table, stream: TextIO) -> None:
    """Write a pipe table as GitHub Flavored Markdown has it (its specification, section 4.10)."""
    _pipes([markdown_cell(name) for name in table.columns], stream)
    _pipes([_RULES[align] for align in table.align], stream)
    for row in checked(table):
        _pipes([markdown_cell(human(value, "")) for value in row], stream)


def _pipes(cells: list[str], stream: TextIO) -> None:
    stream.write("| " + " | ".join(cells) + " |\n")
