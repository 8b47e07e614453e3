"""The parts of the page besides pictures: summary, integrity, scope, detections, events."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nhictl.render.html.text import badge, clock, count, outcome, span, text

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from nhictl.core.replay.chosen import Row

GOOD = ("VERIFIED",)
FAIR = ("VERIFIED_UNANCHORED", "UNSIGNED", "UNKNOWN_KEY", "INCOMPLETE_TAIL")
_LEVELS = ("critical", "high", "medium", "low", "info")
BOXES = 60
"""Scope boxes of a task that are listed."""


def verdict_class(verdict: str) -> str:
    """The colour of an integrity verdict: unaltered and witnessed, in between, or not."""
    return "ok" if verdict in GOOD else "unknown" if verdict in FAIR else "denied"


def tiles(summary: Mapping[str, Any]) -> str:
    """The story in a few numbers, those that are wrong marked."""
    outcomes = summary["outcomes"]
    denied = outcomes.get("denied", 0) + outcomes.get("not_executed", 0)
    unknown = outcomes.get("unknown", 0)
    checks = summary["types"].get("token.used", 0) + summary["types"].get("token.denied", 0)
    shown: list[tuple[str, int, str]] = [
        ("events", summary["events"], ""),
        ("tool calls", summary["calls"], ""),
        *([("checks of a token", checks, "")] if checks else []),
        ("denied or not executed" if outcomes.get("not_executed") else "denied", denied, "denied" if denied else ""),
        ("errors", outcomes.get("error", 0), "error" if outcomes.get("error") else ""),
        *([("outcome unknown", unknown, "unknown")] if unknown else []),
        ("agents", len(summary["agents"]), ""),
        ("runs and tasks", summary["runs"], ""),
    ]
    cells = "".join(
        f'<div class="tile {kind}"><b>{number:,}</b><span>{name}</span></div>' for name, number, kind in shown
    )
    first, last = summary.get("first"), summary.get("last")
    span_ = (
        f'<p class="period">{clock(first)} <span class="none">to</span> {clock(last)} <span class="none">UTC</span></p>'
        if first is not None
        else '<p class="period none">The evidence carries no times.</p>'
    )
    return f'<div class="tiles">{cells}</div>{span_}'


def integrity(found: Mapping[str, Any], source: Mapping[str, int], unproven: Sequence[str]) -> str:
    """Verdict, counts of records, and every gap."""
    facts = [("verdict", found["verdict"]), ("records", found.get("size")), ("root", found.get("root"))]
    facts += [
        ("chain", found.get("chain")),
        ("first bad record", found.get("first_bad_seq")),
        ("class", found.get("class")),
    ]
    rows = "".join(
        f"<dt>{name}</dt><dd>{text(value)}</dd>" for name, value in facts if value is not None and name != "verdict"
    )
    counts = ", ".join(f"{name} {source[name]:,}" for name in ("parsed", "opaque", "failed"))
    gaps = "".join(f"<li>{text(what)}</li>" for what in unproven) or "<li>nothing that is known</li>"
    return (
        f"<p>{badge(verdict_class(found['verdict']), found['verdict'])} {text(found['message'])}</p>"
        f"<dl>{rows}<dt>records read</dt><dd>{counts}</dd></dl>"
        f'<h3 id="unproven">Unproven</h3><ul class="gaps">{gaps}</ul>'
    )


def scope(found: Sequence[Mapping[str, Any]]) -> str:
    """For each task how much of what was granted was used, and what was tried outside of it."""
    return "".join(_scope_of(one) for one in found)


def _scope_of(one: Mapping[str, Any]) -> str:
    granted, used, outside = len(one["granted"]), len(one["used"]), len(one.get("outside") or ())
    share = 100 * used / granted if granted else 0.0
    bar = (
        '<svg class="bar" width="100%" height="12" role="img" '
        f'aria-label="{used} of {granted} used"><rect class="rest" width="100%" height="12" rx="6"/>'
        + (f'<rect class="part" width="{share:.2f}%" height="12" rx="6"/>' if used else "")
        + "</svg>"
    )
    said = f"{used:,} of {count(granted, 'granted box', 'granted boxes')} used"
    wrong = f" {badge('denied', count(outside, 'call') + ' outside')}" if outside else ""
    lists = "".join(
        f'<li class="{kind}"><span class="noun">{name}</span> <code>{text(_box(box))}</code></li>'
        for name, kind, boxes in (
            ("outside", "denied", one.get("outside") or ()),
            ("used", "ok", one["used"]),
            ("never used", "other", one["unused"]),
        )
        for box in boxes[:BOXES]
    )
    left = sum(max(0, len(boxes) - BOXES) for boxes in (one.get("outside") or (), one["used"], one["unused"]))
    rest = f'<p class="hint">{count(left, "more")} not shown: --view scope lists all</p>' if left else ""
    return (
        f'<div class="scope"><h3>{text(one["task"])}{span("run", one.get("agent"))}</h3>{bar}'
        f'<p>{said}{wrong}</p><ul class="boxes">{lists}</ul>{rest}</div>'
    )


def _box(box: Any) -> Any:
    """A box as text; a use or a call outside may say which record it is."""
    if not isinstance(box, dict):
        return box
    named = box.get("box") or " ".join(str(box[key]) for key in ("tool", "resource") if box.get(key) is not None)
    rest = [f"record {box['seq']}"] if box.get("seq") is not None else []
    rest += [str(box["reason"])] if box.get("reason") else []
    return " · ".join([str(named), *rest])


def detections(found: Sequence[Mapping[str, Any]], shown: Mapping[int, int]) -> str:
    """The findings, worst first; `shown` is the place on the page of each record that is on it."""
    if not found:
        return '<p class="none">No detection fired on this evidence. That is not proof that nothing happened.</p>'
    order = {name: place for place, name in enumerate(_LEVELS)}
    rows = sorted(found, key=lambda one: order.get(one["severity"], len(order)))
    return "".join(_detection(one, shown) for one in rows)


def _detection(one: Mapping[str, Any], shown: Mapping[int, int]) -> str:
    records = " ".join(_record(record, shown) for record in one["records"][:40])
    more = len(one["records"]) - 40
    rest = f" and {more:,} more" if more > 0 else ""
    controls = " ".join(span("chip", name) for name in one.get("controls") or ())
    alarm = one.get("false_alarm")
    doubt = f'<p class="hint">False alarm if: {text(alarm)}</p>' if alarm else ""
    level = one["severity"] if one["severity"] in _LEVELS else "info"
    return (
        f'<article class="finding {level}"><h3>{badge("sev-" + level, one["severity"])} {text(one["title"])} '
        f'<span class="chip">{text(one["id"])}</span> {controls}</h3><p>{text(one["message"])}</p>'
        f'<p class="records">{count(len(one["records"]), "record")}: {records}{rest}</p>{doubt}</article>'
    )


def _record(record: Any, shown: Mapping[int, int]) -> str:
    if isinstance(record, dict):
        seq = record.get("seq")
        named = (
            seq
            if seq is not None
            else ":".join(str(record[key]) for key in ("file", "offset") if record.get(key) is not None) or record
        )
    else:
        seq = named = record
    if isinstance(seq, int) and seq in shown:
        return f'<a class="chip" href="#e{shown[seq]}">{text(named)}</a>'
    return span("chip", named)


def events(rows: Sequence[Row], total: int) -> str:
    """The events, with what each says folded under it, and a row for each stretch that is not shown."""
    made = []
    expected = 0
    for row in rows:
        if row.place > expected:
            made.append(f'<tr class="gap"><td colspan="5">{count(row.place - expected, "event")} not shown</td></tr>')
        made.append(_event(row))
        expected = row.place + 1
    if total > expected:
        made.append(f'<tr class="gap"><td colspan="5">{count(total - expected, "event")} not shown</td></tr>')
    head = "".join(f'<th scope="col">{name}</th>' for name in ("time", "what", "outcome", "who", "record"))
    left_out = total - len(rows)
    hint = (
        f'<p class="hint">{len(rows):,} of {total:,} events are on this page: those that decide a finding, those denied or'
        " failed, then the first ones. All of them: <code>nhictl audit replay … -o jsonl</code>; fewer: --task, --agent,"
        " --since, --until.</p>"
        if left_out
        else ""
    )
    return f"{hint}<table><thead><tr>{head}</tr></thead><tbody>{''.join(made)}</tbody></table>"


def _event(row: Row) -> str:
    number = "" if row.n is None else f'<span class="n">#{row.n}</span> '
    name = row.tool if row.type == "tool.called" and row.tool else row.type
    also = span("noun", row.tool) if row.tool and name != row.tool else ""
    said = "" if not row.said else f"<code>{text(row.said)}</code>"
    folded = _folded(row.detail)
    what = f"{number}<b>{text(name)}</b> {also} {said}"
    body = f"<details><summary>{what}</summary>{folded}</details>" if folded else f'<div class="plain">{what}</div>'
    seq = span("seq", row.seq)
    return (
        f'<tr id="e{row.place}" class="{row.kind}"><td class="when">{clock(row.time)}</td><td class="what">{body}</td>'
        f'<td class="how">{outcome(row.kind, row.outcome)} {span("why", row.reason)}</td><td class="who">'
        f"{span('agent', row.agent)} {span('run', row.run)}</td>"
        f'<td class="src">{seq} {span("evidence", row.evidence)}</td></tr>'
    )


def _folded(detail: Iterable[tuple[str, str, int]]) -> str:
    return "".join(
        f'<div class="full"><span class="noun">{text(name)}</span><pre>{text(value, keep=chr(10))}</pre>'
        + (f'<p class="hint">{count(cut, "more character")} not shown</p>' if cut else "")
        + "</div>"
        for name, value, cut in detail
    )
