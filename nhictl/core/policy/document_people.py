"""Openers and approvers of a policy document: who may open which tasks, whose approval counts, and for what.

People are known by the user id the kernel shows and by keys, never by what they say. A list that is absent leaves the
matter to the home's owner.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from nhictl.core.policy import reading
from nhictl.core.policy.box import parse_box
from nhictl.core.policy.box_file import box_from_node
from nhictl.errors import InputError

if TYPE_CHECKING:
    from nhictl.core.policy.compiled import Policy
    from nhictl.core.policy.yaml_events import Node

__all__ = ["ACTS", "parse_approvers", "parse_openers"]

ACTS: Final = ("accept_gained", "redact", "unfreeze")
"""What an approver may be named for besides classes."""
_OPENER: Final = ("uid", "agents", "intents", "scope", "description")
_APPROVER: Final = ("name", "key", "uid", "classes", "acts", "description")
_MAX_UID: Final = 2**32 - 2


def parse_openers(root: Node, policy: Policy, found: list[dict[str, Any]]) -> None:
    """Add the openers of one file to `found`; boxes of scope are typed by the catalogue of `policy`."""
    if "openers" not in root.value:
        return
    for node in reading.items(root.value["openers"], what="`openers`"):
        fields = reading.entries(node, _OPENER, what="an opener")
        reading.require(node, ("uid",), what="an opener")
        made: dict[str, Any] = {"uid": _uids(fields["uid"])}
        for key in ("agents", "intents"):
            made[key] = reading.names(fields[key], what=f"`{key}`") if key in fields else None
        made["scope"] = _scope(fields["scope"], policy) if "scope" in fields else None
        if made in found:
            raise node.error("the same opener stands here twice")
        found.append(made)
    found.sort(key=lambda one: json.dumps(one, sort_keys=True))


def _uids(node: Node) -> list[int]:
    made = set()
    for item in reading.items(node, what="`uid`"):
        if type(item.value) is not int or not 0 <= item.value <= _MAX_UID:
            raise item.error(f"a user id is a whole number from 0 to {_MAX_UID}", hint="names change hands, ids do not")
        if item.value in made:
            raise item.error(f"duplicate user id {item.value}")
        made.add(item.value)
    return sorted(made)


def _scope(node: Node, policy: Policy) -> list[dict[str, Any]]:
    made = []
    for item in reading.items(node, what="`scope`"):
        if isinstance(item.value, dict):
            box = box_from_node(item, policy)
        else:
            try:
                box = parse_box(reading.text(item, what="an entry of `scope`", limit=8192), policy)
            except InputError as e:
                if e.details.get("line"):
                    raise
                raise item.error(e.message, hint=e.hint) from e
        made.append(box.to_mapping())
    return sorted(made, key=lambda one: json.dumps(one, sort_keys=True))


def parse_approvers(root: Node, classes: dict[str, Any], found: dict[str, Any]) -> None:
    """Add the approvers of one file to `found`: name → `{key, uid, classes, acts}`."""
    if "approvers" not in root.value:
        return
    for node in reading.items(root.value["approvers"], what="`approvers`"):
        fields = reading.entries(node, _APPROVER, what="an approver")
        reading.require(node, ("name",), what="an approver")
        name = reading.name(fields["name"], what="`name`", limit=128)
        if name in found:
            raise fields["name"].error(f"duplicate approver `{name}`")
        made = _approver(name, node, fields, classes)
        for other, known in found.items():
            if made["key"] is not None and made["key"] == known["key"]:
                raise fields["key"].error(f"`{name}` and `{other}` have the same key: one person cannot be two")
        found[name] = made


def _approver(name: str, node: Node, fields: dict[str, Node], classes: dict[str, Any]) -> dict[str, Any]:
    if "key" not in fields and "uid" not in fields:
        raise node.error(
            f"approver `{name}` has neither `key` nor `uid`", hint="a key is what a signature is held against"
        )
    if "classes" not in fields and "acts" not in fields:
        raise node.error(f"approver `{name}` may approve nothing", hint="name its `classes`, or its `acts`")
    made: dict[str, Any] = {
        "key": _key(fields["key"]) if "key" in fields else None,
        "uid": _uids(fields["uid"]) if "uid" in fields else [],
        "classes": reading.names(fields["classes"], what="`classes`") if "classes" in fields else [],
        "acts": reading.names(fields["acts"], what="`acts`") if "acts" in fields else [],
    }
    for item in fields["classes"].value if "classes" in fields else ():
        if item.value not in classes:
            raise item.error(f"no class is called `{item.value}`")
        if classes[item.value].get("impact", "high") == "high" and made["key"] is None:
            raise item.error(
                f"class `{item.value}` is high-impact, and approver `{name}` has no `key`",
                hint="only a signed approval counts for it; a class without `impact` counts as high",
            )
    for item in fields["acts"].value if "acts" in fields else ():
        if item.value not in ACTS:
            raise item.error(f"`{item.value}` is nothing to approve", hint=f"acts: {', '.join(ACTS)}")
    return made


def _key(node: Node) -> dict[str, str]:
    from nhictl.core.identity.approver_key import parse_public
    from nhictl.core.token.jws import KeyFaultError

    value = node.data() if isinstance(node.value, dict) else reading.text(node, what="`key`")
    try:
        return parse_public(value)
    except KeyFaultError as e:
        raise node.error(f"the key {e}", hint="an `ssh-ed25519 AAAA…` line, or a public JWK (Ed25519 or P-256)") from e
