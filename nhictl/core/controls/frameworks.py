"""The frameworks by name, their controls, the other names that controls go by, and a report over one framework."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from nhictl.core.controls import maestro, nist_govern, owasp_asi, owasp_nhi
from nhictl.core.controls.measure import NO_DATA, NOT_MET

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nhictl.core.controls.evidence import Evidence
    from nhictl.core.controls.measure import Control

ROWS: Final = 100
"""Deciding rows that are listed of a control; `rows_total` counts all."""


class Framework(NamedTuple):
    """`name` is what is typed, `title` the publication; `aliases` are other names of single controls, or of all (None)."""

    name: str
    title: str
    controls: tuple[Control, ...]
    aliases: dict[str, str | None]


FRAMEWORKS: Final = {
    one.name: one
    for one in (
        Framework("owasp-asi-2026", "OWASP Top 10 for Agentic Applications 2026", owasp_asi.CONTROLS,
                  {f"A{n}": f"ASI{n:02}" for n in range(1, 11)}),
        Framework("owasp-nhi-2025", "OWASP Non-Human Identities Top 10 2025", owasp_nhi.CONTROLS, {}),
        Framework("maestro", "CSA MAESTRO", maestro.CONTROLS, {"GOV": "L6", "MAESTRO GOV": "L6"}),
        Framework("nist-ai-rmf", "NIST AI RMF 1.0, GOVERN", nist_govern.CONTROLS, {"GOVERN": None}),
    )
}  # fmt: skip


def resolve(framework: Framework, name: str) -> list[Control]:
    """The controls that a name stands for: an id, an alias, or an alias of all of them; none if it is unknown."""
    wanted = " ".join(name.upper().replace("-", " ").split())
    aliases = {alias.upper(): to for alias, to in framework.aliases.items()}
    if wanted in aliases:
        to = aliases[wanted]
        return [one for one in framework.controls if to is None or one.id == to]
    short = {one.id.upper().removeprefix("GOVERN "): one for one in framework.controls}
    return [one for one in framework.controls if one.id.upper() == wanted] or [
        one for ident, one in short.items() if ident == wanted
    ]


def report(framework: Framework, evidence: Evidence, controls: Sequence[Control]) -> list[dict[str, Any]]:
    """An item a control, in the framework's order: `{id, title, kind, status, says, looks_at, measure, rows, rows_total}`."""
    items = []
    for control in controls:
        item: dict[str, Any] = {"id": control.id, "title": control.title, "kind": control.kind, "status": None,
                                "says": control.looks_at, "looks_at": control.looks_at, "measure": {}, "rows": [],
                                "rows_total": 0}  # fmt: skip
        if control.measure is not None:
            found = control.measure(evidence)
            item |= {"status": found.status, "says": found.says, "measure": dict(found.numbers),
                     "rows": list(found.rows[:ROWS]), "rows_total": len(found.rows)}  # fmt: skip
        item["aliases"] = [alias for alias, to in framework.aliases.items() if to == control.id]
        items.append(item)
    return items


def failed(items: Sequence[dict[str, Any]], on: Sequence[str]) -> int:
    """The exit status that --fail-on gives: 1 if any of the controls named is not met, 3 if one has no data, else 0.

    `any` is every measured control, and no data is no failure of it; ids are those of `items`.
    """
    code = 0
    for item in items:
        named = item["id"] in on
        if item["status"] == NOT_MET and (named or "any" in on):
            return 1
        if item["status"] == NO_DATA and (named or "no-data" in on):
            code = 3
    return code
