"""Ordinary work, as an authority that does its duty would record it: nothing here should alarm anybody."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

from nhictl.core.replay.authority.step import Step, of_record
from tests.core.replay.synthetic import SCOPE, USER, Log

NARROW = [{"tools": ["crm.*"]}, {"tools": ["pay.send"], "when": {"args.amount": {"lte": 900}}}]
CHILD = [{"tools": ["crm.read"], "resource": "s3://crm"}]


def ordinary(tasks: int, seed: int = 7) -> Iterator[Step]:
    """The steps of so many tasks of many agents, one after another as calls go; held one task at a time."""
    for seq, one, log in _played(tasks, seed):
        yield of_record(seq, one, log.content)


def records(tasks: int, seed: int = 7) -> Iterator[dict[str, Any]]:
    """The same as records, without their content."""
    return (one for _, one, _ in _played(tasks, seed))


def _played(tasks: int, seed: int) -> Iterator[tuple[int, dict[str, Any], Log]]:
    rng = random.Random(seed)
    log = Log()
    for number in range(50):
        log.add("agent.registered", agent=f"bot-{number}", ext={"owner": "o", "env": "prod", "trust": 2, "groups": []})
    done = 0
    for number in range(tasks):
        _task(log, rng, number)
        for seq in range(done, len(log.records)):
            yield seq, log.records[seq], log
            log.records[seq] = {}
        done = len(log.records)
        log.contents = {}


def _task(log: Log, rng: random.Random, number: int) -> None:
    agent, task, jti = f"bot-{number % 50}", f"t-{number}", f"j-{number}"
    log.at += rng.random() * 20
    wide = rng.random() < 0.3
    log.task(
        task,
        agent,
        SCOPE if wide else [{"tools": ["crm.*"]}, {"tools": ["pay.send"], "when": {"args.amount": {"lte": 900}}}],
    )
    log.token(jti, task, agent, ttl=600)
    log.add("message.added", task=task, agent=agent, content={"prompt": f"handle customer {number}"})
    for turn in range(rng.randrange(1, 3)):
        if rng.random() < 0.05:  # the token ran out: the next one goes on where it was refused
            log.at += 700
            log.use(effect="deny", reason="token_expired", task=task, agent=agent, jti=jti, res=f"s3://crm/{number}")
            jti = f"{jti}-{turn}"
            log.token(jti, task, agent, ttl=600)
        _turn(log, rng, number, turn, agent, task, jti)
        log.at += 25 + rng.random() * 30
    log.end(task, "task.killed" if rng.random() < 0.02 else "task.closed")


def _turn(log: Log, rng: random.Random, number: int, turn: int, agent: str, task: str, jti: str) -> None:
    kind, held = rng.random(), {"task": task, "agent": agent, "jti": jti}
    if kind < 0.6:
        call = f"c-{number}-{turn}-{kind:.6f}"
        tool = "crm.write" if kind < 0.1 else "crm.read"
        log.call(call, tool=tool, res=f"s3://crm/{number}", args={"query": f"q{turn}"}, **held)
        log.add(
            "tool.returned",
            task=task,
            agent=agent,
            tool=tool,
            call=call,
            content={"result": f"customer {number} of {turn}"},
        )
    elif kind < 0.75:
        log.use("pay.send", {"amount": rng.randrange(1, 100)}, ext={"guardrails": ["G-1"]}, **held)
    elif kind < 0.85:
        request = f"a-{number}-{turn}"
        args = {"amount": rng.randrange(200, 900)}
        log.use("pay.send", args, effect="deny", reason="approval_required", **held)
        log.add(
            "approval.requested",
            task=task,
            agent=agent,
            tool="pay.send",
            ext={"request": request},
            content={"args": args},
        )
        log.at += 30
        log.add("approval.granted", task=task, agent=agent, tool="pay.send", actor={**USER, "id": "uid:2000"},
                ext={"request": request, "signed": True, "approver": "cfo"})  # fmt: skip
        log.use("pay.send", args, ext={"approvals": [request]}, **held)
    elif kind < 0.95:
        child, other = f"{jti}-d{turn}", f"bot-{(number + 1) % 50}"
        log.child(child, jti, [other], CHILD, task=task)
        log.use("crm.read", {"query": "d"}, res=f"s3://crm/{number}", task=task, agent=other, jti=child)
    else:
        log.use("crm.read", {"query": 5}, effect="deny", reason="invalid_request", res=f"s3://crm/n{number}", **held)
