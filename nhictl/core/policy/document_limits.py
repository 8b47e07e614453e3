"""The limits of a policy document: what is counted, for whom, over how long, and up to where."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from nhictl.core import times
from nhictl.core.policy import reading
from nhictl.core.policy.cost import amount_text
from nhictl.core.policy.document_rules import conditions
from nhictl.core.policy.limits import PER
from nhictl.core.policy.selection import selection
from nhictl.core.policy.types import exact

if TYPE_CHECKING:
    from nhictl.core.policy.catalogue import Tool
    from nhictl.core.policy.yaml_events import Node

__all__ = ["parse_limits"]

_KEYS: Final = ("id", "match", "when", "per", "window", "calls", "spend", "bytes_out", "description", "owner")
_COUNTED: Final = ("calls", "spend", "bytes_out")
_MOST: Final = 10**15
_MAX_WINDOW_S: Final = 366 * 86400


def parse_limits(root: Node, tools: dict[str, Tool], classes: dict[str, Any], found: dict[str, Any]) -> None:
    """Add the limits of one file to `found`, canonical form by id; `InputError` with the place."""
    if "limits" not in root.value:
        return
    for node in reading.items(root.value["limits"], what="`limits`"):
        made = _limit(node, tools, classes)
        if made["id"] in found:
            raise node.value["id"].error(f"duplicate limit `{made['id']}`")
        found[made["id"]] = made


def _limit(node: Node, tools: dict[str, Tool], classes: dict[str, Any]) -> dict[str, Any]:
    fields = reading.entries(node, _KEYS, what="a limit")
    reading.require(node, ("id", "per"), what="a limit")
    match, selected = selection(fields.get("match"), tools, classes)
    if fields["per"].value not in PER:
        raise fields["per"].error(f"`per` must be one of {', '.join(PER)}")
    if not any(key in fields for key in _COUNTED):
        raise node.error("a limit counts nothing", hint=f"give it one of {', '.join(_COUNTED)}")
    made: dict[str, Any] = {
        "id": reading.name(fields["id"], what="`id`", limit=128),
        "description": reading.text(fields["description"], what="`description`") if "description" in fields else "",
        "owner": reading.text(fields["owner"], what="`owner`") if "owner" in fields else "",
        "match": match,
        "tools": [tool.name for tool in selected],
        "all": [],
        "any": [],
        "per": fields["per"].value,
        "window_s": _window(fields["window"]) if "window" in fields else None,
        "calls": _count(fields["calls"], "`calls`") if "calls" in fields else None,
        "spend": _spend(fields["spend"], selected) if "spend" in fields else None,
        "bytes_out": _count(fields["bytes_out"], "`bytes_out`") if "bytes_out" in fields else None,
    }
    if "when" in fields:
        made["all"], made["any"] = conditions(fields["when"], selected)
    return made


def _window(node: Node) -> int:
    text = reading.text(node, what="`window`", limit=16)
    try:
        seconds = times.parse_duration(text)
    except ValueError as e:
        raise node.error(f"`window`: {e}") from e
    if not 1 <= seconds <= _MAX_WINDOW_S:
        raise node.error("`window` is 1s to 366d", hint="leave it out to count for ever")
    return seconds


def _count(node: Node, what: str) -> int:
    value = node.value
    if type(value) is not int or not 0 <= value <= _MOST:
        raise node.error(f"{what} must be a whole number from 0 to {_MOST}")
    return value


def _spend(node: Node, tools: list[Tool]) -> dict[str, str]:
    fields = reading.entries(node, ("unit", "max"), what="`spend`")
    reading.require(node, ("unit", "max"), what="`spend`")
    unit = reading.name(fields["unit"], what="`unit`", limit=32)
    if isinstance(fields["max"].value, str):
        raise fields["max"].error("`max` must be a number")
    most = reading.located(fields["max"], exact, fields["max"].data())
    if most < 0:
        raise fields["max"].error("`max` must not be negative")
    costs = [tool.cost for tool in tools if tool.cost is not None]
    if not costs:
        raise node.error("none of the tools it matches has a `cost`", hint="declare `cost: {amount: …, currency: …}`")
    if strange := sorted({cost.currency for cost in costs if cost.currency not in (None, unit)} - {None}, key=str):
        raise fields["unit"].error(
            f"a tool it matches costs {strange[0]}, which {unit} cannot count", hint="match the tools apart"
        )
    return {"unit": unit, "max": amount_text(most)}
