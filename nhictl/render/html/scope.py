"""Scope granted and used, task by task, as bars and lists."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nhictl.render.html.text import badge, count, span, text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

BOXES = 40
"""Boxes of one kind that are listed of a task."""
TASKS = 100
"""Tasks that are shown."""


def scope(found: Sequence[Mapping[str, Any]]) -> str:
    """For each task how much of what was granted was used, and what was tried outside of it."""
    made = "".join(_task(one) for one in found[:TASKS])
    left_out = len(found) - TASKS
    if left_out > 0:
        made += f'<p class="hint">{count(left_out, "more task")} not shown: nhictl audit replay --view scope</p>'
    return made


def _task(one: Mapping[str, Any]) -> str:
    head = f"<h3>{text(one['task'])} {span('run', one.get('agent'))}</h3>"
    outside = one.get("outside_calls", 0)
    wrong = f" {badge('denied', count(outside, 'call') + ' outside')}" if outside else ""
    gaps = "".join(
        f'<p class="hint">{count(gap["times"], "call")} could not be told: {text(gap["what"])} is missing.</p>'
        for gap in one.get("unknown") or ()
    )
    if one["granted"] is None:
        said = f"<p>What it was granted is not at hand.{wrong}</p>"
    else:
        granted, used = len(one["granted"]), len(one["used"])
        said = f"{_bar(used, granted)}<p>{used:,} of {count(granted, 'granted box', 'granted boxes')} used{wrong}</p>"
    unused = "perhaps unused" if one.get("unknown") else "never used"
    rows = [("outside", "denied", _outside(call)) for call in one["outside"]]
    rows += [("used", "ok", f"{box['text']} · {count(box['calls'], 'call')}") for box in one["used"]]
    rows += [(unused, "other", box["text"]) for box in one["unused"]]
    shown = "".join(
        f'<li class="{kind}"><span class="noun">{name}</span> <code>{text(said)}</code></li>'
        for name, kind, said in rows[:BOXES]
    )
    rest = f'<p class="hint">{count(len(rows) - BOXES, "more")} not shown</p>' if len(rows) > BOXES else ""
    return f'<div class="scope">{head}{said}<ul class="boxes">{shown}</ul>{rest}{gaps}</div>'


def _bar(used: int, granted: int) -> str:
    share = 100 * used / granted if granted else 0.0
    part = f'<rect class="part" width="{share:.2f}%" height="12" rx="6"/>' if used else ""
    return (
        f'<svg class="bar" width="100%" height="12" role="img" aria-label="{used} of {granted} used">'
        f'<rect class="rest" width="100%" height="12" rx="6"/>{part}</svg>'
    )


def _outside(call: Mapping[str, Any]) -> str:
    seq = call["record"].get("seq")
    parts = (call["tool"], call["outcome"], None if seq is None else f"record {seq}")
    return " · ".join(str(part) for part in parts if part is not None)
