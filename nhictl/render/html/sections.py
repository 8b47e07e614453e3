"""The parts of the page besides pictures: summary, integrity, events."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nhictl.render.html.text import badge, clock, count, outcome, span, text

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from nhictl.core.replay.chosen import Row

GOOD = ("VERIFIED",)
FAIR = ("VERIFIED_UNANCHORED", "UNSIGNED", "UNKNOWN_KEY", "INCOMPLETE_TAIL")


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
