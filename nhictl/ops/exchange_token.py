"""`token exchange`: a CI job's own token becomes a task and a token for it, in one act, once.

A refusal is an answer and is recorded. Anybody can send garbage, and whoever has an account at the CI system can have
tokens with any audience signed; so that neither fills the log, at most `RECORDED` refusals an hour are recorded for
each trust, by how much the token proved, and the same refusal of the same token once. The last one recorded says until
when it stays quiet: nothing is dropped without a word, and strangers cannot crowd out what concerns one's own jobs.
"""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256
from typing import Any, Final, NamedTuple

from nhictl.core import times
from nhictl.core.policy.box import Box, box_from_mapping
from nhictl.core.token.verdict import RejectedError
from nhictl.core.trust import providers, subject
from nhictl.core.trust.value import Trust
from nhictl.errors import ConflictError
from nhictl.ops import open_task, openers, policies, tasks, trusts
from nhictl.ops.act import Act, Head, transact
from nhictl.ops.exchange_checks import Asked, Case, judge
from nhictl.ops.house import House
from nhictl.ops.instances import Instance
from nhictl.ops.issue_token import Issued, issuing
from nhictl.ops.reading import check_audience
from nhictl.ops.turn import log_key
from nhictl.store import sqlite
from nhictl.store import trusts as table

RECORDED: Final = {"own": 500, "foreign": 20, "unproven": 20}
"""How many refusals a trust has recorded in an hour at most, by what the token proved."""
WINDOW_S: Final = 3600


class Exchanged(NamedTuple):
    """A task that was opened and the token issued for it, with the trust and the CI run they are due to."""

    issued: Issued
    task: dict[str, Any]
    trust: str


class Refused(NamedTuple):
    """Why there was no exchange, and whether that was recorded."""

    reason: str
    step: int
    message: str
    recorded: bool


def exchange(house: House, name: str, token: bytes, asked: Asked) -> tuple[Exchanged | Refused, Head | None]:
    """Exchange a CI job's token under the trust `name`; a refusal is an answer, with the head if it was recorded.

    NotFoundError (4) for a trust there never was; InputError (2) for an intent, audience or purpose that could be
    nobody's; ConflictError (5) if the trust changes meanwhile.
    """
    _check(asked)
    policy = policies.active(house) if asked.allow else None
    with sqlite.guarded("read the trusts"):
        row = find(house, name)
        first = Case(house, row, token, house.clock(), asked=asked, policy=policy)
        refused = _refusal(first)
        if refused is not None and not _to_record(first, refused)[0]:
            return Refused(refused.reason, refused.step, refused.message, recorded=False), None
    trust = first.trust
    proof = _proof(house, first, asked) if refused is None else None
    issue = issuing(house, asked.audience, asked.ttl_s or trust.ttl_s)
    key = log_key(house)

    def decide(act: Act) -> Exchanged | Refused:
        now = find(act.house, name)
        case = Case(act.house, now, token, act.now_us, asked=asked, policy=policy)
        refused = _refusal(case)
        if refused is None and now.id != row.id:
            raise ConflictError(f"trust `{name}` was replaced meanwhile", code="trust_changed", hint="try again")
        if refused is None:
            refused = _not_opened(act, case, asked, proof)
        if refused is None and not table.spend(
            act.db, subject.mark(case.said, trust), subject.forget_after_s(case.said), act.seq
        ):
            refused = RejectedError(18, "jti_replayed")
        if refused is not None:
            return _refuse(act, case, refused)
        return _grant(act, case, asked, issue, proof)

    answer, head = transact(house, decide, key=key, may_rest=True)
    return answer, head if isinstance(answer, Exchanged) or answer.recorded else None


def find(house: House, name: str, below: int = trusts.LATEST) -> table.TrustRow:
    """The newest trust of that name, in force or removed; NotFoundError (4) if there never was one."""
    row = table.newest(house.db, name, below)
    return row if row is not None else trusts.find(house, name, below)


def audience_of(house: House, name: str) -> str:
    """For whom a job's token has to be, to be exchanged under the trust of that name; NotFoundError (4)."""
    with sqlite.guarded("read the trusts"):
        return Trust.from_json(find(house, name).doc).audience


def _check(asked: Asked) -> None:
    check_audience(asked.audience)
    purpose = "-" if asked.purpose is None else asked.purpose
    open_task.check(open_task.Order("-", asked.intent, purpose, (Box(["-"], None, []),)))


def _refusal(case: Case) -> RejectedError | None:
    try:
        judge(case)
    except RejectedError as e:
        return e
    return None


def _run(case: Case) -> dict[str, Any]:
    """The CI run, as the task and the records keep it: trust, issuer, run, attempt and job, and the immutable ids."""
    ids = {claim: case.said[claim] for claim in case.trust.of.ids if claim != "sub"}
    found: dict[str, Any] = {"trust": case.trust.name, "iss": case.trust.issuer}
    found |= providers.run_of(case.trust.of, case.said)
    return found | ({"ids": ids} if ids else {})


def _boxes(case: Case) -> tuple[Box, ...]:
    return tuple(box_from_mapping(box, stored=True) for box in case.scope)


def _proof(house: House, case: Case, asked: Asked) -> openers.Proof:
    return openers.prove(house, case.trust.agent, asked.intent, _boxes(case))


def _not_opened(act: Act, case: Case, asked: Asked, proof: openers.Proof | None) -> RejectedError | None:
    """The refusal where the policy's openers do not let whoever runs this open the task."""
    found = openers.holds(act.house, proof, case.trust.agent, asked.intent, _boxes(case))
    return RejectedError(19, *found.refused) if found.refused is not None else None


def _grant(
    act: Act, case: Case, asked: Asked, issue: Callable[[str, Act], Issued], proof: openers.Proof | None
) -> Exchanged:  # fmt: skip
    trust, ci = case.trust, _run(case)
    act.actor = _as_ci(act.actor, ci)
    run = f" run {ci['run_id']}" if "run_id" in ci else ""
    order = open_task.Order(
        trust.agent, asked.intent, asked.purpose or f"{trust.provider} CI{run}, trust {trust.name}",
        _boxes(case), None, asked.deadline_s or trust.deadline_s,
        trust.max_tokens, trust.max_calls,
    )  # fmt: skip
    issued = issue(open_task.opening(order, Instance(case.instance, "verified"), ci, proof=proof)(act)["id"], act)
    row = tasks.find(act.house, issued.task)
    seq = act.record(
        "token.exchanged", task_row=row.id, agent=trust.agent, inst=case.instance, task=row.name, jti=issued.jti,
        sealed={"claims": case.shown()},
        ext={**ci, "trust_seq": case.row.seq, "subject": _digest(case.token)},
    )  # fmt: skip
    table.add_exchange(act.db, row.id, case.row.id, ci.get("run_id"), seq)
    table.forget(act.db, act.now_us // 1_000_000)
    return Exchanged(issued, tasks.to_json(act.house, row, act.now_us), trust.name)


def _as_ci(actor: dict[str, Any], ci: dict[str, Any]) -> dict[str, Any]:
    """Who acts: the user the process runs as, on the proof of a CI run."""
    return {**actor, "kind": "ci", "ci": {name: ci[name] for name in ("iss", "run_id") if name in ci}}


def _digest(token: bytes) -> str:
    return "sha256:" + sha256(token.strip()).hexdigest()


def _to_record(case: Case, refused: RejectedError) -> tuple[bool, str | None, bytes]:
    """Whether a refusal is recorded, until when it is the last, and what it is known by."""
    now_s = case.now_us // 1_000_000
    known = subject.mark(case.said, case.trust) if case.signed and case.typed else sha256(case.token.strip()).digest()
    mark = sha256(known + refused.reason.encode()).digest()
    count, same, oldest = table.refusals(case.house.db, case.row.id, case.proved, now_s - WINDOW_S, mark)
    most = RECORDED[case.proved]
    quiet = times.rfc3339(((oldest or now_s) + WINDOW_S) * 1_000_000) if count + 1 == most else None
    return not same and count < most, quiet, mark


def _refuse(act: Act, case: Case, refused: RejectedError) -> Refused:
    asked = case.asked
    record, quiet, mark = _to_record(case, refused)
    answer = Refused(refused.reason, refused.step, refused.message, recorded=record)
    if not record:
        return answer
    ext: dict[str, Any] = {"trust": case.trust.name, "proved": case.proved, "step": refused.step}
    if asked is not None:
        ext |= {"intent": asked.intent, "aud": asked.audience}
    if quiet is not None:
        ext["quiet_until"] = quiet
    sealed = None
    if case.signed:
        run = {"iss": case.trust.issuer, **providers.run_of(case.trust.of, case.said)}
        act.actor = _as_ci(act.actor, run)
        ext |= run
        sealed = {"claims": case.shown()}
    seq = act.record(
        "token.denied", outcome="deny", op="exchange", agent=case.trust.agent if case.proved == "own" else None,
        tok=_digest(case.token), dec={"effect": "deny", "reason": refused.reason}, sealed=sealed, ext=ext,
    )  # fmt: skip
    now_s = act.now_us // 1_000_000
    table.add_refusal(act.db, case.row.id, case.proved, now_s, now_s - WINDOW_S, mark, seq)
    return answer
