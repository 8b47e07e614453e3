"""Content of records within an act: masked, sealed under its task's key beside the line, which gets commitments only."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from nhictl.core.ledger import content, mask
from nhictl.errors import NhictlError
from nhictl.ops.house import House
from nhictl.store import erasure, log, sqlite

AUTHORITY: Final = 0
"""The content key of what belongs to no task."""


class Content:
    """The content keys of one act, each opened or made once. `chain` is empty until the genesis is written."""

    def __init__(self, house: House, chain: str) -> None:
        self.chain = chain
        self._house = house
        self._db = house.db
        self._keys: dict[int, bytes] = {}

    def seal(
        self, seq: int, sealed: dict[str, Any], task: int, hide: Iterable[str]
    ) -> tuple[dict[str, str] | None, dict[str, Any]]:  # fmt: skip
        """Seal the content of a record by label; returns the commitments, and what `ext` has to say about it.

        Of a task whose content was erased nothing is kept: no commitments, and `unsealed` names what was given.
        """
        if log.is_erased(self._db, task):
            return None, {"unsealed": sorted(sealed)}
        masker = mask.Masker(self._key(task))
        made = {
            label: self._seal(seq, label, _masked(masker, label, what, hide), task) for label, what in sealed.items()
        }
        return made, {"masked": masker.count} if masker.count else {}

    def would_be(self, label: str, what: Any, task: int) -> str:
        """The commitment that this content of a task gets, wherever it stands."""
        key = self._key(task)
        return content.commitment(key, label, content.canonical(_masked(mask.Masker(key), label, what, ())))

    def _seal(self, seq: int, label: str, what: Any, task: int) -> str:
        key = self._key(task)
        plain = content.canonical(what)
        from nhictl.store.keys import Sealer

        box = Sealer(key).seal(plain, content_place(self.chain, seq, label), self._house.random(12))
        log.put_content(self._db, seq, label, task, box)
        return content.commitment(key, label, plain)

    def _key(self, task: int) -> bytes:
        if task not in self._keys:
            sealed = log.content_key(self._db, task)
            place = f"content key:{task}"
            if sealed is None:
                key = self._house.random(32)
                log.put_content_key(self._db, task, self._house.sealer.seal(key, place, self._house.random(12)))
            else:
                key = self._house.sealer.open(sealed, place)
            self._keys[task] = key
        return self._keys[task]


def _masked(masker: mask.Masker, label: str, what: Any, hide: Iterable[str]) -> Any:
    if label in mask.WHOLE:
        return what
    return masker.value(masker.paths(what, hide) if label == "args" else what)


def content_place(chain: str, seq: int, label: str) -> str:
    """The associated data that ties a sealed piece to its record: chain ‖ seq ‖ label."""
    return f"content:{chain}:{seq}:{label}"


def go_on_erasing(house: House) -> None:
    """After an act: if an erasure waits for the write-ahead log to be let go of, try again; never fails."""
    try:
        with sqlite.guarded("read the erasures"):
            if not erasure.any_waiting(house.db):
                return
        from nhictl.ops.erase_files import cut_log

        cut_log(house)
    except NhictlError:
        return
