"""`token revoke`: name what is to end; one transaction ends it, and every check begun after that refuses."""

from __future__ import annotations

from typing import Any, NamedTuple

from nhictl.core import strict_json
from nhictl.core.token import b64, compact
from nhictl.core.token.claims import still_good
from nhictl.core.token.verdict import RejectedError
from nhictl.errors import InputError, NotFoundError
from nhictl.ops import agents, tasks
from nhictl.ops.act import Act, Head, transact
from nhictl.ops.house import House
from nhictl.store import agents as agent_table
from nhictl.store import delegations, sqlite, work

SHOWN = 1000


class Selector(NamedTuple):
    """Exactly one is set: a jti, a token's text, a task id, an agent's name."""

    jti: str | None = None
    token: bytes | None = None
    task: str | None = None
    agent: str | None = None


class Revoked(NamedTuple):
    """How many live tokens ended, and the jti of the first thousand."""

    total: int
    tokens: list[str]


def revoke(
    house: House, selector: Selector, reason: str | None, *, dry_run: bool = False
) -> tuple[Revoked, Head | None]:
    """Revoke what is selected; NotFoundError (4) if nothing live matches.

    A jti or a token gets one record of its own; a task or agent is a cut-off: one write and one record with the
    count, however many tokens it ends.
    """
    if dry_run:
        with sqlite.guarded("read the tokens"):
            return _select(house, selector, still_good(house.clock()))[0], None

    def decide(act: Act) -> Revoked:
        found, single, cut = _select(act.house, selector, still_good(act.now_us))
        sealed: dict[str, Any] | None = {"reason": reason} if reason else None
        if single is not None:
            _one(act, single, found.total, sealed)
        elif cut is not None:
            kind, ref, name = cut
            task_row = ref if kind == "task" else None
            seq = act.record(
                "token.revoked", task_row=task_row, sealed=sealed, ext={"selector": kind, "count": found.total},
                **{kind: name},
            )  # fmt: skip
            work.cut_off(act.db, kind, ref, seq)
        return found

    answer, head = transact(house, decide, grants=False)
    return answer, head


def _one(act: Act, row: work.TokenRow, count: int, sealed: dict[str, Any] | None) -> None:
    task = work.task_by_id(act.db, row.task)
    agent = agent_table.by_id(act.db, task.agent) if task else None
    seq = act.record(
        "token.revoked", task_row=row.task, sealed=sealed, agent=agent.name if agent else None, inst=row.instance,
        task=task.name if task else None, jti=b64.encode(row.jti), ext={"selector": "jti", "count": count},
    )  # fmt: skip
    work.revoke(act.db, row.id, seq)


def _select(
    house: House, selector: Selector, now_s: int
) -> tuple[Revoked, work.TokenRow | None, tuple[str, int, str] | None]:
    if selector.jti is not None or selector.token is not None:
        row = _token(house, selector.jti if selector.jti is not None else _jti_of(selector.token or b""))
        below = delegations.descendants(house.db, row.id, now_s)  # they end with it: a check looks at what is above
        return Revoked(1 + len(below), [b64.encode(jti) for jti in (row.jti, *below)][:SHOWN]), row, None
    if selector.task is not None:
        task = tasks.find(house, selector.task)
        cut = ("task", task.id, task.name)
        count = work.live_tokens(house.db, agent=None, task_id=task.id, now_s=now_s)
        rows = work.live_rows(house.db, agent=None, task_id=task.id, now_s=now_s, most=SHOWN)
    else:
        agent = agents.find(house, selector.agent or "")
        cut = ("agent", agent.id, agent.name)
        count = work.live_tokens(house.db, agent=agent.id, task_id=None, now_s=now_s)
        rows = work.live_rows(house.db, agent=agent.id, task_id=None, now_s=now_s, most=SHOWN)
        held = delegations.held(house.db, agent.id, now_s)  # tasks of others, parts of which it was handed
        count, rows = count + len(held), [*rows, *held][:SHOWN]
    if not count:
        raise NotFoundError(f"{cut[0]} `{cut[2]}` has no live token", code="nothing_matched")
    return Revoked(count, [b64.encode(jti) for jti in rows]), None, cut


def _token(house: House, jti: str) -> work.TokenRow:
    try:
        row = work.token(house.db, b64.decode(jti))
    except ValueError:
        row = None
    if row is None:
        raise NotFoundError(f"no token `{jti[:64]}` was issued here", code="token_unknown", hint="nhictl token list")
    task = work.task_by_id(house.db, row.task)
    if row.revoked is not None or work.cut_at(house.db, task.agent if task else 0, row.task, row.seq) is not None:
        raise NotFoundError(f"token `{jti[:64]}` is revoked already", code="nothing_matched")
    return row


def _jti_of(token: bytes) -> str:
    """The jti a token names. It need not verify to be revoked; whoever holds it may end it."""
    try:
        _, (_, body, _) = compact.split(token)
        value = strict_json.loads(body)
    except RejectedError as e:
        raise InputError(f"not a token: {e.reason}", code=e.reason) from e
    except strict_json.StrictJSONError as e:
        raise InputError(f"not a token: {e}", code="claims_bad_json") from e
    jti = value.get("jti") if isinstance(value, dict) else None
    if not isinstance(jti, str):
        raise InputError("not a token: it names no jti", code="claim_missing:jti")
    return jti
