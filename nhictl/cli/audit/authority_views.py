"""The views of `nhictl audit replay` that show authority: `scope` and `delegation`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from nhictl.cli.audit.words import brief, counted, place
from nhictl.cli.main import Reply, report
from nhictl.cli.progress import progress
from nhictl.cli.session import session
from nhictl.ops.authority_views import delegation_view, scope_view
from nhictl.ops.evidence import Evidence, Policies
from nhictl.ops.replay import Filter
from nhictl.render import Line, Result, Table


def show(view: str, evidence: Evidence, wanted: Filter) -> Reply:
    """The view as its result, with what its sources prove."""
    policies = Policies(session().house())
    with progress("reading the log"):
        items = scope_view(evidence, policies, wanted) if view == "scope" else delegation_view(evidence, wanted)
    if view == "scope":
        text, table = _scope_text(items), Table(_SCOPE, _scope_rows(items))
    else:
        text, table = _chain_text(items), Table(_CHAIN, _chain_rows(items))
    for error in evidence.refused:
        report(error, session())
    body = {"view": view, **evidence.summary()}
    result = Result(f"nhictl.{view}/v1", body, items=items, items_key="items", text=text, table=table)
    return Reply(result, 2 if evidence.refused else evidence.exit)


_SCOPE = ("task", "agent", "box", "allow", "calls")


def _scope_rows(items: list[dict[str, Any]]) -> Iterator[tuple[Any, ...]]:
    for one in items:
        calls = {used["box"]: used["calls"] for used in one["used"]}
        for granted in one["granted"] or ():
            yield one["task"], one["agent"], granted["box"], granted["text"], calls.get(granted["box"], 0)
        for outside in one["outside"]:
            yield one["task"], one["agent"], None, f"outside: {outside['tool']}", None


def _scope_text(items: list[dict[str, Any]]) -> Iterator[Line | str]:
    for one in items:
        yield Line(f"task {one['task']} of {one['agent'] or '?'}", style="bold")
        if one["granted"] is None:
            yield Line("what it was granted is not at hand", guide="  ", style="yellow")
        for used in one["used"]:
            yield Line(f"used {used['calls']}: {used['text']}", guide="  ", style="green")
        for unused in one["unused"]:
            doubt = "perhaps unused" if one["unknown"] else "unused"
            yield Line(f"{doubt}: {unused['text']}", guide="  ", style="yellow")
        for outside in one["outside"]:
            yield Line(f"outside: {outside['tool']}, {outside['outcome']}, record {place(outside['record'])}",
                       guide="  ", style="red")  # fmt: skip
        for gap in one["unknown"]:
            yield Line(
                f"unknown for {counted(gap['times'], 'call')}: {gap['what']} is missing",
                guide="  ",
                style="yellow",
            )
    if not items:
        yield "no task in this log"


_CHAIN = ("task", "hop", "agent", "jti", "expires", "scope", "shorter_s", "inside")


def _chain_rows(items: list[dict[str, Any]]) -> Iterator[tuple[Any, ...]]:
    for one in items:
        for number, hop in enumerate(one["hops"]):
            narrowed = hop["narrowed"] or {}
            scope = " | ".join(hop["scope"]) if hop["scope"] is not None else None
            more = (narrowed.get("shorter_s"), narrowed.get("inside"))
            yield one["task"], number, hop["agent"], hop["jti"], hop["expires"], scope, *more


def _chain_text(items: list[dict[str, Any]]) -> Iterator[Line | str]:
    for one in items:
        yield Line(f"task {one['task']}, token {one['jti']} of {one['agent'] or '?'}", style="bold")
        for depth, hop in enumerate(one["hops"]):
            guide = "  " * (depth + 1)
            if hop.get("missing"):
                yield Line(f"? {hop['jti']}: no record issues it", guide=guide, style="yellow")
                continue
            ended = f", revoked by {place(hop['revoked'])}" if hop["revoked"] else ""
            yield Line(
                f"{hop['agent'] or '?'} {hop['jti']} until {brief(hop['expires'])}{ended}", guide=guide, whole=True
            )
            scope = "what it allows is not at hand" if hop["scope"] is None else " or ".join(hop["scope"])
            yield Line(scope, guide=guide + "  ", whole=True)
            yield from (
                Line(said, guide=guide + "  ", style=style, whole=True) for said, style in _narrowed(hop["narrowed"])
            )
    if not items:
        yield "no delegated token in this log"


def _narrowed(found: dict[str, Any] | None) -> Iterator[tuple[str, str | None]]:
    if found is None:
        return
    if found["shorter_s"]:
        yield f"{abs(found['shorter_s'])} s {'shorter' if found['shorter_s'] > 0 else 'LONGER'} than before", None
    if found["taken"] is not None:
        yield f"no longer allowed: {_call(found['taken'])}", None
    if found["added"] is not None:
        yield f"WIDER than before: {_call(found['added'])}", "red"
    if found["inside"] is None:
        yield "not known to be narrower", "yellow"


def _call(call: dict[str, Any]) -> str:
    from nhictl.render.json_text import compact

    return compact(call)
