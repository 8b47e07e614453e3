"""`token issue`: one token of one profile for one task, one instance, one audience, never outliving the task."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from hashlib import sha256
from typing import Any, Final, NamedTuple

from nhictl.core import strict_json, times
from nhictl.core.identity import spiffe
from nhictl.core.token import b64, jws, profile
from nhictl.errors import ConflictError, InputError, UnsafeError
from nhictl.ops import agents, binding, instances, status_entries, tasks
from nhictl.ops.act import Act, Head, transact, wrong_state
from nhictl.ops.house import House
from nhictl.ops.reading import check_audience
from nhictl.store import agents as agent_table
from nhictl.store import docs, issue, sqlite, status, work

MAX_USES: Final = 1_000_000


class Issued(NamedTuple):
    """An issued token: its text leaves the process only after its record is durable."""

    token: str
    jti: str
    task: str
    expires: str


def signing_key(house: House, *, remembered: bool = False) -> tuple[agent_table.KeyRow, Any]:
    """The active token key, opened before the lock is taken; ConflictError (5) if there is none.

    `remembered` may be the one that was active at last, for who asks again without where it is found to be another.
    """
    if remembered and (found := house.active.get("token")) is not None:
        return found  # type: ignore[no-any-return]
    with sqlite.guarded("read the signing keys"):
        row = agent_table.active_key(house.db, "token")
        if row is None:
            ready = [each.kid for each in agent_table.keys(house.db, "token") if each.state == "prepared"]
            raise ConflictError(
                "no key is active that signs tokens", code="no_token_key",
                hint=f"nhictl key activate {ready[0]}" if ready else "nhictl key prepare, then nhictl key activate KID",
            )  # fmt: skip
    house.active["token"] = row, house.opened(row, jws.private_from_bytes)
    return house.active["token"]  # type: ignore[no-any-return]


def issue_token(
    house: House, task: str, audience: str, *, ttl_s: int | None = None, instance: str | None = None,
    uses: int | None = None, kind: str = profile.AT_JWT, bind: binding.Bound | None = None,
) -> tuple[Issued, Head]:  # fmt: skip
    """Issue a token of profile `kind` and return it with the log head after its record.

    NotFoundError (4) for an unknown task; ConflictError (5) for an ended task, an inactive or frozen agent, another or
    a suspended instance, or a spent token budget. The life is cut at the task's deadline and at the agent's expiry,
    so that a verifier far away, who sees the token alone, does not trust an agent longer than we do. `bind` is the
    key it is bound to, or `agent` for the agent's own.
    """

    def once(remembered: bool) -> tuple[Issued, Head]:
        decide = issuing(house, audience, ttl_s, instance, uses, kind, bind, remembered=remembered)
        return transact(house, partial(decide, task))

    try:
        return once(remembered=True)
    except (ConflictError, UnsafeError) as e:
        if e.code == "lease_lost":
            from nhictl.ops import leases

            leases.notice(house, tasks.find(house, task).id)
        if e.code not in ("key_changed", "clock_regressed"):
            raise
    return once(remembered=False)  # the key of now signs, or there is none, whatever this process remembers


def issuing(
    house: House, audience: str, ttl_s: int | None = None, instance: str | None = None, uses: int | None = None,
    kind: str = profile.AT_JWT, bind: binding.Bound | None = None, *, remembered: bool = False,
) -> Callable[[str, Act], Issued]:  # fmt: skip
    """The part of an act that issues a token for a task, with the signing key opened now (or `remembered`); InputError (2)
    for no token.
    """
    check_audience(audience)
    longest = profile.MAX_TTL_S[profile.known(kind)] if bind is None else profile.MAX_BOUND_TTL_S
    if bind is not None and kind != profile.AT_JWT:
        raise InputError(f"a token of profile {kind} is bound to no key", code="usage")
    if ttl_s is not None and not 1 <= ttl_s <= longest:
        raise InputError(f"a token of profile {kind} lives 1 to {longest} s", code="invalid_ttl")
    if uses is not None and not 1 <= uses <= MAX_USES:
        raise InputError(f"--uses {uses} is not 1 to {MAX_USES}", code="usage")
    key, private = signing_key(house, remembered=remembered)
    chosen = ttl_s or profile.DEFAULT_TTL_S

    def decide(task: str, act: Act) -> Issued:
        ground = issue.ground(act.db, task, key.id)
        if ground is None:
            raise tasks.unknown(task)
        row, doc = ground.task, docs.read(ground.task.doc)
        agent = _ready(act, ground, instance, doc["max_tokens"])
        if ground.key_state != "active":
            raise ConflictError("the signing key was changed meanwhile", code="key_changed", hint="try again")
        issued = act.now_us // 1_000_000
        ends_us = docs.read(agent.doc).get("expires_us")
        expires = min(issued + chosen, doc["deadline_us"] // 1_000_000)
        if expires <= issued:
            raise wrong_state("task", row.name, "closed", "its deadline has passed")
        if ends_us is not None and (expires := min(expires, ends_us // 1_000_000)) <= issued:
            raise wrong_state("agent", agent.name, "expired", "its registration ends within this second")
        jti = new_jti(act.house)
        meta = act.house.meta
        entry = status_entries.draw(act) if ground.listed and kind == profile.AT_JWT else None
        grant = profile.Grant(
            meta["issuer"], spiffe.agent_id(meta["trust_domain"], agent.name), agent.name, audience, issued, expires,
            b64.encode(jti), row.name, row.instance, doc["scope"], ground.policy, doc["principal"],
            act.head().to_json(seq=False), doc.get("delegation"),
            binding.confirmed(bind, agent), uses=uses,
            status=status_entries.claim(act, entry),
        )  # fmt: skip
        body = profile.svid_claims(grant) if kind == profile.JWT_SVID else profile.claims(grant)
        token = jws.sign(profile.header(key.kid, kind), strict_json.dumps(body).encode(), private)
        digest = sha256(token.encode()).digest()
        ext: dict[str, Any] = {"aud": audience, "exp": expires, "kid": key.kid, "profile": kind}
        if uses is not None:
            ext["uses"] = uses
        ext |= status_entries.describe(entry)
        ext |= grant.cnf or {}
        seq = act.record(
            "token.issued", task_row=row.id, agent=agent.name, inst=row.instance, task=row.name, jti=grant.jti,
            tok="sha256:" + digest.hex(), ext=ext,
        )  # fmt: skip
        ident = work.add_token(
            act.db, (jti, row.id, row.instance, key.id, seq, issued, expires, digest, audience, uses)
        )
        if entry is not None:
            status.take(act.db, *entry, ident)
        return Issued(token, grant.jti, row.name, times.rfc3339(expires * 1_000_000))

    return decide


def new_jti(house: House) -> bytes:
    """128 random bits, drawn again where their text would begin with a hyphen and look like an option."""
    for _ in range(64):
        jti = house.random(16)
        if not b64.encode(jti).startswith("-"):
            return jti
    raise UnsafeError("the random source is stuck", code="random_source")


def _ready(act: Act, ground: issue.Ground, instance: str | None, most: int) -> agent_table.AgentRow:
    """The agent of a task for which a token may be issued; counts the token, of which there may be `most`."""
    row, agent = ground.task, ground.agent
    if (state := tasks.state_at(row, act.now_us)) != "open":
        late = None if row.ended is not None else "its deadline has passed"
        raise wrong_state("task", row.name, state, late)
    if row.lease is not None:
        from nhictl.ops import leases

        leases.refuse_unheld(act, row)
    if agent is None:
        raise UnsafeError(f"task `{row.name}` has no agent in the database", code="store_damaged")
    if (standing := agents.state_at(agent, act.now_us)) != "active":
        raise wrong_state("agent", agent.name, standing)
    if ground.halted:
        instances.refuse_suspended(act, agent, row.instance)
    if ground.frozen:
        from nhictl.ops import frozen

        frozen.refuse(act, agent)
    if instance is not None and instance != row.instance:
        raise ConflictError(
            f"task `{row.name}` belongs to instance `{row.instance}`", code="instance_mismatch",
            hint="two running copies never share a task: open another",
        )  # fmt: skip
    if not work.count_token(act.db, row.id, most):
        raise ConflictError(
            f"task `{row.name}` has had its {most} tokens", code="task_tokens_exhausted",
            hint="open a task with a larger --max-tokens",
        )  # fmt: skip
    return agent
