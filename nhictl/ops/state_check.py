"""Whether the home's state tables say what its log says: the fold of the records against every row, in both directions.

The tables answer checks, the log is what is signed. Whoever writes in the tables by hand, to bring a token back to life or
to widen a task, changes nothing in the log, and shows here.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from hashlib import sha256
from typing import Any, Final, NamedTuple

from nhictl.core.ledger import content
from nhictl.core.replay.authority.fold import Authority
from nhictl.core.token import b64
from nhictl.ops import tokens
from nhictl.ops.evidence import Evidence, gather
from nhictl.ops.house import House
from nhictl.store import agents as agent_table
from nhictl.store import delegations, freezes, log, sqlite, work

SHOWN: Final = 20


class Held(NamedTuple):
    """How many rows were held against the log, the first differences in words, and why it could not be told, if so."""

    rows: int
    differences: list[str]
    unknown: str | None

    def to_json(self) -> dict[str, Any]:
        """As `state` in `nhictl.integrity/v1`."""
        state = "unknown" if self.unknown is not None else "differs" if self.differences else "agrees"
        return {"state": state, "rows": self.rows, "differences": self.differences, "unknown": self.unknown}


def hold(house: House) -> Held:
    """Fold the log and compare. Of differences the first twenty are named; only a whole log can be compared."""
    evidence = gather(house, (), None)
    world = Authority()
    with sqlite.guarded("read the state"):
        house.db.execute("BEGIN")  # one view of log and tables
        try:
            _fold(evidence, world)
            if not world.whole:
                return Held(0, [], "the first records were moved out of the log")
            rows = 0
            said: list[str] = []
            for found in _compare(house, world):
                rows += found is None
                if found is not None and len(said) < SHOWN:
                    said.append(found)
            return Held(rows, said, None)
        finally:
            house.db.execute("COMMIT")


def _fold(evidence: Evidence, world: Authority) -> None:
    for step in evidence.records():
        world.take(step)


def _compare(house: House, world: Authority) -> Iterator[str | None]:
    """None for each row that agrees, words for each that does not."""
    yield from _agents(house, world)
    yield from _tasks(house, world)
    yield from _tokens(house, world)
    digest = work.active_digest(house.db)
    yield _same("the policy in force", digest, world.policy[0] if world.policy else None)
    held = sorted((one.kind, one.value) for one in freezes.in_force(house.db))
    yield _same("what is frozen", held, sorted(world.freezes))
    for use in ("token", "x509"):
        states = {key.kid: key.state for key in agent_table.keys(house.db, use)}
        for kid, state in states.items():
            yield _same(f"the state of key `{kid}`", state, _key_state(world, kid, use))


def _same(what: str, table: Any, log: Any) -> str | None:
    return None if table == log else f"{what}: the table says {_word(table)}, the log {_word(log)}"


def _word(value: Any) -> str:
    return "nothing" if value is None else f"`{str(value)[:120]}`"


def _key_state(world: Authority, kid: str, use: str) -> str | None:
    found = world.keys.get(kid)
    words = {"activated": "active"}
    state = found[0].removeprefix(f"{use} ") if found is not None else None
    return words.get(state, state) if state is not None else None


def _agents(house: House, world: Authority) -> Iterator[str | None]:
    rows = {row.name: row for row in agent_table.everyone(house.db)}
    for name in sorted(world.agents.keys() - rows.keys()):
        yield f"agent `{name}`: the log registers it, the table does not have it"
    for name, row in rows.items():
        agent = world.agents.get(name)
        if agent is None:
            yield f"agent `{name}`: no record registers it"
            continue
        yield _same(f"the state of agent `{name}`", row.state, agent.state)
        doc = json.loads(row.doc)
        yield _same(f"the expiry of agent `{name}`", doc["expires_us"], agent.expires_us)
        for key in ("owner", "env", "trust", "groups", "labels", "attested"):
            yield _same(f"`{key}` of agent `{name}`", doc.get(key), agent.attrs.get(key))
        yield _same(f"the key of agent `{name}`", doc.get("kid"), agent.keys[-1] if agent.keys else None)


def _tasks(house: House, world: Authority) -> Iterator[str | None]:
    rows = {row.name: row for row in work.tasks(house.db)}
    for name in world.tasks.keys() - rows.keys():
        yield f"task `{name}`: the log opens it, the table does not have it"
    for name, row in rows.items():
        task = world.tasks.get(name)
        if task is None:
            yield f"task `{name}`: no record opens it"
            continue
        doc = json.loads(row.doc)
        yield _same(f"the end of task `{name}`", row.ended, task.ended.seq if task.ended is not None else None)
        yield _same(f"the state of task `{name}`", row.outcome or "open", task.state)
        yield _same(f"the deadline of task `{name}`", doc["deadline_us"], task.deadline_us)
        yield _same(f"the instance of task `{name}`", row.instance, task.inst)
        if not log.is_erased(house.db, row.id):  # an erased task has no scope left to compare
            yield _same(f"the scope of task `{name}`", _digest(doc["scope"]), task.digest)


def _digest(scope: Any) -> str:
    return "sha256:" + sha256(content.canonical(scope)).hexdigest()


def _tokens(house: House, world: Authority) -> Iterator[str | None]:
    """Tokens that expired may have been let go of; a row without its record is what cannot be."""
    names = {row.id: row.name for row in work.tasks(house.db)}
    for row in work.tokens(house.db):
        jti = b64.encode(row.jti)
        token = world.tokens.get(jti)
        if token is None:
            yield f"token `{jti}`: no record issues it"
            continue
        yield _same(f"the task of token `{jti}`", names.get(row.task), token.task)
        yield _same(f"the instance of token `{jti}`", row.instance, token.inst)
        yield _same(f"the expiry of token `{jti}`", row.expires * 1_000_000, token.expires_us)
        yield _same(f"the digest of token `{jti}`", "sha256:" + row.digest.hex(), token.digest)
        links, root = delegations.chain(house.db, row.id)
        above = (links[1].jti if len(links) > 1 else root.jti) if root is not None else None
        yield _same(f"the parent of token `{jti}`", b64.encode(above) if above is not None else None, token.parent)
        if root is None and not world.hidden_cuts:
            ended = tokens.ended_by(house, row) is not None
            yield _same(f"whether token `{jti}` was revoked", ended, world.revocation(token) is not None)
