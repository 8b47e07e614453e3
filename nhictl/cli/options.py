"""Options that several verbs share."""

from __future__ import annotations

from typing import Annotated

import typer

At = Annotated[str | None, typer.Option("--at", metavar="TIME", help="as of that moment: RFC 3339, or relative (-15m)")]
Reason = Annotated[str | None, typer.Option("--reason", metavar="TEXT", help="why; sealed beside the record")]
Performs = Annotated[
    list[str] | None,
    typer.Option("--performs", metavar="TYPE", help="an obligation that is seen to here otherwise; again for more"),
]
