"""Where detections and views of authority get their steps: the home's log, or files, ours before foreign ones.

Our own records are folded in log order, and nothing is held of them. Foreign events come afterwards and are judged by
their times, since a record that imports them is later than what they tell of.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from nhictl.core.ledger import record
from nhictl.core.ledger import verify as ledger
from nhictl.core.replay import own
from nhictl.core.replay.authority.step import Step, of_event, of_record
from nhictl.errors import InputError, UnsafeError
from nhictl.ops import audit_log, log_file, replay, segment_files, sources
from nhictl.ops.contents import Contents
from nhictl.ops.house import House
from nhictl.ops.replay_files import UNSIGNED, Asked, File, Files, Keys
from nhictl.store import log, sqlite, work

if TYPE_CHECKING:
    from nhictl.core.policy.compiled import Policy
    from nhictl.core.replay.authority.step import Content


class Evidence:
    """Steps, once; when they have ended, what the sources prove (`verdict`), counts of records, and what is unproven."""

    def __init__(self, house: House, files: Files | None, below: int | None) -> None:
        self.house = house
        self.below = below
        self.unproven: list[str] = []
        self.refused: list[InputError] = []
        self._files = files
        self._counts = [0, 0, 0]
        self._verdict: ledger.Integrity | None = None
        self._ours = [file for file in files.files if file.is_native()] if files is not None else []
        self._foreign = [file for file in files.files if file not in self._ours] if files is not None else []
        self._imports: list[tuple[int, dict[str, Any]]] = []

    @property
    def second(self) -> bool:
        """Whether there is a source besides our own log: a foreign file, or one that the home imported."""
        if self._files is not None:
            return bool(self._foreign)
        with sqlite.guarded("read the log"):
            return log.any_import(self.house.db)

    def steps(self) -> Iterator[Step]:
        """Ours in log order, then foreign ones by time."""
        if self._files is None:
            yield from self._home()
        else:
            for file in self._ours:
                yield from self._native(file)
            yield from self._strangers()

    def _home(self) -> Iterator[Step]:
        self._verdict = audit_log.verify_home(self.house, ())
        if (out := segment_files.moved_out(self.house)).size:
            self.unproven.append(out.unread())
        opener = Contents(self.house)
        yield from self.records(opener.content)
        for seq, found in self._imports:
            folded = own.fold([(seq, found)], opener.content, replay.reimport)
            self.unproven += folded.unproven
            yield from (of_event(event) for event in folded.events if event.seq is None)

    def records(self, content: Content | None = None) -> Iterator[Step]:
        """The records of the home's log alone, without looking whether it verifies; without `content` no key is opened."""
        with sqlite.guarded("read the log"):
            for seq, found in self._decoded(log.lines(self.house.db, None, self.below)):
                if found["type"] == "log.imported":
                    self._imports.append((seq, found))
                yield of_record(seq, found, content)

    def _native(self, file: File) -> Iterator[Step]:
        path, name = file.source.path, file.source.name
        try:
            if str(path) == sources.STDIN:
                raise InputError("a log of ours is verified as well, which takes a file, not a pipe", code="usage")
            file.verdict = audit_log.verify_file(path, self.house, (), file.asked.keys)
            with path.open("rb") as data:
                for seq, found in self._decoded(enumerate(log_file.read_lines(data, []))):
                    yield of_record(seq, found, None, name)
        except InputError as e:
            file.refused = e

    def _strangers(self) -> Iterator[Step]:
        from nhictl.core.replay.merge import merge

        yield from (of_event(event) for event in merge([file.events() for file in self._foreign]))

    def _decoded(self, lines: Iterable[tuple[int, bytes]]) -> Iterator[tuple[int, dict[str, Any]]]:
        def failed() -> None:
            self._counts[2] += 1

        for found in record.decoded(lines, failed):
            self._counts[0] += 1
            yield found

    def close(self) -> None:
        """Work out what the sources prove; InputError if none of the files is a log."""
        if self._files is None:
            return
        self._verdict = self._files.verdict()
        self.refused = self._files.refused
        self.unproven += self._files.unproven

    @property
    def verdict(self) -> ledger.Integrity:
        """The worst of what the sources prove."""
        assert self._verdict is not None  # noqa: S101  # whoever asks has read the steps
        return self._verdict

    @property
    def exit(self) -> int:
        """The exit status of that: a foreign log proves nothing and is read all the same."""
        return 0 if self.verdict is UNSIGNED else self.verdict.exit

    def summary(self) -> dict[str, Any]:
        """The members that every answer from evidence has: `integrity`, `source`, `unproven`."""
        foreign = self._files.counts if self._files is not None else (0, 0, 0)
        counts = [mine + theirs for mine, theirs in zip(self._counts, foreign, strict=True)]
        return {
            "integrity": self.verdict.to_json(),
            "source": dict(zip(("parsed", "opaque", "failed"), counts, strict=True)),
            "unproven": list(dict.fromkeys([*self.verdict.unproven, *self.unproven])),
        }


def gather(
    house: House, paths: Sequence[str], chosen: str | None, keys: Keys = None, mapping: bytes | None = None,
    below: int | None = None,
) -> Evidence:  # fmt: skip
    """The evidence of the files, else of the home's log; `below` stops before that record of the home's."""
    files = Files(paths, Asked(house, chosen, mapping, keys, None)) if paths else None
    return Evidence(house, files, below)


class Policies:
    """Policies by digest: those given, else those that the home ever had in force; None for one that is not at hand."""

    def __init__(self, house: House, given: Sequence[tuple[str, bytes]] = (), *, home: bool = True) -> None:
        self._house = house
        self._home = home and house.exists()
        self._known: dict[str, Policy | None] = {}
        if given:
            from nhictl.core.policy.document import parse_policy

            policy = parse_policy(given)
            self._known[policy.digest] = policy

    def __call__(self, digest: str) -> Policy | None:
        """The policy of that digest."""
        if digest not in self._known:
            self._known[digest] = self._look(digest) if self._home else None
        return self._known[digest]

    def _look(self, digest: str) -> Policy | None:
        with sqlite.guarded("read the policy"):
            compiled = work.policy(self._house.db, digest)
        if compiled is None:
            return None
        from nhictl.core.policy.compiled import Policy

        policy = Policy.from_json(compiled)
        if policy.digest != digest:
            raise UnsafeError(f"the policy kept as {digest} is another one", code="store_damaged")
        return policy
