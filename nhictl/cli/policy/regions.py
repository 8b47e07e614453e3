"""Regions of calls as lines: what they are, and for each a request that lies in it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from nhictl.render.json_text import compact

SHOWN = 40


def lines(regions: list[dict[str, Any]], mark: str) -> Iterator[str]:
    """A line for each region and one for its witness; after `SHOWN` only how many more there are."""
    for one in regions[:SHOWN]:
        yield f"{mark} {one['text']}{'' if one['level'] == 'permitted' else ' (once approved)'}"
        yield f"    e.g. {request(one['witness'])}{change(one)}"
    if len(regions) > SHOWN:
        yield f"{mark} … and {len(regions) - SHOWN} more; -o json has them all"


def request(asked: dict[str, Any]) -> str:
    """A request in one line."""
    shown = f"{asked['agent']}: {asked['tool']} {compact(asked['args'])}"
    for key in ("resource", "intent", "context"):
        if key in asked:
            value = asked[key]
            shown += f" {key} {value if isinstance(value, str) else compact(value)}"
    return f"{shown} at {asked['at'][:16]}Z"


def change(one: dict[str, Any]) -> str:
    """How the decision on a region's witness changed."""
    return f", {one['old']['reason']} -> {one['new']['reason']}" if "old" in one and "new" in one else ""


def undecided(body: dict[str, Any]) -> Iterator[str]:
    """What was not decided, and why."""
    for one in body["undecided"]:
        yield f"? {one['tool']}: undecided: {one['why']}"


def diff(body: dict[str, Any]) -> Iterator[str]:
    """A comparison: newly allowed, newly denied, limits and people that differ, what is undecided, and the verdict."""
    yield from lines(body["gained"], "+ newly allowed:")
    yield from lines(body["lost"], "- newly denied: ")
    for one in (*body["limits"], *body["people"]):
        mark = "~" if one["may_gain"] and one["may_lose"] else "+" if one["may_gain"] else "-"
        name = f"limit {one['limit']}" if "limit" in one else f"{one['kind']} {one['name']}"
        yield f"{mark} {name} {one['change']}: {one['text']}"
    yield from undecided(body)
    words = {
        "equivalent": "equivalent: both allow the same",
        "wider": "wider: the new policy allows all that the old one does, and more",
        "narrower": "narrower: the new policy allows less, and nothing else",
        "disjoint": "disjoint: nothing is allowed by both",
        "different": "different: some calls are newly allowed, others newly denied",
        "undecided": "undecided",
    }
    yield words[body["verdict"]]
