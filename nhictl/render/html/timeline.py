"""The timeline as inline SVG: positions in percent, so that marks stay round and texts readable at any width."""

from __future__ import annotations

from math import log2
from typing import TYPE_CHECKING

from nhictl.core.times import duration, rfc3339
from nhictl.render.html.text import count, text

if TYPE_CHECKING:
    from nhictl.core.replay.picture import Lane, Mark, Picture

NAMES = {
    "ok": "went through",
    "denied": "denied",
    "error": "error",
    "unknown": "outcome unknown",
    "ends": "authority taken away",
    "other": "other record",
}
_SHAPES = {
    "ok": '<circle r="{r}"/>',
    "other": '<circle r="3"/>',
    "unknown": '<circle r="{r}"/>',
    "denied": '<path d="M0-{q} {q} 0 0 {q}-{q} 0z"/>',
    "error": '<path d="M0-{q} {q} {r}-{q} {r}z"/>',
    "ends": '<path d="M-2-12h4v24h-4z"/>',
}
_LANE = 30


def drawing(found: Picture) -> str:
    """Legend, lanes, axis."""
    used = {name for lane in found.lanes for mark in lane.marks for name, _ in mark.counts}
    legend = "".join(
        f'<span class="key"><svg width="18" height="18" viewBox="-9 -9 18 18" aria-hidden="true">'
        f"{_shape(name, 5)}</svg>{NAMES[name]}</span>"
        for name in NAMES
        if name in used
    )
    lanes = "".join(_lane(lane, found) for lane in found.lanes)
    return f'<div class="legend">{legend}</div><div class="lanes">{lanes}{_axis(found)}</div>'


def _shape(name: str, radius: float) -> str:
    drawn = _SHAPES[name].format(r=_number(radius), q=_number(radius * 1.3))
    return f'<g class="mark {name}">{drawn}</g>'


def _lane(lane: Lane, found: Picture) -> str:
    who = [text(lane.agent)] if lane.agent is not None else []
    if lane.rest:
        who = [count(found.merged, "other run")]
    elif lane.run is not None:
        who.append(f'<span class="run">{text(lane.run)}</span>')
    if not who:
        who = ["the authority"]
    silences = "".join(
        f'<line class="silence" x1="{_percent(x)}" x2="{_percent(x)}" y1="0" y2="{_LANE}"/>' for x, _ in found.breaks
    )
    marks = "".join(_mark(mark) for mark in lane.marks)
    told = text("other runs" if lane.rest else f"{lane.agent or ''} {lane.run or ''}".strip() or "the authority")
    return (
        f'<div class="lane"><div class="who">{" ".join(who)}<span class="many">{count(lane.events, "event")}</span></div>'
        f'<svg class="track" width="100%" height="{_LANE}" role="img" aria-label="events of {told}">'
        f'<line class="rail" x1="0" x2="100%" y1="{_LANE // 2}" y2="{_LANE // 2}"/>{silences}{marks}</svg></div>'
    )


def _mark(mark: Mark) -> str:
    total = sum(number for _, number in mark.counts)
    worst = mark.counts[0][0]
    said = ", ".join(f"{number:,} {NAMES[name]}" for name, number in mark.counts)
    radius = min(9.0, 4.5 + log2(total) * 0.9)
    return (
        f'<a href="#e{mark.first}"><svg x="{_percent(mark.x)}" y="{_LANE // 2}" overflow="visible">'
        f"<title>{said}</title>{_shape(worst, radius)}</svg></a>"
    )


def _axis(found: Picture) -> str:
    if not found.by_time:
        return '<div class="axis"><span>first</span><span>order of the record, not time</span><span>last</span></div>'
    days = {_moment(at)[:10] for _, at in found.ticks}
    said = [text(_moment(at)[11:] if len(days) == 1 else _moment(at)) for _, at in found.ticks]
    name = f"{min(days)}, UTC" if len(days) == 1 else "UTC"
    middle = "".join(f"<span>{one}</span>" for one in said[1:-1])
    silences = ", ".join(_long(seconds) for _, seconds in found.breaks)
    cut = f'<p class="hint">Dashed lines: silences cut short ({silences}).</p>' if silences else ""
    return (
        f'<div class="axis"><span>{said[0]}</span>{middle}<span>{said[-1]}</span></div><p class="hint">{name}</p>{cut}'
    )


def _long(seconds: int) -> str:
    """A silence, to the minute or the hour where it is long."""
    whole = 3600 if seconds >= 2 * 86400 else 60 if seconds >= 7200 else 1
    return duration(seconds - seconds % whole)


def _moment(at_us: int) -> str:
    return rfc3339(at_us)[:19].replace("T", " ")


def _percent(x: int) -> str:
    """From 0…1,000 to percent, with room at both ends for a mark's half."""
    return f"{1.5 + x * 0.097:.2f}%"


def _number(value: float) -> str:
    return f"{value:.1f}".rstrip("0").rstrip(".")
