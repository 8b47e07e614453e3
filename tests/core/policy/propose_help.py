"""Short forms for tests of proposals: events by hand, and what is proposed from them, judged by the evaluator."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from nhictl.core.policy.box import scope_verdict
from nhictl.core.policy.box_file import parse_scope_file
from nhictl.core.policy.decide import decide
from nhictl.core.policy.document import parse_policy
from nhictl.core.policy.propose.build import Entry, entries
from nhictl.core.policy.propose.collect import collect
from nhictl.core.policy.propose.evidence import Evidence
from nhictl.core.policy.propose.proposal import Proposal, propose_rules, propose_scope
from nhictl.core.policy.registry import Agent
from nhictl.core.policy.request import Request
from nhictl.core.replay.event import Event

INTENT = "work"


def call(tool: str, args: Any, *, run: str = "r0", n: int = 0, intent: str | None = INTENT, result: Any = None,
         outcome: str = "ok", resource: str | None = None) -> Event:  # fmt: skip
    """One call as an importer hands it over."""
    made = Event("tool.called", evidence="imported", n=n, run=run, agent=f"agent of {run}", tool=tool, args=args,
                 result=result, outcome=outcome)  # fmt: skip
    made.intent = intent
    made.resource = resource
    return made


def asked(text: str, run: str = "r0") -> Event:
    """What the person said in a run."""
    made = Event("message.user", evidence="imported", run=run)
    made.set_content([{"type": "text", "text": text}])
    return made


def runs(tool: str, *given: dict[str, Any], prompt: str | None = None) -> list[Event]:
    """One run for each set of arguments."""
    made = []
    for number, args in enumerate(given):
        run = f"r{number}"
        made += [asked(prompt, run)] if prompt is not None else []
        made.append(call(tool, args, run=run))
    return made


def entry(events: Iterable[Event], tool: str | None = None, intent: str = INTENT) -> Entry:
    """The one entry of an intent, or that of `tool`."""
    found = [e for e in entries(collect(list(events))) if e.intent == intent and tool in (None, e.tool)]
    assert len(found) == 1
    return found[0]


def when(events: Iterable[Event], tool: str | None = None) -> dict[str, Any]:
    """The conditions proposed."""
    return entry(events, tool).when


def scope(events: Iterable[Event] | Evidence, intent: str | None = INTENT) -> Proposal:
    """The proposed scope."""
    evidence = events if isinstance(events, Evidence) else collect(list(events))
    return propose_scope(evidence, intent, None, {}, [])


def rules(events: Iterable[Event] | Evidence, *, closed: bool = False) -> Proposal:
    """The proposed rules for all intents."""
    evidence = events if isinstance(events, Evidence) else collect(list(events))
    intents = sorted({intent for intent, _ in evidence.usage}, key=lambda intent: intent or "")
    return propose_rules(evidence, intents, {}, [], closed=closed)


def in_scope(made: Proposal, tool: str, args: Any) -> bool:
    """Whether the evaluator finds a call inside the proposed scope."""
    return scope_verdict(parse_scope_file("scope", made.text.encode()), None, tool, args).covered


def permitted(made: Proposal, tool: str, args: Any, intent: str | None = INTENT) -> bool:
    """Whether the evaluator permits a call under the proposed rules."""
    policy = parse_policy([("rules", made.text.encode())])
    return decide(policy, Agent("a", "o", "p"), Request("a", tool, args, None, intent)).allowed
