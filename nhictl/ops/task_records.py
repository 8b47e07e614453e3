"""One task's records by the index, each proved to be in the log that was signed, without reading the others.

The leaf hashes of the records, and kept nodes for the rest, have to give the root of the newest checkpoint. What does not
come out, for whatever reason, is for the verifier of the whole log to judge, which names the place. The index and the
state beside the log are covered by no hash. So near the task's records every line is looked at for its id, as far as
`SPAN` goes, and every record that the state names; what lies beyond is said to be unproven.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from nhictl.core.ledger import checkpoint, kept_tree, record
from nhictl.core.ledger import verify as ledger
from nhictl.core.ledger.kept_tree import TILE
from nhictl.core.ledger.log_keys import LogKeys
from nhictl.core.ledger.merkle import CompactRange
from nhictl.ops import audit_log, high_water, prove_log, segment_files
from nhictl.ops.house import House
from nhictl.store import log, segments, tree
from nhictl.store.work import TaskRow

SPAN: Final = 4096
"""Records between a task's first one and the last that is looked at for more of it."""


class TaskRecords(NamedTuple):
    """The task's lines with their numbers, what they prove, and whether that is about them alone or the whole log."""

    rows: list[tuple[int, bytes]]
    integrity: ledger.Integrity
    whole: bool


def read(house: House, task: TaskRow) -> TaskRecords:
    """The records of a task; of the whole log's integrity only if theirs cannot be proved alone."""
    mark = high_water.read(house)
    with prove_log.snapshot(house):
        if high_water.fault(house, house.db, mark) is None:
            try:
                return _Reading(house, task).proved()
            except (_NotProvedError, kept_tree.MissingNodeError):
                pass
        rows = list(log.lines(house.db, task.id))
    return TaskRecords(rows, audit_log.verify_home(house, ()), whole=True)


class _NotProvedError(Exception):
    """Something is not as it should be; what, the verifier of the whole log says."""


def _demand(holds: bool) -> None:
    if not holds:
        raise _NotProvedError


class _Reading:
    def __init__(self, house: House, task: TaskRow) -> None:
        self.house = house
        self.db = house.db
        self.task = task
        self.needle = f'"task":"{task.name}"'.encode()
        self.out = segment_files.moved_out(house).size
        self.lines: dict[int, bytes] = {}
        head, note = log.head(self.db), log.newest_note(self.db)
        if head is None or note is None:
            raise _NotProvedError
        self.head, self.note = head, note

    def proved(self) -> TaskRecords:
        said = self._head()
        indexed = tree.seqs(self.db, self.task.id)
        _demand(bool(indexed))
        keys, named = tree.key_records(self.db), tree.named(self.db, self.task.id)
        end = self._searched(indexed)
        needed = sorted({0, said.size - 1, *indexed, *keys, *named})
        near = range(indexed[0] // TILE, -(-end // TILE)) if end else ()
        leaves = {tile: self._tile(tile) for tile in sorted({*kept_tree.tiles(needed, said.size), *near})}
        root = kept_tree.root(said.size, leaves, lambda level, index: tree.node(self.db, level, index))
        _demand(root == said.root)
        self._signed(keys, said)
        _demand(record.next_prev(self.lines[said.size - 1]) == self.head.prev)
        shown, noted = self._told(set(indexed))
        return TaskRecords(
            [(seq, self.lines[seq]) for seq in shown], self._verdict(said, len(shown), end, noted), False
        )

    def _told(self, indexed: set[int]) -> tuple[list[int], list[str]]:
        """The records that are the task's by what they say themselves, and where the index says otherwise."""
        said = {seq: self._task_of(self.lines[seq]) for seq in indexed if not log.is_stub(self.lines[seq])}
        others = sorted(seq for seq, task in said.items() if task not in (None, self.task.name))
        hidden = sorted(
            seq for seq, line in self.lines.items()
            if seq not in indexed and self.needle in line and self._task_of(line) == self.task.name
        )  # fmt: skip
        noted = [f"record {seq} is not the task's, though the index on tasks says so: left out" for seq in others]
        noted += [f"record {seq} is the task's, though the index on tasks does not say so: shown" for seq in hidden]
        return sorted({*said, *hidden} - {*others}), noted

    def _head(self) -> checkpoint.Checkpoint:
        """What the newest checkpoint says, if the head beside the log is the same."""
        try:
            said = checkpoint.parse(self.note)
            kept = CompactRange.from_bytes(self.head.size, self.head.subtrees)
        except ValueError as e:
            raise _NotProvedError from e
        _demand(said.size == kept.size and said.root == kept.root() and said.chain == self.house.meta["chain"])
        return said

    def _signed(self, records: list[int], said: checkpoint.Checkpoint) -> None:
        """That the key which the log's own records name for its size has signed the checkpoint."""
        keys = LogKeys()
        keys.begin(self.lines[0])
        for seq in records:
            if seq:
                keys.follow(seq, self.lines[seq])
        key = keys.at(said.size)
        _demand(keys.fault is None and keys.chain == said.chain and key in audit_log.public_keys(self.house))
        _demand(key is not None and checkpoint.signed_by(self.note, key))

    def _searched(self, indexed: list[int]) -> int:
        """Up to which record, without it, every line from the task's first one on is looked at; 0 for none."""
        end = min(indexed[0] + SPAN, self.head.size)
        return end if indexed[-1] < end else 0

    def _tile(self, tile: int) -> list[bytes]:
        rows = log.piece(self.db, tile * TILE, (tile + 1) * TILE)
        expected = range(tile * TILE, min((tile + 1) * TILE, self.head.size))
        _demand([seq for seq, _ in rows] == list(expected))
        _demand(all(seq < self.out for seq, line in rows if log.is_stub(line)))
        self.lines.update(rows)
        return [segments.leaf_of(line) for _, line in rows]

    @staticmethod
    def _task_of(line: bytes) -> str | None:
        try:
            task: str | None = record.decode(line).get("task")
        except record.RecordError as e:
            raise _NotProvedError from e
        return task

    def _verdict(self, said: checkpoint.Checkpoint, count: int, end: int, noted: list[str]) -> ledger.Integrity:
        noun = "record is" if count == 1 else "records are"
        text = f"the task's {count} {noun} in the log of {said.size} records that its key signed"
        rest = [*noted, "the log's other records (nhictl audit verify looks at all of them)"]
        if end < said.size:
            where = f"after record {end - 1}" if end else "between these"
            rest.insert(0, f"that the index on tasks leaves out no record of this one {where}")
        return ledger.Integrity(
            "VERIFIED_UNANCHORED", said.size, said.root, said.chain, None, None, text, (*rest, ledger.UNANCHORED)
        )
