"""`agent suspend|resume|retire`: one record and one new version; checks see it from the commit on."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from nhictl.ops import agents, standing
from nhictl.ops.act import Act, Head, transact, wrong_state
from nhictl.ops.house import House
from nhictl.ops.publish_trust import spread
from nhictl.store import agents as table
from nhictl.store import cuts, svids
from nhictl.store.cuts import Cut


class Change(NamedTuple):
    """From which states a change leads where, the record it writes, and whether it gives authority back."""

    sources: frozenset[str]
    state: str
    record: str
    grants: bool


CHANGES: Final = {
    "suspend": Change(frozenset({"active"}), "suspended", "agent.suspended", grants=False),
    "resume": Change(frozenset({"suspended"}), "active", "agent.resumed", grants=True),
    "retire": Change(frozenset({"active", "suspended"}), "retired", "agent.retired", grants=False),
}


def change(house: House, name: str, verb: str, reason: str | None) -> tuple[dict[str, Any], int, Head]:
    """Carry out `verb`; returns the agent, how many live tokens it stopped or brought back, and the head.

    NotFoundError (4) for an unknown agent, ConflictError (5) if its state does not allow it. A retired agent's tokens
    are cut off as well, so that nothing could bring them back.
    """
    rule = CHANGES[verb]

    def decide(act: Act) -> tuple[dict[str, Any], int]:
        row = agents.find(act.house, name)
        if row.state not in rule.sources:
            raise wrong_state("agent", row.name, row.state)
        all_of_it = Cut("agent", row.id)
        if rule.grants:  # first, so that what it brings back is counted as live
            table.add_version(act.db, row.id, act.seq, rule.state, row.doc)
        ext = {"live_tokens": standing.count(act.house, all_of_it, act.now_us).live}
        live = ext["live_tokens"]
        if not rule.grants and (certificates := svids.live(act.db, row.id, act.now_us // 1_000_000).number):
            ext["live_svids"] = certificates  # they stay good: the record says what suspending did not end
        seq = act.record(rule.record, agent=row.name, sealed={"reason": reason} if reason else None, ext=ext)
        if not rule.grants:
            table.add_version(act.db, row.id, seq, rule.state, row.doc)
        if rule.state == "retired":
            cuts.write(act.db, all_of_it, seq)
        return agents.to_json(act.house, agents.find(act.house, row.name), act.now_us), live

    (agent, live), head = transact(house, decide, grants=rule.grants)
    spread(house)
    return agent, live, head
