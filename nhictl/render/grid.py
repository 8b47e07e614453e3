"""Tables for people: rich on a terminal, aligned plain text into a pipe or file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nhictl.render.cells import checked, human
from nhictl.render.escape import terminal as visible

if TYPE_CHECKING:
    from nhictl.render.result import Table

_DEFAULT_WIDTH = 80


def plain_table(table: Table) -> str:
    """Return the table as text that depends on its values alone, on no width, locale or environment."""
    import tabulate

    # With wcwidth installed tabulate would lay out otherwise than without it.
    tabulate.WIDE_CHARS_MODE = False
    rows = [[visible(human(value)) for value in row] for row in checked(table)]
    header = [visible(name) for name in table.columns]
    # The header is the first row: tabulate's own headers ignore the alignment of empty tables.
    return tabulate.tabulate([header, *rows], tablefmt="plain", colalign=table.align, disable_numparse=True) + "\n"


def rich_table(table: Table, *, color: bool, width: int | None) -> str:
    """Return the table drawn for a terminal of `width` columns; long cells are folded, nothing is cut off."""
    import io

    from rich import box
    from rich.console import Console
    from rich.table import Table as RichTable
    from rich.text import Text

    drawn = RichTable(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, show_edge=False, header_style="none")
    for name, align in zip(table.columns, table.align, strict=True):
        drawn.add_column(Text(visible(name), "bold"), justify=align, overflow="fold")
    for row in checked(table):
        drawn.add_row(*(Text(visible(human(value))) for value in row))
    # Into memory and not to the stream: rich would turn a broken pipe into an exit of its own. Size, colour and an
    # empty environment are given, as rich would otherwise look for them itself.
    console = Console(
        file=io.StringIO(),
        force_terminal=True,
        force_jupyter=False,
        color_system="standard" if color else None,
        no_color=not color,
        # Below one character a column, rich would leave columns out; then the terminal may wrap.
        width=max(width or _DEFAULT_WIDTH, 3 * len(table.columns)),
        height=25,
        markup=False,
        emoji=False,
        highlight=False,
        legacy_windows=False,
        _environ={},
    )
    with console.capture() as captured:
        console.print(drawn)
    return "".join(line.rstrip(" ") + "\n" for line in captured.get().removesuffix("\n").split("\n"))
