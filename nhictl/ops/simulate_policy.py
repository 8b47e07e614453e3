"""`policy simulate`: what another policy would have decided about the calls of a log. Never writes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from nhictl.core.ledger import record
from nhictl.core.policy.compiled import Policy
from nhictl.core.policy.document import parse_policy
from nhictl.core.policy.registry import Agent, Registry, parse_agents
from nhictl.core.policy.side import Side
from nhictl.core.policy.simulate import CLASSES, Row, Simulation
from nhictl.core.replay import own
from nhictl.core.replay.event import Event
from nhictl.errors import InputError
from nhictl.ops import agents, audit_log, contents, high_water, log_file, policies, replay, sources
from nhictl.ops.house import House
from nhictl.store import agents as agent_table
from nhictl.store import log, sqlite

__all__ = ["CLASSES", "FAILING", "Row", "Simulated", "simulate"]

Files = Sequence[tuple[str, bytes]]
FAILING = ("gained", "revoked")
_HEAD = 4096


class Simulated:
    """A simulation under way: read `rows` to the end, then the counts, verdicts and refused files are those of all of it."""

    def __init__(self, house: House, paths: Sequence[str], chosen: str | None, found: Simulation) -> None:
        self.house = house
        self.paths = paths
        self.chosen = chosen
        self.simulation = found
        self.counts: Counter[str] = Counter()
        self.groups: dict[str, dict[str, Counter[str]]] = {name: {} for name in ("agent", "tool", "class", "rule")}
        self.prevented = self.taken = 0
        self.refused: list[InputError] = []
        self.integrity: list[dict[str, Any]] = []

    def rows(self) -> Iterator[tuple[str | None, Row]]:
        """Every call in the order of the log, with the file it stands in (None: the home's own log)."""
        for name, events in self._batches():
            for row in self.simulation.batch(events):
                self._count(row)
                yield name, row
        if self.refused and not self.taken:
            first = self.refused[0]
            message = (
                first.message
                if len(self.refused) == 1
                else f"none of {len(self.refused)} files is a log: {first.message}"
            )
            raise InputError(message, code=first.code, hint=first.hint)

    def _count(self, row: Row) -> None:
        self.counts[row.change] += 1
        self.prevented += row.prevented_by is not None
        rules = row.rules if row.new != "unknown" or row.rules else row.old_rules
        named = {
            "agent": [row.event.agent], "tool": [row.event.tool], "class": row.classes,
            "rule": dict.fromkeys([*rules, *row.old_rules]),
        }  # fmt: skip
        for kind, names in named.items():
            groups = self.groups[kind]
            for name in names:
                if isinstance(name, str):
                    groups.setdefault(name, Counter())[row.change] += 1

    def _batches(self) -> Iterator[tuple[str | None, list[Event]]]:
        if not self.paths:
            yield from ((None, [event]) for event in self._home())
            return
        for source in sources.find(self.paths):
            try:
                if self.chosen in (None, "nhictl") and sources.is_native(_head(source)):
                    found = audit_log.verify_file(source.path, self.house, (), None)
                    self.taken += 1
                    self._judge(source.name, found.verdict, found.exit)
                    yield from ((source.name, [event]) for event in _exported(source, self.simulation.returned))
                else:
                    made = sources.interpret(source, sources.read(source), self.chosen)
                    self.taken += 1
                    yield source.name, made.events
                    self.simulation.forget(source.run)
            except InputError as e:
                self.refused.append(e)

    def _home(self) -> Iterator[Event]:
        found = audit_log.verify_home(self.house, ())
        self._judge(None, found.verdict, found.exit)
        opener = contents.Contents(self.house)
        with sqlite.guarded("read the log"):
            yield from own.stream(
                record.decoded(log.lines(self.house.db)), opener.content, replay.reimport, self.simulation.returned
            )

    def _judge(self, name: str | None, verdict: str, code: int) -> None:
        self.integrity.append({"file": name, "verdict": verdict, "exit": code})

    def exit(self, fail_on: str | None) -> int:
        """1 if what was asked about happens or the evidence is altered, 3 if that is undecided, 2 for a refused file."""
        if fail_on is not None and self.counts[fail_on]:
            return 1
        if any(one["exit"] == 1 for one in self.integrity):
            return 1
        if self.refused:
            return 2
        open_ = self.counts[f"maybe_{fail_on}"] + self.counts["unknown"] + self.counts["error"]
        return 3 if fail_on is not None and open_ else 0

    def to_json(self) -> dict[str, Any]:
        """The summary: how many calls of each class, by group as well, and what it rests on."""
        made: dict[str, Any] = {"events": self.counts.total(), **{name: self.counts[name] for name in CLASSES}}
        made["prevented"] = self.prevented
        made["groups"] = {
            kind: [{kind: name, **{c: counts[c] for c in CLASSES if counts[c]}} for name, counts in sorted(groups.items())]
            for kind, groups in self.groups.items()
        }  # fmt: skip
        old = self.simulation.old
        made["policy"] = {"old": "recorded" if old is None else old.digest, "new": self.simulation.new.digest}
        if self.simulation.unregistered:
            made["unregistered"] = sorted(self.simulation.unregistered)
        if self.integrity:
            made["integrity"] = [{k: v for k, v in one.items() if k != "exit"} for one in self.integrity]
        if self.refused:
            made["refused"] = [{"message": e.message, **e.details} for e in self.refused]
        return made


def simulate(
    house: House,
    logs: Sequence[str],
    chosen: str | None,
    new: Files,
    old: Files | None,
    registry: tuple[str, bytes] | None,
    *,
    recorded: bool,
    assume: bool,
) -> Simulated:
    """Set a simulation up. Without `logs` the home's log; without `old` or `recorded` its policy in force; without a
    registry or `assume` its agents. InputError where there is no home to stand in for what is not given.
    """
    if not logs:
        _need(house, "name logs: --log FILE")
    found = parse_policy(new)
    before = None if recorded else Side(parse_policy(old) if old is not None else _in_force(house))
    find = _finder(house, registry, assume=assume, own_log=not logs)
    return Simulated(house, logs, chosen, Simulation(before, Side(found), find, assume=assume))


def _in_force(house: House) -> Policy | None:
    _need(house, "say what to compare with: --old FILE, or --recorded")
    high_water.refuse_put_back(house)
    return policies.active(house)


def _need(house: House, hint: str) -> None:
    if not house.exists():
        raise InputError(f"there is no home at {house.home}", code="usage", hint=hint)


def _finder(
    house: House, registry: tuple[str, bytes] | None, *, assume: bool, own_log: bool
) -> Callable[[str, int | None], Agent | None]:
    if assume:
        return lambda _name, _seq: None
    if registry is not None:
        known = Registry(parse_agents(*registry))
        return lambda name, _seq: known.find(name)
    _need(house, "say who the agents are: --registry FILE, or --assume-registered")
    return _HomeAgents(house, own=own_log).find


class _HomeAgents:
    """The home's agents: for records of its own log as they were registered then, for all others as they are now."""

    def __init__(self, house: House, *, own: bool) -> None:
        self.house = house
        self.own = own
        self.known: dict[tuple[str, bool], Agent | None] = {}
        self.changes: list[int] | None = None

    def find(self, name: str, seq: int | None) -> Agent | None:
        """The agent, looked up again only once one of them changed."""
        below = seq if seq is not None and self.own else agent_table.LATEST
        with sqlite.guarded("read the agents"):
            if self.changes is None:
                self.changes = agent_table.changes(self.house.db)
            if below != agent_table.LATEST and self.changes and self.changes[-1] < below:
                while self.changes and self.changes[-1] < below:
                    self.changes.pop()
                self.known.clear()
            key = (name, below == agent_table.LATEST)
            if key not in self.known:
                row = agents.known_as(self.house, name, below)
                self.known[key] = policies.agent_facts(row) if row is not None else None
        return self.known[key]


def _head(source: sources.Source) -> bytes:
    try:
        with source.path.open("rb") as file:
            return file.read(_HEAD)
    except OSError as e:
        raise InputError(f"cannot read `{source.path}`: {(e.strerror or str(e)).lower()}", code="unreadable") from e


def _exported(source: sources.Source, returned: Callable[[Event], None]) -> Iterator[Event]:
    with source.path.open("rb") as file:
        yield from own.stream(
            record.decoded(enumerate(log_file.read_lines(file, []))), lambda _seq, _label: None, returned=returned
        )
