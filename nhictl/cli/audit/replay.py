"""`nhictl audit replay`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any

import typer

from nhictl.cli.audit import drawing
from nhictl.cli.audit.log_options import Map, OwnFormat, read_map, told_apart
from nhictl.cli.audit.words import verdict_line
from nhictl.cli.main import Reply, report
from nhictl.cli.progress import progress
from nhictl.cli.session import read_input, session
from nhictl.errors import InputError
from nhictl.ops.audit_log import parse_keys
from nhictl.ops.replay import COLUMNS, Filter, Story, from_files, from_home, lines, rows, stream, tree
from nhictl.render import Line, Result, Table

VIEWS = ("timeline", "tree", "scope", "delegation")
KINDS = {"group": "bold", "denied": "red", "error": "red", "unknown": "yellow", "ends": "magenta", "ok": "green"}
STYLES = {"denied": "red", "error": "red", "not_executed": "yellow", "unknown": "yellow"}


def command(
    files: Annotated[list[str] | None, typer.Argument(metavar="[FILE…]", help="logs; default: the home's own")] = None,
    format: OwnFormat = None,
    map: Map = None,
    agent: Annotated[str | None, typer.Option("--agent", metavar="A", help="of this agent only")] = None,
    task: Annotated[str | None, typer.Option("--task", metavar="T", help="of this task only")] = None,
    token: Annotated[str | None, typer.Option("--token", metavar="JTI", help="of this token only")] = None,
    run: Annotated[str | None, typer.Option("--run", metavar="R", help="of this run only")] = None,
    instance: Annotated[str | None, typer.Option("--instance", metavar="ID", help="of this running copy only")] = None,
    principal: Annotated[
        str | None, typer.Option("--principal", metavar="P", help="on this one's behalf, or by them, only")
    ] = None,
    tool: Annotated[str | None, typer.Option("--tool", metavar="T", help="of this tool only; may hold *")] = None,
    resource: Annotated[
        str | None, typer.Option("--resource", metavar="R", help="on this resource, or one below it, only")
    ] = None,
    since: Annotated[str | None, typer.Option("--since", metavar="TIME", help="not before")] = None,
    until: Annotated[str | None, typer.Option("--until", metavar="TIME", help="not after")] = None,
    keys: Annotated[
        str | None, typer.Option("--keys", metavar="FILE", help="log keys you trust, for our own logs")
    ] = None,
    view: Annotated[str, typer.Option("--view", metavar="|".join(VIEWS), help="how to show it")] = "timeline",
    html: drawing.Html = None,
    mermaid: drawing.Mermaid = False,
    dot: drawing.Dot = False,
) -> Reply:
    """Reconstruct what an agent did, from our log or a foreign one, and say what the evidence leaves open.

    With files no home is needed; `-` is standard input. Several files become one story, by time, and what two of them say
    of one act is linked. One foreign file with -o jsonl is read as it comes, however long it is.

    Example: nhictl audit replay --task $TASK --view tree
    """
    if view not in VIEWS:
        raise InputError(f"no view `{view}`", code="usage", hint=f"one of {', '.join(VIEWS)}")
    now = session()
    wanted = Filter(
        agent, task, token, run, now.at(since, "--since"), now.at(until, "--until"), instance, principal, tool, resource
    )
    mapping = read_map(map)
    draw = drawing.asked(html, view, mermaid=mermaid, dot=dot)
    pinned = parse_keys(read_input(keys, 65536), keys) if keys is not None else None
    if view in ("scope", "delegation") and draw is None:
        from nhictl.cli.audit.authority_views import show
        from nhictl.ops.evidence import gather

        return show(view, gather(now.house(), files or (), format, pinned, mapping), wanted)
    if draw is None and files and now.format() == "jsonl":
        found = stream(now.house(), files, format, wanted, mapping)
        if found is not None:
            return Reply(Result("nhictl.replay/v1", {}, items=(event.to_json() for event in found.events())), 0)
    with progress("reading the log"):
        if files:
            story = from_files(now.house(), files, format, wanted, pinned, mapping)
        else:
            story = from_home(now.house(), wanted)
    refused, left_out = told_apart(story.refused)
    for error in story.refused:
        report(error, session(), warning=error in left_out)
    body: dict[str, Any] = {
        "integrity": story.integrity,
        "source": dict(zip(("parsed", "opaque", "failed"), story.counts, strict=True)),
        "unproven": story.unproven,
    }
    for name, errors in (("refused", refused), ("left_out", left_out)):
        if errors:
            body[name] = [{"message": e.message, **e.details} for e in errors]
    if draw is not None:
        from nhictl.ops.evidence import gather
        from nhictl.ops.replay_page import About

        about = About(wanted, files or [], since, until)
        again = None if "-" in about.files else lambda: gather(now.house(), about.files, format, pinned, mapping)
        with progress("drawing"):
            made = drawing.drawn(draw, story, again, about)
        return Reply(made, 2 if refused else story.exit)
    result = Result(
        "nhictl.replay/v1", body, items=(event.to_json() for event in story.events), items_key="events",
        text=_tree(story) if view == "tree" else _timeline(story), table=Table(COLUMNS, rows(story)),
    )  # fmt: skip
    return Reply(result, 2 if refused else story.exit)


def _timeline(story: Story) -> Iterator[Line | str]:
    for depth, text, outcome in lines(story):
        yield Line(text, guide="  " * depth, style=STYLES.get(outcome or "", "bold" if depth == 0 else None))
    yield from _closing(story)


def _tree(story: Story) -> Iterator[Line | str]:
    from nhictl.render.tree import draw

    yield from draw((depth, text, KINDS.get(kind)) for depth, text, kind in tree(story))
    yield from _closing(story)


def _closing(story: Story) -> list[Line | str]:
    counts = "records parsed {}, opaque {}, failed {}".format(*story.counts)
    said = (Line(f"unproven: {what}", guide="  ", whole=True) for what in story.unproven)
    return [verdict_line(story.integrity), counts, *said]
