"""`report controls`: a framework's controls, measured on the home's state and log."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from nhictl.core.controls.frameworks import FRAMEWORKS, Framework, failed, report, resolve
from nhictl.errors import InputError
from nhictl.ops.control_evidence import read
from nhictl.ops.house import House

NAMES = tuple(FRAMEWORKS)
WORDS = ("any", "no-data")


class Controls(NamedTuple):
    """`body` is `nhictl.controls/v1` without its schema; `exit` what --fail-on makes of it."""

    body: dict[str, Any]
    exit: int


def controls(
    house: House, name: str, only: Sequence[str] = (), on: Sequence[str] = (), at_us: int | None = None
) -> Controls:  # fmt: skip
    """Measure a framework, or some of its controls; InputError (2) for a framework or control there is none of.

    `on` is what --fail-on named: `any`, `no-data`, or ids. A log that does not verify is told by its own exit status
    unless --fail-on has one to tell.
    """
    framework = FRAMEWORKS.get(name)
    if framework is None:
        raise InputError(f"no framework `{name}`", code="usage", hint=f"one of {', '.join(NAMES)}")
    wanted = {one.id for asked in only for one in _named(framework, asked)}
    stop = [one for asked in on for one in ([asked] if asked in WORDS else [c.id for c in _named(framework, asked)])]
    chosen = [one for one in framework.controls if not wanted or one.id in wanted]
    gathered = read(house, at_us)
    items = report(framework, gathered.evidence, chosen)
    counts = {status: sum(item["status"] == status for item in items) for status in ("met", "not_met", "no_data")}
    counts |= {kind: sum(item["kind"] == kind for item in items) for kind in ("measured", "declared", "n/a")}
    body = {"framework": framework.name, "title": framework.title, "counts": counts, "items": items, **gathered.summary}
    return Controls(body, failed(items, stop) or gathered.exit)


def _named(framework: Framework, asked: str) -> list[Any]:
    found = resolve(framework, asked)
    if not found:
        known = ", ".join(one.id for one in framework.controls)
        raise InputError(f"no control `{asked}` in {framework.name}", code="usage", hint=f"one of {known}")
    return found
