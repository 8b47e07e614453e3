"""`policy propose`: a scope or rules learnt from logs, for people to review; writes nothing and activates nothing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from nhictl.core.policy.document import parse_policy
from nhictl.core.policy.propose.collect import collect
from nhictl.core.policy.propose.documents import count
from nhictl.core.policy.propose.evidence import Evidence
from nhictl.core.policy.propose.proposal import Proposal, propose_rules, propose_scope
from nhictl.errors import InputError, NotFoundError
from nhictl.ops import policies, replay
from nhictl.ops.house import House

if TYPE_CHECKING:
    from nhictl.core.policy.compiled import Policy
    from nhictl.core.replay.event import Event

SHOWN = 8


class Wanted(NamedTuple):
    """What to learn from and what to write: `kind` is `scope` or `rules`, `runs` is `A..B` by name or number from 1."""

    paths: Sequence[str]
    format: str | None = None
    intent: str | None = None
    runs: str | None = None
    kind: str = "scope"
    closed: bool = False


class Proposed(NamedTuple):
    """The proposal, the intents it is for, and what the logs prove and leave open."""

    proposal: Proposal
    intents: list[str | None]
    story: replay.Story


def propose(house: House, wanted: Wanted, files: Sequence[tuple[str, bytes]]) -> Proposed:
    """Learn from logs, or the home's own; tools that `files`, or else the policy in force, call high-impact are withheld.

    NotFoundError (4) if no call fits; InputError (2) if a scope is wanted of several intents.
    """
    story = story_of(house, wanted)
    evidence = collect(story.events)
    found = {intent: None for intent, _ in evidence.usage} | {intent: None for intent, _, _ in evidence.unreadable}
    intents: list[str | None] = sorted(found, key=lambda intent: intent or "")
    if wanted.intent is not None:
        intents = [intent for intent in intents if intent == wanted.intent]
    if not intents:
        raise NotFoundError("the log shows no call that was allowed", hint="look at it with `nhictl audit replay`")
    policy = _policy(house, files)
    withheld = high_impact(policy)
    head = _head(story, evidence, intents)
    if wanted.kind == "rules":
        made = propose_rules(evidence, intents, withheld, head, closed=wanted.closed)
    elif len(intents) > 1:
        names = ", ".join(str(intent) for intent in intents[:SHOWN]) + (", …" if len(intents) > SHOWN else "")
        raise InputError(
            f"a scope is for one intent, and the log has {len(intents)}", code="usage", hint=f"--intent, one of {names}"
        )
    else:
        made = propose_scope(evidence, intents[0], policy, withheld, head)
    if not made.entries:
        raise NotFoundError(
            f"nothing can be proposed: {made.left_out[0].tool}: {made.left_out[0].why}", code="nothing_to_propose"
        )
    return Proposed(made, intents, story)


def story_of(house: House, wanted: Wanted) -> replay.Story:
    """What the logs, or without any the home's own, tell of the runs that are wanted."""
    if wanted.paths:
        story = replay.from_files(house, wanted.paths, wanted.format, replay.Filter())
    else:
        story = replay.from_home(house, replay.Filter())
    return story._replace(events=among(story.events, wanted.runs))


def among(events: list[Event], runs: str | None) -> list[Event]:
    """The events of the runs from A to B, both included, in the order in which runs begin; an open end has no bound."""
    if runs is None:
        return events
    order = list(dict.fromkeys(event.run for event in events if event.run is not None))
    first, dots, last = runs.partition("..")
    if not dots:
        first = last = runs
    low, high = _place(order, first, 0), _place(order, last, len(order) - 1)
    chosen = set(order[low : high + 1])
    return [event for event in events if event.run in chosen]


def _place(order: list[str], text: str, default: int) -> int:
    if not text:
        return default
    if text in order:
        return order.index(text)
    if text.isascii() and text.isdigit() and len(text) < 10 and 0 < int(text) <= len(order):
        return int(text) - 1
    raise NotFoundError(f"the log has no run `{text}`", hint=f"a name, or a number from 1 to {len(order)}")


def _policy(house: House, files: Sequence[tuple[str, bytes]]) -> Policy | None:
    if files:
        return parse_policy(files)
    return policies.active(house) if house.exists() else None


def high_impact(policy: Policy | None) -> dict[str, str]:
    """Tools of high-impact classes, and why no proposal opens them."""
    classes = policy.form.get("classes", {}) if policy is not None else {}
    return {
        tool: f"class `{name}` has high impact: a guardrail or an approval has to open it"
        for name, form in sorted(classes.items())
        if form.get("impact") == "high"
        for tool in form["tools"]
    }


def _head(story: replay.Story, evidence: Evidence, intents: Sequence[str | None]) -> list[str]:
    names = ", ".join(str(intent) for intent in intents[:SHOWN]) + (", …" if len(intents) > SHOWN else "")
    calls = sum(call.intent in intents for call in evidence.calls)
    runs = len({call.run for call in evidence.calls if call.intent in intents})
    return [
        f"PROPOSAL for {names if intents != [None] else 'no stated intent'}: review it; nothing is in force",
        f"learnt from {count(calls, 'call')} in {count(runs, 'run')}; the log's verdict: {story.integrity['verdict']}",
    ]


def to_json(found: Proposed, kind: str) -> dict[str, Any]:
    """The proposal as JSON, without its schema."""
    made = found.proposal
    return {
        "as": kind,
        "intents": found.intents,
        "text": made.text,
        "calls": made.calls,
        "covered": made.covered,
        "entries": [entry.to_json() for entry in made.entries],
        "left_out": [each.to_json() for each in made.left_out],
        "not_seen": made.not_seen,
        "integrity": found.story.integrity,
        "source": dict(zip(("parsed", "opaque", "failed"), found.story.counts, strict=True)),
        "unproven": found.story.unproven,
    }
