"""`audit verify BUNDLE.zip`: the same checks as the bundle's own `verify.py`, by our own copy of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import BinaryIO

from nhictl.core.ledger import verify as ledger
from nhictl.formats import verify_bundle
from nhictl.ops.house import House


def check(
    file: BinaryIO, house: House, anchors: Sequence[ledger.Anchor], keys: Sequence[tuple[str | None, bytes]] | None
) -> ledger.Integrity:
    """The verdict on an evidence bundle; keys are those given, else the chain is pinned if the home holds it."""
    pins = [key for _, key in keys or ()]
    chains = [named for named, _ in keys or () if named is not None]
    if keys is None and house.exists():
        chains = [house.meta["chain"]]
    found = verify_bundle.judged(file, pins, chains[:1], [(a.chain, a.size, a.root) for a in anchors])
    if keys is None and found["class"] == "other_log" and chains:
        file.seek(0)
        found = verify_bundle.judged(file, [], [], [(a.chain, a.size, a.root) for a in anchors])
    rest: tuple[str, ...] = ()
    if found["class"] is None:
        rest = ("that these are all the records there are of what was asked for",)
        if below := found["unread_below"]:
            rest += (f"what records before {below} say, but those that are in it: their lines were elsewhere",)
        rest += (f"what was erased since: {found['erased']} pieces of content",) if found["erased"] else ()
        rest += ("who wrote these records",) if found["verdict"] == "UNKNOWN_KEY" else ()
        after = max((anchor.size for anchor in anchors), default=-1)
        rest += (ledger.UNANCHORED,) if not anchors else ()
        rest += (f"records after {after} by a witness",) if -1 < after < found["size"] else ()
    text = found.get("message") or f"{found['records']} of {found['size']} records, each proved to be in the log"
    root = found.get("root", b"")
    return ledger.Integrity(
        found["verdict"], found.get("size", 0), root, found.get("chain"), None, found["class"], text, rest
    )  # fmt: skip
