"""Sealed content of the home's log, opened: as it was given, or with the salt that shows it is what its record commits to."""

from __future__ import annotations

from typing import Any, NamedTuple

from nhictl.core import strict_json
from nhictl.core.ledger import content
from nhictl.core.replay import own
from nhictl.errors import UnsafeError
from nhictl.ops.house import House
from nhictl.ops.sealing import content_place
from nhictl.store import log
from nhictl.store.keys import Sealer


class Opening(NamedTuple):
    """Canonical content, and the salt of its commitment."""

    plain: bytes
    salt: bytes


class Contents:
    """Opens content; keys once a task. What was erased, or does not open, is None."""

    def __init__(self, house: House) -> None:
        self.house = house
        self.keys: dict[int, bytes | None] = {}

    def content(self, seq: int, label: str) -> Any:
        """The content, bytes for `source`, else the JSON value; `ERASED` if it was erased."""
        found = self.opening(seq, label)
        if found is None:
            return own.ERASED if log.content(self.house.db, seq, label) is None else None
        return found.plain if label == "source" else strict_json.loads(found.plain, max_depth=200)

    def opening(self, seq: int, label: str) -> Opening | None:
        """The content as it was committed to, and the salt: what somebody needs who shall check it."""
        found = log.content(self.house.db, seq, label)
        if found is None:
            return None
        task, sealed = found
        if task not in self.keys:
            self.keys[task] = self._key(task)
        key = self.keys[task]
        if key is None:
            return None
        try:
            plain = Sealer(key).open(sealed, content_place(self.house.meta["chain"], seq, label))
        except UnsafeError:
            return None
        return Opening(plain, content.salt(key, label, plain))

    def _key(self, task: int) -> bytes | None:
        db = self.house.db
        box = log.content_key(db, task)
        if box is None:
            return None
        return self.house.unseal(box, f"content key:{task}", lambda: log.content_key(db, task))
