"""What detections found, worst first, with the records that decide it; and what could not be decided."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nhictl.render.html.text import badge, count, span, text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nhictl.core.replay.page import Findings

LEVELS = ("critical", "high", "medium", "low")
FINDINGS = 200
"""Findings that are shown."""


def findings(found: Findings, shown: Mapping[int, int]) -> str:
    """The findings; `shown` is the place on the page of each record that is on it."""
    order = {name: place for place, name in enumerate(LEVELS)}
    rows = sorted(found.items, key=lambda one: order.get(one["severity"], len(order)))
    made = "".join(_finding(one, shown) for one in rows[:FINDINGS])
    if not found.items:
        made = '<p class="none">Nothing was found here. That is not proof that nothing happened.</p>'
    hints = []
    if len(rows) > FINDINGS:
        hints.append(f"{count(len(rows) - FINDINGS, 'more finding')} not shown: nhictl audit detect")
    if found.elsewhere:
        hints.append(f"{count(found.elsewhere, 'finding')} about other parts of the evidence: nhictl audit detect")
    made += "".join(f'<p class="hint">{one}</p>' for one in hints)
    if not found.undecided:
        return made
    listed = "".join(
        f"<li>{span('chip', name)} {text('; '.join(missing[:3]) or 'evidence')} missing</li>"
        for name, missing in found.undecided
    )
    title = f"{len(found.undecided)} of {count(found.asked, 'detection')} could not be decided"
    return f'{made}<details><summary>{title}</summary><ul class="gaps">{listed}</ul></details>'


def _finding(one: Mapping[str, Any], shown: Mapping[int, int]) -> str:
    records = " ".join(_record(record, shown) for record in one["records"])
    controls = " ".join(span("chip", name) for name in one.get("controls") or ())
    alarm = one.get("false_alarm")
    doubt = f'<p class="hint">False alarm if: {text(alarm)}</p>' if alarm else ""
    level = one["severity"] if one["severity"] in LEVELS else "other"
    times = one.get("count", 1)
    often = f' <span class="none">{count(times, "time")}</span>' if times > 1 else ""
    return (
        f'<article class="finding {level}"><h3>{badge("sev-" + level, one["severity"])} {text(one["title"])}{often} '
        f'<span class="chip">{text(one["id"])}</span> {controls}</h3><p>{text(one["message"])}</p>'
        f'<p class="records">Records {records}</p>{doubt}</article>'
    )


def _record(record: Mapping[str, Any], shown: Mapping[int, int]) -> str:
    seq = record.get("seq")
    if isinstance(seq, int):
        if seq in shown:
            return f'<a class="chip" href="#e{shown[seq]}">{seq}</a>'
        return span("chip", seq)
    return span("chip", ":".join(str(record[key]) for key in ("file", "offset", "message") if key in record) or "?")
