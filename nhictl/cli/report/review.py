"""`nhictl report review`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from nhictl.cli.audit.words import verdict_line
from nhictl.cli.main import Reply
from nhictl.cli.options import At
from nhictl.cli.progress import progress
from nhictl.cli.session import session
from nhictl.ops.report_review import access
from nhictl.render import Line, Result, Table

COLUMNS = ("reason", "agent", "owner", "state", "says", "since")


def command(at: At = None) -> Reply:
    """List the access that somebody has to look at, and why.

    Agents without an owner, due for review (nobody registered, updated or resumed them within 90 days), idle (30 days),
    expiring (14 days), and over-granted: what ended tasks were granted and never used.

    Example: nhictl report review -o markdown
    """
    with progress("reading the log"):
        found = access(session().house(), session().at(at))
    body = found.body
    rest = {name: value for name, value in body.items() if name != "items"}
    rows = [[item[name] for name in COLUMNS] for item in body["items"]]
    return Reply(
        Result(
            "nhictl.review/v1",
            rest,
            items=body["items"],
            items_key="items",
            text=_text(body),
            table=Table(COLUMNS, rows),
        ),
        found.exit,
    )


def _text(body: dict[str, Any]) -> Iterator[Line | str]:
    before = None
    for item in body["items"]:
        if item["reason"] != before:
            before = item["reason"]
            yield Line(before.replace("_", " "), style="bold")
        state = "" if item["state"] == "active" else f" ({item['state']})"
        yield Line(f"{item['agent']}{state}, of {item['owner'] or 'nobody'}: {item['says']}", guide="  ", whole=True)
        for row in item["rows"]:
            if "task" in row:
                yield Line(f"{row['task']}: {', '.join(row['unused'])}", guide="    ", style="dim", whole=True)
    counts = ", ".join(f"{name.replace('_', ' ')} {count}" for name, count in body["counts"].items())
    yield f"agents {body['agents']}: {counts}"
    yield verdict_line(body["integrity"])
