"""`audit replay` as a page or a graph: options, what excludes what, and what is printed then."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from nhictl import __version__
from nhictl.cli.session import session
from nhictl.errors import InputError
from nhictl.ops import replay_page
from nhictl.ops.replay import Filter, Story
from nhictl.render import Result

Html = Annotated[
    str | None,
    typer.Option("--html", metavar="FILE", help="write one HTML page, which needs no network; `-` prints it"),
]
Mermaid = Annotated[bool, typer.Option("--mermaid", help="print the tree as a Mermaid flowchart")]
Dot = Annotated[bool, typer.Option("--dot", help="print the tree as a graph for Graphviz")]


def check(html: str | None, *, mermaid: bool, dot: bool) -> str | None:
    """Which drawing was asked for, if any; one at a time, and a printed one in no other format."""
    asked = [name for name, given in (("html", html is not None), ("mermaid", mermaid), ("dot", dot)) if given]
    if len(asked) > 1:
        raise InputError(f"--{asked[0]} and --{asked[1]} exclude each other", code="usage")
    if asked and (asked[0] != "html" or html == "-") and session().format() is not None:
        raise InputError(f"--{asked[0]} is a format of its own: no -o beside it", code="usage")
    return asked[0] if asked else None


def drawn(
    kind: str, story: Story, html: str | None, wanted: Filter, paths: list[str], span: dict[str, str | None]
) -> tuple[str | None, dict[str, Any]]:
    """The text to print, if it is to be printed, and what the JSON reply says about a page that was written."""
    if kind == "mermaid":
        from nhictl.render.mermaid import flowchart

        return flowchart(replay_page.leaves(story.events)), {}
    if kind == "dot":
        from nhictl.render.dot import digraph

        return digraph(replay_page.leaves(story.events)), {}
    from nhictl.render.html import document

    page = replay_page.of(story, wanted, paths, span=span)
    text = document(page, __version__)
    if html is None or html == "-":
        return text, {}
    replay_page.write(html, text)
    return None, {"page": {"file": html, "events": page.total, "listed": len(page.rows)}}


def result(printed: str | None, body: dict[str, Any], closing: list[str]) -> Result:
    """The reply to a drawing."""
    if printed is not None:
        return Result("nhictl.replay/v1", body, plain=printed)
    made = body["page"]
    said = f"{made['file']}: {made['events']} events, {made['listed']} of them listed"
    return Result("nhictl.replay/v1", body, text=[said, *closing])
