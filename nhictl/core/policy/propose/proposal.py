"""The proposal as a whole: from evidence to a document that was read back and asked about every call it comes from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from nhictl.core.policy.box_file import parse_scope_file
from nhictl.core.policy.decide import decide
from nhictl.core.policy.document import parse_policy
from nhictl.core.policy.propose import build
from nhictl.core.policy.propose.catalogue import declare
from nhictl.core.policy.propose.documents import Permit, catalogue_text, conditions, count, rules_text, scope_text
from nhictl.core.policy.propose.evidence import RESOURCE
from nhictl.core.policy.propose.yaml_text import flow
from nhictl.core.policy.reading import name as read_name
from nhictl.core.policy.registry import Agent
from nhictl.core.policy.request import Request
from nhictl.core.policy.scope import scope_verdict
from nhictl.core.policy.types import ArgType
from nhictl.core.policy.yaml_events import Node
from nhictl.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from nhictl.core.policy.compiled import Policy
    from nhictl.core.policy.propose.build import Entry
    from nhictl.core.policy.propose.evidence import Call, Evidence

__all__ = ["LeftOut", "Proposal", "propose_rules", "propose_scope"]

MAX_LEFT_OUT: Final = 20
_RESOURCE: Final = ArgType("resource")
_UNTYPED: Final = ArgType("untyped")


class LeftOut:
    """Calls that the proposal does not cover, and why, with the first places."""

    __slots__ = ("calls", "places", "tool", "why")

    def __init__(self, tool: str, why: str) -> None:
        self.tool = tool
        self.why = why
        self.calls = 0
        self.places: list[str] = []

    def add(self, place: str) -> None:
        """One more."""
        self.calls += 1
        if len(self.places) < 3:
            self.places.append(place)

    def to_json(self) -> dict[str, Any]:
        """As JSON."""
        return {"tool": self.tool, "why": self.why, "calls": self.calls, "places": self.places}


class Proposal:
    """`text` is the document, `covered` of `calls` calls are allowed by it, `not_seen` says what the log did not show."""

    __slots__ = ("calls", "covered", "entries", "left_out", "not_seen", "text")

    def __init__(
        self, text: str, entries: Sequence[Entry], calls: int, left_out: list[LeftOut], not_seen: list[str]
    ) -> None:
        self.text = text
        self.entries = entries
        self.calls = calls
        self.left_out = left_out
        self.not_seen = not_seen
        self.covered = calls - sum(each.calls for each in left_out)


class _Draft:
    """Entries that can be written at all, and what is left out of them."""

    def __init__(self, evidence: Evidence, intents: Sequence[str | None], withheld: dict[str, str]) -> None:
        self.evidence = evidence
        self.intents = intents
        self.left: dict[tuple[str, str], LeftOut] = {}
        self.entries: list[Entry] = []
        self.barred: dict[tuple[str | None, str], str] = {}
        chosen = set(intents)
        for entry in build.entries(evidence):
            if entry.intent in chosen:
                why = withheld.get(entry.tool) or _unnameable(entry)
                if why is None:
                    self.entries.append(entry)
                else:
                    self.barred[entry.intent, entry.tool] = why
        self.calls = [call for call in evidence.calls if call.intent in chosen]
        for (intent, tool, why), places in sorted(evidence.unreadable.items(), key=str):
            if intent in chosen:
                for place in places:
                    self.left.setdefault((tool, why), LeftOut(tool, why)).add(place)
        self.unreadable = sum(each.calls for each in self.left.values())

    def leave(self, call: Call, why: str) -> None:
        """Note a call that the document does not cover."""
        self.left.setdefault((call.tool, why), LeftOut(call.tool, why)).add(call.place)

    def not_seen(self) -> list[str]:
        """What the log did not show, so that nobody takes the proposal for more than it is."""
        said = []
        for (intent, tool), refused in sorted(
            self.evidence.refused.items(), key=lambda item: (item[0][0] or "", item[0][1])
        ):
            if intent in self.intents:
                said.append(f"{tool}: {count(refused, 'call')} denied or never executed, so no precedent")
        used = {entry.tool for entry in self.entries} | {tool for _, tool in self.barred}
        others = sorted({tool for tool, _ in self.evidence.known} - used)
        if others:
            said.append(f"tools of the log that this was never used for: {', '.join(others)}")
        for entry in self.entries:
            never = [reading.path for reading in entry.readings if reading.given is None]
            if never:
                said.append(f"{entry.tool}: never given here: {', '.join(never)}")
        said.append("failures, other hours, other data and rare tasks that these runs did not meet")
        return said


def _unnameable(entry: Entry) -> str | None:
    """Why the language has no way to name the entry's tool or intent, None if it has."""
    try:
        read_name(Node(entry.tool, None, None), what="the tool's name")
        if entry.intent is not None:
            read_name(Node(entry.intent, None, None), what="the intent")
    except InputError as e:
        return e.message
    return "the tool's name holds `*`" if "*" in entry.tool else None


def propose_scope(
    evidence: Evidence, intent: str | None, policy: Policy | None, withheld: dict[str, str], head: Sequence[str]
) -> Proposal:
    """The narrowest scope for one intent; `policy` gives types where it declares tools, `withheld` tools and why."""
    draft = _Draft(evidence, [intent], withheld)
    written = [(entry, _box_conditions(entry, policy)) for entry in draft.entries]
    boxes = parse_scope_file("the proposal", scope_text([], written, []).encode(), policy) if written else []
    for call in draft.calls:
        verdict = scope_verdict(boxes, policy, call.tool, call.args, _resource(call))
        if not verdict.covered:
            draft.leave(call, draft.barred.get((call.intent, call.tool)) or _because(verdict.near))
    return _finish(draft, lambda tail: scope_text(head, written, tail))


def _box_conditions(entry: Entry, policy: Policy | None) -> dict[str, dict[str, Any]]:
    declared = policy.tool(entry.tool) if policy is not None else None
    if declared is None:
        return conditions(entry, lambda _, path: _RESOURCE if path == RESOURCE else _UNTYPED)
    return conditions(entry, lambda _, path: _RESOURCE if path == RESOURCE else declared.argument_type(path[5:]))


def _because(near: list[dict[str, Any]]) -> str:
    """In a few words, why a box learnt from a call does not cover it: some value has no normal form."""
    for box in near:
        for failed in box.get("failed", ()):
            return str(failed.get("invalid") or f"`{failed['fact']}` holds what no condition can read")
    return "no box names the tool"


def propose_rules(
    evidence: Evidence, intents: Sequence[str | None], withheld: dict[str, str], head: Sequence[str], *, closed: bool
) -> Proposal:
    """A complete document for some intents: catalogue and permits; `closed` declares every argument of every tool."""
    draft = _Draft(evidence, intents, withheld)
    tools: dict[str, dict[str, Any]] = {}
    for tool in sorted({entry.tool for entry in draft.entries}):
        tools[tool] = declare(evidence, tool, [e for e in draft.entries if e.tool == tool], closed=closed)
    catalogue = parse_policy([("the proposal", catalogue_text(tools).encode())])
    for entry in draft.entries:
        if entry.intent is None:
            entry.notes.append("the log states no intent, so this permits it for every intent")
    permits = _permits(draft.entries, catalogue)
    policy = parse_policy([("the proposal", rules_text([], tools, permits, []).encode())]) if permits else catalogue
    for call in draft.calls:
        why = _denied(policy, call)
        if why is not None:
            draft.leave(call, draft.barred.get((call.intent, call.tool)) or why)
    return _finish(draft, lambda tail: rules_text(head, tools, permits, tail))


def _permits(entries: Sequence[Entry], catalogue: Policy) -> list[Permit]:
    """A permit for each intent and group of tools under the same conditions."""
    groups: dict[tuple[str, str], tuple[list[Entry], dict[str, Any]]] = {}
    for entry in entries:
        when = conditions(entry, lambda tool, path: _typed(catalogue, tool, path))
        groups.setdefault((entry.intent or "", flow(when)), ([], when))[0].append(entry)
    return [Permit(at + 1, group, when) for at, (group, when) in enumerate(groups.values())]


def _typed(policy: Policy, tool: str, path: str) -> ArgType | None:
    declared = policy.tool(tool)
    if declared is None or (path == RESOURCE and declared.resource is None):
        return None
    return _RESOURCE if path == RESOURCE else declared.argument_type(path[5:])


def _denied(policy: Policy, call: Call) -> str | None:
    """Why the evaluator denies a call, None if it allows it."""
    agent = Agent("agent", "", "")
    decision = decide(policy, agent, Request(agent.name, call.tool, call.args, _resource(call), call.intent))
    return None if decision.allowed else decision.message or decision.reason


def _resource(call: Call) -> str | None:
    return call.resource if isinstance(call.resource, str) else None


def _finish(draft: _Draft, write: Callable[[list[str]], str]) -> Proposal:
    left = sorted(draft.left.values(), key=lambda each: (each.tool, each.why))
    not_seen = draft.not_seen()
    tail = []
    if left:
        tail.append("left out, and so denied:")
        tail += [f"  {e.tool}: {count(e.calls, 'call')}, {e.why} ({', '.join(e.places)})" for e in left[:MAX_LEFT_OUT]]
        if len(left) > MAX_LEFT_OUT:
            tail.append(f"  and {len(left) - MAX_LEFT_OUT} more")
    tail += ["not seen:", *(f"  {line}" for line in not_seen)]
    return Proposal(write(tail), draft.entries, len(draft.calls) + draft.unreadable, left, not_seen)
