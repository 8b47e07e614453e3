"""`nhictl report controls`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any

import typer

from nhictl.cli.audit.words import verdict_line
from nhictl.cli.main import Reply
from nhictl.cli.options import At
from nhictl.cli.progress import progress
from nhictl.cli.session import session
from nhictl.ops.report_controls import NAMES, controls
from nhictl.render import Line, Result, Table

COLUMNS = ("id", "title", "kind", "status", "says", "rows")
_STYLES = {"met": "green", "not_met": "red", "no_data": "yellow"}
_ROWS = 5


def command(
    framework: Annotated[str, typer.Option("--framework", metavar="|".join(NAMES), help="whose controls")],
    control: Annotated[
        list[str] | None, typer.Option("--control", metavar="ID", help="this control only; again for more")
    ] = None,
    fail_on: Annotated[
        list[str] | None,
        typer.Option("--fail-on", metavar="any|no-data|ID", help="exit 1 if any, or this one, is not met; 3: no data"),
    ] = None,
    at: At = None,
) -> Reply:
    """Measure a framework's controls on state and log, each with the rows that decide it.

    A control is `met` or `not_met` by what was measured; where there is nothing to measure it has `no data`, which is
    never a pass. What people have to show is `declared`, what cannot be seen from here `n/a`. Other names are known too:
    A2 for ASI02, GOV of MAESTRO for L6, GOVERN for all of that list.

    Example: nhictl report controls --framework owasp-nhi-2025 --fail-on NHI1
    """
    with progress("measuring"):
        found = controls(session().house(), framework, control or (), fail_on or (), session().at(at))
    body = found.body
    rest = {name: value for name, value in body.items() if name != "items"}
    rows = [
        (item["id"], item["title"], item["kind"], item["status"], item["says"], item["rows_total"])
        for item in body["items"]
    ]
    result = Result(
        "nhictl.controls/v1", rest, items=body["items"], items_key="items", text=_text(body), table=Table(COLUMNS, rows)
    )  # fmt: skip
    return Reply(result, found.exit)


def _text(body: dict[str, Any]) -> Iterator[Line | str]:
    yield Line(body["title"], style="bold")
    for item in body["items"]:
        word = (item["status"] or item["kind"]).replace("_", " ")
        yield Line(
            f"{word:<8} {item['id']} {item['title']}: {item['says']}", style=_STYLES.get(item["status"]), whole=True
        )
        for row in item["rows"][:_ROWS]:
            yield Line(_row(row), guide="           ", style="dim")
        if item["rows_total"] > _ROWS:
            yield Line(f"and {item['rows_total'] - _ROWS} more; -o json has them", guide="           ", style="dim")
    counts = body["counts"]
    yield "met {met}, not met {not_met}, no data {no_data}; declared {declared}, n/a {n/a}".format_map(counts)
    yield verdict_line(body["integrity"])


def _row(row: dict[str, Any]) -> str:
    """A deciding row on one line: what it names, then where."""
    place = f"record {row['seq']}" if row.get("seq") is not None else ""
    said = [
        f"{name} {value}"
        for name, value in row.items()
        if name not in ("seq", "time", "us", "type") and value is not None
    ]
    kind = row.get("type")
    return ", ".join(part for part in (kind, *said, place) if part)
