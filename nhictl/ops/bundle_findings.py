"""What the detections say about the records of an evidence bundle: asked of the whole log, told of these records alone."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

from nhictl.core.ledger import record
from nhictl.core.replay.authority.step import of_record
from nhictl.core.replay.detect.registry import RULES
from nhictl.core.replay.detect.run import Watch
from nhictl.ops.contents import Contents
from nhictl.ops.evidence import Policies
from nhictl.ops.house import House

DETECTIONS: Final = "nhictl.detections/v1"


def findings(
    house: House, rows: Iterable[tuple[int, bytes]], chosen: set[int], disclose: Sequence[str], unread: str | None
) -> dict[str, Any]:
    """The findings that rest on a chosen record, and which detections could not decide for want of what.

    `rows` is the log up to the bundle's checkpoint. Of content only what the bundle opens is looked at: the labels in
    `disclose` (or all, for `all`) of chosen records. `unread` says which records cannot be read: a detection that has not
    seen the whole log says nothing.
    """
    if unread is not None:
        return _member([], [{"id": rule.id, "missing": [{"what": unread, "times": 1}]} for rule in RULES])
    contents = Contents(house)

    def opened(seq: int, label: str) -> Any:
        shown = seq in chosen and ("all" in disclose or label in disclose)
        return contents.content(seq, label) if shown else None

    watch = Watch(Policies(house))
    for seq, found in record.decoded(rows):
        watch.take(of_record(seq, found, opened))
    watch.end()
    items = [one for one in watch.items() if any(ref.get("seq") in chosen for ref in one["records"])]
    undecided = [{"id": rule["id"], "missing": rule["missing"]} for rule in watch.rules() if rule["missing"]]
    return _member(items, undecided)


def _member(items: list[dict[str, Any]], undecided: list[dict[str, Any]]) -> dict[str, Any]:
    return {"schema": DETECTIONS, "items": items, "undecided": undecided}
