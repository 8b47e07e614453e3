"""What a command hands over for printing: one result, with the shapes it can be shown in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from nhictl.render.lines import Line

Align = Literal["left", "right", "center"]


class Table:
    """Rows under named columns; `rows` may be a generator and is read once.

    Every row has as many values as there are columns (`ValueError` while printing otherwise). `align` is one word per
    column; without it all columns stand left.
    """

    __slots__ = ("align", "columns", "rows")

    def __init__(
        self, columns: Sequence[str], rows: Iterable[Sequence[Any]], align: Sequence[Align] | None = None
    ) -> None:
        self.columns = tuple(columns)
        self.rows = rows
        self.align: tuple[Align, ...] = tuple(align or ["left" for _ in self.columns])
        if len(self.align) != len(self.columns):
            raise ValueError(f"{len(self.columns)} columns but {len(self.align)} alignments")


class Result:
    """The answer of one command; all parts but `schema` and `data` are optional.

    `schema` names the JSON object ("nhictl.task/v1") and `data` is that object without it. `plain` is the thing alone
    (a token, an id), printed when no format was asked for. `table` is for lists, `text` for ready lines such as a tree
    or an explanation, `message` a sentence shown under the table or text. `items` are the lines of JSONL, read once;
    with `items_key` they also become that member of the JSON object, so that a long list need not stand in `data`.
    `documents` makes, by name, the formats that only this command has (`junit`).
    """

    __slots__ = ("data", "documents", "items", "items_key", "message", "plain", "schema", "table", "text")

    def __init__(
        self,
        schema: str,
        data: dict[str, Any],
        *,
        plain: str | None = None,
        table: Table | None = None,
        text: Iterable[str | Line] | None = None,
        items: Iterable[dict[str, Any]] | None = None,
        items_key: str | None = None,
        message: str | None = None,
        documents: Mapping[str, Callable[[], str]] | None = None,
    ) -> None:
        self.schema = schema
        self.data = data
        self.plain = plain
        self.table = table
        self.text = text
        self.items = items
        self.items_key = items_key
        self.message = message
        self.documents = documents or {}
