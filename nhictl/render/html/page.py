"""The page: what goes on it, in which order, under which security policy."""

from __future__ import annotations

from base64 import b64encode
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from nhictl.render.html import sections, timeline, tree
from nhictl.render.html.findings import findings
from nhictl.render.html.scope import scope
from nhictl.render.html.style import SCRIPT, STYLE
from nhictl.render.html.text import badge, count, text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nhictl.core.replay.page import Page


def document(page: Page, version: str) -> str:
    """The whole file; `version` is ours. Equal values give equal bytes: nothing of now or of this machine is in it."""
    parts = _parts(page)
    names = "".join(f'<a href="#{ident}">{title}</a>' for ident, title, _ in parts)
    proof = _proof(page)
    body = "".join(
        f'<section id="{ident}"><div class="head"><h2>{title}</h2>'
        f"{proof if ident != 'integrity' else ''}</div>{content}</section>"
        for ident, title, content in parts
    )
    asked = "".join(
        f'<span class="asked"><span class="noun">{text(name)}</span> {text(value)}</span>' for name, value in page.asked
    )
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{_policy()}">'
        '<meta name="viewport" content="width=device-width,initial-scale=1"><meta name="referrer" content="no-referrer">'
        f'<meta name="color-scheme" content="light dark"><meta name="generator" content="nhictl {text(version)}">'
        f"<title>{_title(page)}</title><style>{STYLE}</style></head><body>"
        f'<header><p class="brand">nhictl replay</p><h1>{_title(page)}</h1><p class="subject">{asked}</p>'
        f"<nav>{names}</nav></header><main>{body}</main>"
        f"<footer>Made by nhictl {text(version)} from the evidence alone; the same evidence gives the same bytes. "
        "Times are UTC. What the evidence does not say is unknown.</footer>"
        f"<script>{SCRIPT}</script></body></html>\n"
    )


def _parts(page: Page) -> list[tuple[str, str, str]]:
    drawn, left_out = tree.drawing(page.tree, day=_days(page.summary) > 1)
    shown = {row.seq: row.place for row in page.rows if row.seq is not None}
    parts = [("summary", "Summary", sections.tiles(page.summary))]
    if page.findings is not None:
        parts.append(("detections", "Detections", findings(page.findings, shown)))
    picture = timeline.drawing(page.picture) if page.total else '<p class="none">No events.</p>'
    buttons = (
        '<p class="controls"><button data-fold="open">Unfold all</button><button data-fold="">Fold all</button></p>'
    )
    parts += [
        ("timeline", "Timeline", picture),
        ("tree", "Who caused what", f'{buttons}<div class="tree">{drawn}</div>{tree.more(left_out)}'),
    ]
    if page.scope is not None:
        parts.append(("scope", "Scope: granted and used", scope(page.scope) or '<p class="none">No task.</p>'))
    search = (
        '<p class="controls"><input type="search" id="find" placeholder="Find in events" aria-label="Find in events">'
        '<label><input type="checkbox" id="wrong"> only what did not go through</label></p>'
    )
    parts += [
        ("events", "Events", search + sections.events(page.rows, page.total)),
        ("integrity", "Integrity and gaps", sections.integrity(page.integrity, page.source, page.unproven)),
    ]
    return parts


def _days(summary: Mapping[str, Any]) -> int:
    """1 if the story begins and ends on one day, else 2."""
    first, last = summary["first"], summary["last"]
    return 1 if first is not None and first[:10] == last[:10] else 2


def _title(page: Page) -> str:
    named = dict(page.asked)
    for name in ("task", "run", "token", "agent"):
        if name in named:
            return text(f"Replay of {name} {named[name]}")
    return "Replay of the log" if "files" not in named else "Replay of files"


def _proof(page: Page) -> str:
    """What every section says about how far it can be believed."""
    gaps = len(page.unproven)
    said = count(gaps, "thing") + " unproven" if gaps else "no known gaps"
    verdict = page.integrity["verdict"]
    return f'<a class="proof" href="#integrity">{badge(sections.verdict_class(verdict), verdict)} {said}</a>'


def _policy() -> str:
    hashes = [b64encode(sha256(part.encode()).digest()).decode() for part in (STYLE, SCRIPT)]
    return (
        f"default-src 'none'; style-src 'sha256-{hashes[0]}'; script-src 'sha256-{hashes[1]}'; "
        "base-uri 'none'; form-action 'none'"
    )
