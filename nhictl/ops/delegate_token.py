"""`token delegate`: a token made from a token, for another agent, provably narrower, bound to a key, ending with its parent.

That the child asks for less is decided exactly, by the set algebra of scopes, before the lock is taken; inside the act
the parent is checked as in any live check, and the policy that typed the proof has to be the one still in force. A
refusal is an answer and is recorded, with the request that shows what would have been gained.
"""

from __future__ import annotations

import json
from hashlib import sha256
from typing import Any, NamedTuple

from nhictl.core import strict_json, times
from nhictl.core.identity import spiffe
from nhictl.core.ledger import content
from nhictl.core.token import b64, compact, delegation, jws, profile
from nhictl.errors import ConflictError, InputError
from nhictl.ops import agents, binding, instances, policies, status_entries
from nhictl.ops.act import Act, Head, transact
from nhictl.ops.delegation_checks import Plan, Refused, Wanted, check, plan, question, unfit
from nhictl.ops.house import House
from nhictl.ops.issue_token import Issued, new_jti, signing_key
from nhictl.ops.token_facts import Seen
from nhictl.ops.turn import log_key
from nhictl.ops.verify_token import judge, verify
from nhictl.store import agents as agent_table
from nhictl.store import delegations, status, work


class Delegated(NamedTuple):
    """The child, and who acts with it and acted before, the current one first."""

    issued: Issued
    act: list[str]


def delegate(
    house: House, parent: bytes, wanted: Wanted, proof: bytes | None = None, certificate: bytes | None = None
) -> tuple[Delegated | Refused, Head | None]:
    """Make the child; a refusal is an answer, with the head if it was recorded.

    `proof` is a DPoP proof by the key that the parent is bound to, if it is: method `DELEGATE`, address the issuer. A parent
    that is bound to a certificate takes the `certificate` (DER) and such a proof by its key: no TLS connection shows it here.
    InputError (2) for what could be nobody's token, NotFoundError (4) for an unknown agent, ConflictError (5) for a
    suspended instance, a holder without a key, or a spent token budget.
    """
    check(wanted)
    instance = instances.chosen(wanted.instance)
    asked = question(house, parent, proof, certificate)
    first = verify(house, asked)
    settled = plan(house, parent, wanted) if first.valid or first.reason == "use_required" else None
    key, private = signing_key(house)
    logged = log_key(house)

    def decide(act: Act) -> Delegated | Refused:
        verdict, seen = judge(act.house, asked, act.now_us, consume=True)
        if not verdict.valid:
            known = seen.token is not None and seen.claims is not None
            return _refuse(act, wanted, seen, Refused(verdict.reason, verdict.step, verdict.message, recorded=known))
        if settled is None or settled.policy != policies.version(act.house):
            raise ConflictError("what this rests on was changed meanwhile", code="changed_meanwhile", hint="try again")
        holder = agents.find(act.house, wanted.to)
        refused = settled.refused or unfit(act, holder, seen)
        if refused is not None:
            return _refuse(act, wanted, seen, refused)
        if agent_table.key_state(act.db, key.id) != "active":
            raise ConflictError("the signing key was changed meanwhile", code="key_changed", hint="try again")
        return _grant(act, wanted, seen, settled, holder, instance.id, (key, private))

    answer, head = transact(house, decide, key=logged, may_rest=True)
    return answer, head if isinstance(answer, Delegated) or answer.recorded else None


def _grant(
    act: Act, wanted: Wanted, seen: Seen, plan: Plan, holder: agent_table.AgentRow, instance: str, signing: tuple[Any, Any]
) -> Delegated:  # fmt: skip
    key, private = signing
    parent, task = seen.token, seen.task
    if parent is None or task is None or seen.agent is None:
        raise ConflictError("the parent is gone", code="changed_meanwhile")
    instances.refuse_suspended(act, holder, instance)
    doc = json.loads(task.doc)
    if not work.count_token(act.db, task.id, doc["max_tokens"]):
        raise ConflictError(
            f"task `{task.name}` has had its {doc['max_tokens']} tokens", code="task_tokens_exhausted",
            hint="open a task with a larger --max-tokens",
        )  # fmt: skip
    issued = act.now_us // 1_000_000
    ends_us = json.loads(holder.doc).get("expires_us")
    expires = min(issued + (wanted.ttl_s or profile.DEFAULT_TTL_S), plan.claims["exp"], doc["deadline_us"] // 1_000_000)
    expires = expires if ends_us is None else min(expires, ends_us // 1_000_000)
    if expires <= issued:
        raise ConflictError("the parent, its task or the delegate ends within this second", code="token_expired")
    jti = new_jti(act.house)
    scope = [box.to_mapping() for box in wanted.boxes]
    meta = act.house.meta
    acted = delegation.act_claim(
        spiffe.agent_id(meta["trust_domain"], holder.name), meta["issuer"], plan.claims.get("act")
    )
    entry = status_entries.draw(act)
    grant = profile.Grant(
        meta["issuer"], plan.claims["sub"], holder.name, plan.claims["aud"], issued, expires, b64.encode(jti), task.name,
        instance, scope, policies.active_digest(act.house), doc["principal"], act.head().to_json(seq=False), plan.left,
        binding.confirmed(wanted.bind, holder), acted, b64.encode(parent.jti),
        wanted.uses or plan.claims.get("nhictl", {}).get("uses"), status_entries.claim(act, entry),
    )  # fmt: skip
    token = jws.sign(profile.header(key.kid), strict_json.dumps(profile.claims(grant)).encode(), private)
    if len(token) > compact.MAX_TOKEN:
        raise InputError("the child would be too large a token: fewer boxes, or shorter ones", code="token_too_large")
    digest = sha256(token.encode()).digest()
    names = [holder.name, *(seen.lineage.names if seen.lineage else ())]
    ext: dict[str, Any] = {
        "aud": grant.audience, "exp": expires, "kid": key.kid, "profile": profile.AT_JWT, **(grant.cnf or {}), "act": names,
        "sub": seen.agent.name, **({"uses": wanted.uses} if wanted.uses is not None else {}),
        **status_entries.describe(entry),
        **({"delegation": plan.left} if plan.left is not None else {}),
    }  # fmt: skip
    link: dict[str, Any] = {"del": grant.jti, "pdel": grant.parent}
    seq = act.record(
        "token.delegated", task_row=task.id, agent=holder.name, inst=instance, task=task.name, jti=grant.jti,
        tok="sha256:" + digest.hex(), scope="sha256:" + sha256(content.canonical(scope)).hexdigest(),
        sealed={"scope": scope}, ext=ext, **link,
    )  # fmt: skip
    values = (jti, task.id, instance, key.id, seq, issued, expires, digest, grant.audience, wanted.uses)
    row = work.add_token(act.db, values)
    if entry is not None:
        status.take(act.db, *entry, row)
    delegations.add(act.db, (row, parent.id, holder.id, len(names), strict_json.dumps(scope)))
    return Delegated(Issued(token, grant.jti, task.name, times.rfc3339(expires * 1_000_000)), names)


def _refuse(act: Act, wanted: Wanted, seen: Seen, refused: Refused) -> Refused:
    """Record a refusal, if the parent is a token of ours: anybody can send garbage."""
    if not refused.recorded or seen.token is None:
        return refused._replace(recorded=False)
    sealed: dict[str, Any] = {"asked": [box.to_mapping() for box in wanted.boxes]}
    if refused.witness is not None:
        sealed["witness"] = refused.witness
    who = seen.holder or seen.agent
    ext: dict[str, Any] = {"to": wanted.to[:128], "step": refused.step}
    if seen.lineage is not None:
        ext["act"] = seen.lineage.names
    act.record(
        "token.denied", outcome="deny", op="delegate", task_row=seen.task.id if seen.task else None,
        agent=who.name if who else None, inst=seen.token.instance, task=seen.task.name if seen.task else None,
        jti=b64.encode(seen.token.jti), dec={"effect": "deny", "reason": refused.reason}, sealed=sealed, ext=ext,
    )  # fmt: skip
    return refused
