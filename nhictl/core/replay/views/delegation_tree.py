"""The chains of `delegation_chains` as one tree, tokens that several chains share drawn once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nhictl.core.replay.page import Leaf

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


def delegation_leaves(chains: Iterable[dict[str, Any]]) -> Iterator[Leaf]:
    """A node a token, depth first: its agent and id, its scope, how it ended, and whether it is narrower than before."""
    roots: dict[str, dict[str, Any]] = {}
    for chain in chains:
        level = roots
        for hop in chain["hops"]:
            node = level.setdefault(hop["jti"], {"hop": hop, "below": {}})
            level = node["below"]
    stack = [(0, node) for node in reversed(roots.values())]
    while stack:
        depth, node = stack.pop()
        yield _leaf(depth, node["hop"], has_children=bool(node["below"]))
        stack.extend((depth + 1, below) for below in reversed(node["below"].values()))


def _leaf(depth: int, hop: dict[str, Any], *, has_children: bool) -> Leaf:
    if hop.get("missing"):
        return Leaf(depth, has_children, ("?", "token", hop["jti"]), kind="unknown", reason="no record issues it")
    narrowed = hop["narrowed"]
    wider = narrowed is not None and narrowed["inside"] is False
    why = "wider than before" if wider else "not known to be narrower" if narrowed and not narrowed["inside"] else None
    kind = "denied" if wider else "ends" if hop["revoked"] else "unknown" if why else "other"
    scope = "scope not at hand" if hop["scope"] is None else " or ".join(hop["scope"])
    return Leaf(
        depth, has_children, ("agent", hop["agent"] or "?"), (hop["issued"] or {}).get("time"), f"token {hop['jti']}",
        "revoked" if hop["revoked"] else None, kind, scope, why,
    )  # fmt: skip
