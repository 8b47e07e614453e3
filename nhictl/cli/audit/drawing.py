"""`audit replay` as a page or a graph: options, what excludes what, and what is printed then."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from nhictl import __version__
from nhictl.cli.session import session
from nhictl.errors import InputError
from nhictl.render import Result

if TYPE_CHECKING:
    from nhictl.ops.evidence import Evidence
    from nhictl.ops.replay import Story
    from nhictl.ops.replay_page import About

Html = Annotated[
    str | None,
    typer.Option("--html", metavar="FILE", help="write one HTML page, which needs no network; `-` prints it"),
]
Mermaid = Annotated[bool, typer.Option("--mermaid", help="print the tree as a Mermaid flowchart")]
Dot = Annotated[bool, typer.Option("--dot", help="print the tree as a graph for Graphviz")]


class Drawing(NamedTuple):
    """What is to be drawn: `html`, `mermaid` or `dot`, of which view, and the file of a page (`-`: standard output)."""

    kind: str
    view: str
    file: str | None


def asked(html: str | None, view: str, *, mermaid: bool, dot: bool) -> Drawing | None:
    """The drawing that was asked for, if any; one at a time, and a printed one in no other format."""
    kinds = [name for name, given in (("html", html is not None), ("mermaid", mermaid), ("dot", dot)) if given]
    if not kinds:
        return None
    if len(kinds) > 1:
        raise InputError(f"--{kinds[0]} and --{kinds[1]} exclude each other", code="usage")
    kind = kinds[0]
    if (kind != "html" or html == "-") and session().format() is not None:
        raise InputError(f"--{kind} is a format of its own: no -o beside it", code="usage")
    if kind != "html" and view == "scope":
        raise InputError(
            "a scope is no graph", code="usage", hint="--view tree or delegation; --html has the scope too"
        )
    return Drawing(kind, view, html)


def drawn(what: Drawing, story: Story, again: Callable[[], Evidence] | None, about: About) -> Result:
    """The reply. `again` reads the evidence once more, for what it says of authority; None: it cannot be read twice."""
    from nhictl.ops import replay_page

    if what.kind == "html":
        return _page(what, story, again, about)
    if what.view == "delegation":
        if again is None:
            raise InputError("standard input can be read once only", code="usage", hint="give a file")
        nodes = replay_page.delegation(again(), about.wanted)
    else:
        nodes = replay_page.leaves(story.events)
    if what.kind == "mermaid":
        from nhictl.render.mermaid import flowchart

        return Result("nhictl.replay/v1", {}, plain=flowchart(nodes))
    from nhictl.render.dot import digraph

    return Result("nhictl.replay/v1", {}, plain=digraph(nodes))


def _page(what: Drawing, story: Story, again: Callable[[], Evidence] | None, about: About) -> Result:
    from nhictl.ops import replay_page
    from nhictl.render.html import document

    found = replay_page.of(story, session().house(), again, about)
    text = document(found, __version__)
    if what.file is None or what.file == "-":
        return Result("nhictl.replay/v1", {}, plain=text)
    replay_page.write(what.file, text)
    made = {"file": what.file, "events": found.total, "listed": len(found.rows)}
    verdict = story.integrity
    said = [f"{what.file}: {found.total} events, {len(found.rows)} of them listed"]
    said += [f"{verdict['verdict']}: {verdict['message']}", *(f"  unproven: {gap}" for gap in story.unproven)]
    body = {"integrity": verdict, "unproven": story.unproven, "page": made}
    return Result("nhictl.replay/v1", body, text=said)
