"""One thing that happened, whoever recorded it: the row that every replay view is made from."""

from __future__ import annotations

from typing import Any, Final

FIELDS: Final = (
    "n", "time", "run", "agent", "task", "span", "parent", "type", "tool", "call", "args", "result", "outcome",
    "decision", "evidence",
)  # fmt: skip
"""The contract's fields, in its order; always present in JSON, null where unknown."""

ADDITIONS: Final = (
    "content", "error", "intent", "principal", "resource", "seq", "jti", "inst", "trace", "op", "scope", "delegation",
    "parent_delegation", "ended", "ended_seq", "joined", "source", "ext",
)  # fmt: skip
"""What else may be known, after the fields; left out of JSON where it is not."""


class Event:
    """One event. Values are those of the evidence, types kept; None means that the evidence does not say.

    - `n`: number of the call within its `run`, from 0 in the order of request; None unless `type` is `tool.called`.
    - `time`: RFC 3339 text in UTC; never made up.
    - `span`, `parent`: ids within `run`, giving the causal tree; a parent may be missing from the events.
    - `outcome`: `ok`, `error`, `denied`, `not_executed`, `unknown`.
    - `evidence`: `recorded`, `imported` or `claimed`.
    - `content`: a message or prompt exactly as given; `has_content` tells a given null from nothing given.
    - `seq`, `jti`, `inst`, `trace`, `op`, `scope`, `delegation`, `parent_delegation`: of our own records;
      `ended`, `ended_seq`: time and number of the record that brought the result.
    - `joined`: the acts of other sources that are this one, as `core.replay.join` found them.
    - `source`: where in a foreign file it stands; `ext`: what has no field of its own, never used to decide.
    """

    __slots__ = (*FIELDS, *ADDITIONS, "has_content")

    def __init__(
        self,
        type: str,  # noqa: A002 - the field's name in the contract
        *,
        evidence: str,
        n: int | None = None,
        time: str | None = None,
        run: str | None = None,
        agent: str | None = None,
        task: str | None = None,
        span: str | None = None,
        parent: str | None = None,
        tool: str | None = None,
        call: Any = None,
        args: Any = None,
        result: Any = None,
        outcome: str | None = None,
        decision: dict[str, Any] | None = None,
        source: dict[str, Any] | None = None,
        ext: dict[str, Any] | None = None,
    ) -> None:
        self.n = n
        self.time = time
        self.run = run
        self.agent = agent
        self.task = task
        self.span = span
        self.parent = parent
        self.type = type
        self.tool = tool
        self.call = call
        self.args = args
        self.result = result
        self.outcome = outcome
        self.decision = decision
        self.evidence = evidence
        self.source = source
        self.ext = ext
        self.content: Any = None
        self.has_content = False
        self.error: Any = None
        self.intent: str | None = None
        self.principal: Any = None
        self.resource: Any = None
        self.seq: int | None = None
        self.jti: str | None = None
        self.inst: str | None = None
        self.trace: str | None = None
        self.op: str | None = None
        self.scope: str | None = None
        self.delegation: str | None = None
        self.parent_delegation: str | None = None
        self.ended: str | None = None
        self.ended_seq: int | None = None
        self.joined: list[dict[str, Any]] | None = None

    def set_content(self, value: Any) -> None:
        """Keep a message's content as given, null included."""
        self.content = value
        self.has_content = True

    def to_json(self) -> dict[str, Any]:
        """The 15 fields in the contract's order, then the additions that are known."""
        made = {name: getattr(self, name) for name in FIELDS}
        for name in ADDITIONS:
            value = getattr(self, name)
            if value is not None or (name == "content" and self.has_content):
                made[name] = value
        return made

    def __repr__(self) -> str:
        return f"Event({self.type!r}, run={self.run!r}, n={self.n!r}, tool={self.tool!r}, outcome={self.outcome!r})"


def summary(events: list[Event]) -> dict[str, Any]:
    """Counts: events, calls, runs, and by type, outcome and agent with names sorted, those unknown left out."""
    counts: dict[str, dict[str, int]] = {"types": {}, "outcomes": {}, "agents": {}}
    runs: set[str | None] = set()
    calls = 0
    for event in events:
        runs.add(event.run)
        calls += event.n is not None
        for kind, name in (("types", event.type), ("outcomes", event.outcome), ("agents", event.agent)):
            if name is not None:
                counts[kind][name] = counts[kind].get(name, 0) + 1
    named = {kind: dict(sorted(found.items())) for kind, found in counts.items()}
    return {"events": len(events), "calls": calls, "runs": len(runs - {None}), **named}
