"""`token verify`: the 20 ordered checks against the local store, plain (writes nothing) or live (`--consume`).

Both paths run the same checks on the same facts, read in one snapshot; the live one does so inside an act, counts,
and records its answer whatever it is. Every check begun after a revocation's commit sees it: there is no cache.
"""

from __future__ import annotations

import json
from typing import Any, Final

from nhictl.core.ledger import content
from nhictl.core.policy.compiled import Policy
from nhictl.core.policy.glob import Glob
from nhictl.core.token import claims, compact, profile, state
from nhictl.core.token.verdict import RejectedError, Verdict
from nhictl.errors import InputError
from nhictl.ops import agents, call_decision, high_water, policies, record_check, separation, token_facts
from nhictl.ops.act import CLOCK_LEEWAY_US, Act, Head, transact
from nhictl.ops.house import House
from nhictl.ops.reading import check_audience
from nhictl.ops.token_facts import Question, Seen
from nhictl.store import agents as agent_table
from nhictl.store import log, segments

LATEST = agent_table.LATEST
SIGNED: Final = 10
"""The step at which a token is shown to be signed by a key of ours."""


def verify(house: House, asked: Question) -> Verdict:
    """Judge without writing anything. With `at_us` the state of that moment decides.

    One thing may be left behind once the verdict stands: a task that was seen to have lost its lease is killed.
    """
    _check(asked)
    verdict, seen = _plain(house.reader(), asked)
    if verdict.reason == "lease_lost" and seen.task is not None and asked.at_us is None:
        from nhictl.ops import leases

        leases.notice(house, seen.task.id)
    return verdict


def _plain(house: House, asked: Question) -> tuple[Verdict, Seen]:
    def answer(_: object) -> tuple[Verdict, Seen]:
        now = house.clock()
        if asked.at_us is None and _regressed(house, now):
            return Verdict("clock_regressed", 12, message="the clock is behind the newest record"), Seen()
        return judge(house, asked, now if asked.at_us is None else asked.at_us, consume=False)

    return high_water.checked(house, "read the store", answer)


def consume(house: House, asked: Question) -> tuple[Verdict, Head]:
    """Judge live: checked, counted and recorded in one transaction; a use is taken only if everything allows.

    InputError (2) for a question about another moment: a live check is about now.
    """
    _check(asked)
    if asked.at_us is not None:
        raise InputError("a live check is about now", code="usage")
    apart = house.caller() if house.caller is not None else separation.of_caller().kind

    return transact(house, lambda act: taking(act, asked, apart))


def taking(
    act: Act, asked: Question, apart: str, holder: str | None = None, more: dict[str, Any] | None = None, *,
    unproven: bool = True, call: str | None = None,
) -> Verdict:  # fmt: skip
    """Judge inside an act; count, ask for an approval, bury a lost lease, and record the answer, whatever it is.

    `holder` names the agent that has to hold the token, by name, SPIFFE ID or alias; another one's is `subject_mismatch`.
    `more` goes into the record, under `ext`. `call` is the id of a call that whoever asks makes if it is allowed: then the
    record is that of the call. Without `unproven` there is no record of what none of our keys signed: for
    places where anybody can send that.
    """
    verdict, seen = judge(act.house, asked, act.now_us, consume=True)
    if verdict.valid and holder is not None and not _held_by(act.house, seen, holder):
        verdict = Verdict(
            "subject_mismatch", 14, message="the token is not held by the agent that was named", source="store"
        )
    verdict = record_check.conclude(act, asked, verdict, seen)
    if unproven or verdict.step > SIGNED:
        guarded = None if call is None else {"call": call, "src": {"state": "recorded"}}
        record_check.record(act, asked, verdict, seen, apart, guarded, more=more)
    return verdict


def _held_by(house: House, seen: Seen, name: str) -> bool:
    row = agents.known_as(house, name)
    return row is not None and seen.holder is not None and row.id == seen.holder.id


def ask(house: House, asked: Question, *, live: bool) -> tuple[dict[str, Any], int]:
    """The members of `nhictl.verdict/v1` on one question, live or plain, and the exit status that goes with them."""
    if live:
        verdict, head = consume(house, asked)
        return {**verdict.to_json(), "recorded": True, "log": head.to_json()}, verdict.exit
    verdict = verify(house, asked)
    body = {**verdict.to_json(), "recorded": False}
    return ({**body, "hypothetical": True} if asked.at_us is not None else body), verdict.exit


def _check(asked: Question) -> None:
    check_audience(asked.audience)
    profile.known(asked.kind)
    check_call(asked)


def check_call(asked: Question) -> None:
    """Refuse what could not be recorded: it is the asker's fault, and must not become ours in the middle of an act."""
    if asked.tool is not None and not (
        1 <= len(asked.tool) <= 256 and asked.tool.isascii() and asked.tool.isprintable()
    ):
        raise InputError("a tool's name is 1 to 256 printable ASCII characters", code="invalid_tool")
    try:
        content.canonical([asked.args, asked.resource]).decode("utf-8")
    except (TypeError, ValueError, RecursionError) as e:
        raise InputError(f"arguments that are not JSON: {e}", code="invalid_arguments") from e


def _regressed(house: House, now: int) -> bool:
    head = log.head(house.db)
    return head is not None and now + CLOCK_LEEWAY_US < head.ts


def judge(
    house: House, asked: Question, now_us: int, *, consume: bool, uses: bool = True
) -> tuple[Verdict, Seen]:  # fmt: skip
    """The 20 steps on what one snapshot holds; with `consume` as part of an act. Without `uses` step 18 is left out: for
    what is no use of the token.
    """
    seen = Seen()
    try:
        below = LATEST if asked.at_us is None else log.size_at(house.db, asked.at_us)
        issuer = house.issuer(below)
        parsed = compact.parse(asked.token, profile.TYPS[asked.kind], issuer.algorithms)
        claims.check_signature(parsed, claims.choose_issuer(parsed.claims, (issuer,), asked.kind))
        claims.check_types(parsed.claims, asked.kind)
        seen.claims = parsed.claims
        claims.check_times(parsed.claims, now_us, asked.kind)
        claims.check_audience(parsed.claims, asked.audience)
        facts = token_facts.read(house, asked.kind, parsed, now_us, below, seen)
        if seen.token is None and asked.at_us is not None and parsed.claims["exp"] < segments.tokens_gone(house.db):
            raise RejectedError(17, "indeterminate", "tokens that had expired by then were let go of")
        if asked.at_us is not None and facts.uses is not None:
            facts = facts._replace(uses=1)  # how many were left then is not kept: undecidable, as for any plain check
        state.check_subject(parsed.claims, issuer.trust_domain, facts)
        state.check_chain(parsed.claims, issuer.iss, issuer.trust_domain)
        state.check_actors(facts)
        if "cnf" in parsed.claims and not asked.proved_elsewhere:
            from nhictl.ops import possession

            possession.check(house, asked, parsed, now_us, take=consume)
        state.check_status(facts)
        if uses:
            state.check_uses(facts, consume=consume)
        state.check_task(facts)
        if asked.tool is not None:
            policy = _check_scope(house, asked, parsed.claims, below, seen)
            call_decision.check(house, policy, asked, now_us, below, seen)
    except RejectedError as e:
        source = "store" if e.step >= 14 else "none"
        return Verdict(e.reason, e.step, message=e.message, source=source, decision=seen.decision), seen
    step = 19 if asked.tool is None else 20
    return Verdict("valid", step, claims=parsed.claims, source="store", decision=seen.decision), seen


def _check_scope(house: House, asked: Question, mine: dict[str, Any], below: int, seen: Seen) -> Policy | None:
    """Step 19, second half: the call lies inside `authorization_details`, then inside `scope`.

    A JWT-SVID carries neither; the scope of its task, of which those are copies, decides in their place. Returns the policy
    in force, whose catalogue typed the call: reading it is what a check costs most, so step 20 is handed the same one.
    """
    carried = asked.kind != profile.JWT_SVID
    if carried:
        entries = profile.boxes(mine.get("authorization_details", []))
    else:
        entries = json.loads(seen.task.doc)["scope"] if seen.task is not None else []
    if seen.task is not None and "erased" in json.loads(seen.task.doc):
        raise RejectedError(19, "indeterminate", "what the task was opened for has been erased since")
    policy = policies.active(house, below)
    check_details(policy, entries, asked, mine.get("scope", "") if carried else None)
    for above in seen.lineage.scopes if seen.lineage is not None else ():
        check_details(policy, above, asked, None)  # a catalogue that changed since must not make a child the wider one
    return policy


def check_details(
    policy: Policy | None, entries: list[dict[str, Any]] | None, asked: Question, scope: str | None
) -> None:
    """The call lies inside the boxes, typed by the catalogue of `policy`, then inside the `scope` of tools, if there is one."""
    if entries is None:
        raise RejectedError(19, "constraint_unknown", "an authorization detail of another kind")
    tool = asked.tool or ""
    if refused := policies.outside(policy, entries, tool, asked.args or {}, asked.resource):
        raise RejectedError(19, *refused)
    if scope is not None and not any(Glob(pattern).matches(tool) for pattern in scope.split(" ")):
        raise RejectedError(19, "scope_insufficient")
