"""Assertions of a policy document: what must never be allowed, proved for every request when the policy is linted.

`{never: MATCH, when: CONDITIONS, owner: WHO, description: WHY}`, with `never` and `when` as a rule's `match` and `when`. They
are read as a forbid's, so that a call of which it is not known whether it matches counts: an assertion holds if a forbid
of its kind would change nothing. They decide no request, and are part of the canonical form all the same.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from nhictl.core.policy import reading
from nhictl.core.policy.document_rules import conditions
from nhictl.core.policy.selection import selection

if TYPE_CHECKING:
    from nhictl.core.policy.catalogue import Tool
    from nhictl.core.policy.places import Places
    from nhictl.core.policy.yaml_events import Node

__all__ = ["parse_assertions"]

_KEYS: Final = ("never", "when", "owner", "description")


def parse_assertions(
    root: Node, tools: dict[str, Tool], classes: dict[str, Any], found: dict[str, Any], places: Places | None
) -> None:
    """Add the assertions of one file to `found`, by their canonical text, so that one said twice stands once."""
    if "assertions" not in root.value:
        return
    for node in reading.items(root.value["assertions"], what="`assertions`"):
        fields = reading.entries(node, _KEYS, what="an assertion")
        reading.require(node, ("never",), what="an assertion")
        match, selected = selection(fields["never"], tools, classes)
        together, boxes = conditions(fields["when"], selected) if "when" in fields else ([], [])
        names = [tool.name for tool in selected]
        made: dict[str, Any] = {"match": match, "tools": names, "all": together, "any": boxes}
        for key in ("owner", "description"):
            made[key] = reading.text(fields[key], what=f"`{key}`") if key in fields else ""
        text = json.dumps(made, sort_keys=True)
        if places is not None and text not in found:
            places.put("assertion", text, node)
        found[text] = made
