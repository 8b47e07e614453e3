"""`audit detect`: every detection, or those asked for, over the home's log or over files."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from nhictl.core.replay.detect.registry import BY_ID, RULES
from nhictl.core.replay.detect.rule import Rule
from nhictl.core.replay.detect.run import Watch
from nhictl.errors import InputError
from nhictl.ops.evidence import Evidence, Policies

ANY = "any"


class Detections(NamedTuple):
    """`body` is `nhictl.detections/v1` without its schema: `items`, `rules`, and what the sources prove."""

    body: dict[str, Any]
    exit: int
    refused: list[InputError]


def detect(
    evidence: Evidence, policies: Policies, names: Sequence[str] = (), declared: list[Any] | None = None
) -> Detections:  # fmt: skip
    """Ask the detections named, all if none is, of every step; InputError (2) for a name there is none of.

    `declared` is the scope of tasks that no record of ours opened.
    """
    watch = Watch(policies, chosen(names), declared=declared, second=evidence.second)
    for step in evidence.steps():
        watch.take(step)
    watch.end()
    evidence.close()
    body = {"items": watch.items(), "rules": watch.rules(), **evidence.summary()}
    return Detections(body, evidence.exit, evidence.refused)


def chosen(names: Sequence[str]) -> tuple[Rule, ...]:
    """The rules of those names, in their fixed order."""
    for name in names:
        if name not in BY_ID:
            raise InputError(f"no detection `{name}`", code="usage", hint=f"one of {', '.join(BY_ID)}")
    return tuple(rule for rule in RULES if rule.id in names) if names else RULES


def failed(body: dict[str, Any], on: str) -> int:
    """The exit status that `--fail-on` gives: 1 if it was found; 3 if a detection named is unknown; else 0.

    `any` fails on what was found alone: some detections need a second source, and would be unknown for ever.
    """
    if on != ANY:
        chosen((on,))
    states = [rule["state"] for rule in body["rules"] if on in (ANY, rule["id"])]
    if not states:
        raise InputError(f"--fail-on {on}: that detection was not asked for", code="usage", hint=f"--rule {on}")
    if "found" in states:
        return 1
    return 3 if on != ANY and "unknown" in states else 0


def read_scope(name: str, data: bytes) -> list[Any]:
    """The boxes of a scope file in mapping form; InputError (2) with the place of what is wrong."""
    from nhictl.core.policy.box import parse_scope_file

    return [box.to_mapping() for box in parse_scope_file(name, data)]
