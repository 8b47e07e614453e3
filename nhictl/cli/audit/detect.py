"""`nhictl audit detect`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any

import typer

from nhictl.cli.audit.log_options import Map, OwnFormat, read_map, told_apart
from nhictl.cli.audit.words import place, verdict_line
from nhictl.cli.main import Reply, report
from nhictl.cli.progress import progress
from nhictl.cli.session import read_input, session
from nhictl.ops.audit_log import parse_keys
from nhictl.ops.detect import detect, failed, read_scope
from nhictl.ops.evidence import Policies, gather
from nhictl.render import Line, Result, Table

FORMATS = ("sarif",)
_MAX_FILE = 16 * 1024 * 1024
_STYLES = {"critical": "red", "high": "red", "medium": "yellow"}
_LEVELS = {"critical": "error", "high": "error", "medium": "warning", "low": "note"}


def command(
    files: Annotated[list[str] | None, typer.Argument(metavar="[FILE…]", help="logs; default: the home's own")] = None,
    format: OwnFormat = None,
    map: Map = None,
    rule: Annotated[
        list[str] | None, typer.Option("--rule", metavar="ID", help="this detection only; again for more")
    ] = None,
    fail_on: Annotated[
        str | None, typer.Option("--fail-on", metavar="any|ID", help="exit 1 if any, or this one, was found")
    ] = None,
    policy: Annotated[
        list[str] | None, typer.Option("--policy", metavar="FILE", help="the policy that decided; again for more files")
    ] = None,
    scope: Annotated[
        str | None, typer.Option("--scope", metavar="FILE", help="what tasks of foreign logs were meant to do")
    ] = None,
    keys: Annotated[
        str | None, typer.Option("--keys", metavar="FILE", help="log keys you trust, for our own logs")
    ] = None,
) -> Reply:
    """Find what should not have happened: 22 detections, each with the records that decide it.

    Exit 0 whatever was found, unless --fail-on says otherwise: then 1, or 3 if the one named is unknown. What the log
    cannot tell is unknown and says what is missing. -o sarif prints what code review and CI systems read.

    Example: nhictl audit detect --fail-on TOKEN_AFTER_REVOKE
    """
    now = session()
    pinned = parse_keys(read_input(keys, 65536), keys) if keys is not None else None
    given = [(name, read_input(name, _MAX_FILE)) for name in policy or ()]
    evidence = gather(now.house(), files or (), format, pinned, read_map(map))
    declared = read_scope(scope, read_input(scope, _MAX_FILE)) if scope is not None else None
    with progress("looking through the log"):
        found = detect(evidence, Policies(now.house(), given), rule or (), declared)
    _, left_out = told_apart(found.refused)
    for error in found.refused:
        report(error, session(), warning=error in left_out)
    body = found.body
    result = Result(
        "nhictl.detections/v1", {k: v for k, v in body.items() if k != "items"}, items=body["items"], items_key="items",
        text=_text(body), table=Table(_COLUMNS, _rows(body)), documents={"sarif": lambda: _sarif(body)},
    )  # fmt: skip
    code = failed(body, fail_on) if fail_on is not None else 0
    return Reply(result, code or (2 if len(found.refused) > len(left_out) else found.exit))


_COLUMNS = ("detection", "severity", "times", "message", "records", "controls")


def _rows(body: dict[str, Any]) -> Iterator[tuple[Any, ...]]:
    for one in body["items"]:
        places = " ".join(place(ref) for ref in one["records"])
        yield one["id"], one["severity"], one["count"], one["message"], places, " ".join(one["controls"])


def _text(body: dict[str, Any]) -> Iterator[Line | str]:
    for one in body["items"]:
        more = f", {one['count']} times" if one["count"] > 1 else ""
        yield Line(
            f"{one['severity']} {one['id']}: {one['message']}{more}", style=_STYLES.get(one["severity"]), whole=True
        )
        yield Line(f"records {', '.join(place(ref) for ref in one['records'])}", guide="  ", whole=True)
        yield Line(f"false alarm: {one['false_alarm']}", guide="  ", whole=True)
    states = {state: [one["id"] for one in body["rules"] if one["state"] == state] for state in ("none", "unknown")}
    for what, names in _wanting(body).items():
        yield Line(f"for want of {what}, unknown: {', '.join(names)}", style="yellow", whole=True)
    counts = f"{len(body['items'])} found, {len(states['none'])} detections found nothing"
    yield f"{counts}, {len(states['unknown'])} unknown"
    yield verdict_line(body["integrity"])


def _wanting(body: dict[str, Any]) -> dict[str, list[str]]:
    """By what is missing, the detections that cannot answer for want of it; a star marks those that found something."""
    found: dict[str, list[str]] = {}
    for one in body["rules"]:
        for gap in one["missing"]:
            found.setdefault(gap["what"], []).append(one["id"] + ("*" if one["state"] == "found" else ""))
    return found


def _sarif(body: dict[str, Any]) -> str:
    from nhictl import __version__
    from nhictl.render.sarif import SarifResult, SarifRule, sarif

    rules = [SarifRule(one["id"], one["definition"], _LEVELS[one["severity"]]) for one in body["rules"]]
    results = []
    for one in body["items"]:
        file = next((ref["file"] for ref in one["records"] if isinstance(ref.get("file"), str)), None)
        beside = {key: one[key] for key in ("records", "controls", "false_alarm", "count", "severity")}
        results.append(SarifResult(one["id"], _LEVELS[one["severity"]], one["message"], file, None, None, beside))
    return sarif(__version__, rules, results)
