"""AuthZEN evaluations, live: each is decided and recorded before its answer leaves (design §3).

Where a token is shown, the evaluation is of that token: all 20 steps, uses and limits taken, an approval asked for, recorded
as `token.used` or `token.denied`, as `token verify --consume` does, or, if whoever asks names the call that it makes, as that
call, `tool.called`. Its answer has the record's number, by which `ops/call_result` is told what came of it. Where only an agent
is named, it is of the policy alone, whose limits count it, and recorded as `policy.evaluated`; that takes the right to ask
about any agent. Of callers that nobody listed, what no key of ours signed is denied and leaves no record: anybody could fill
the log with it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from nhictl.core.caller_file import EVALUATE
from nhictl.core.policy.decide import Decision, decide
from nhictl.core.policy.request import Request
from nhictl.core.token import compact, profile
from nhictl.core.token.verdict import Verdict
from nhictl.errors import InputError
from nhictl.formats import authzen
from nhictl.ops import agents, call_decision, frozen, guard_call, limits, policies
from nhictl.ops.act import Act
from nhictl.ops.callers import Caller
from nhictl.ops.reading import check_audience
from nhictl.ops.token_facts import Question
from nhictl.ops.verify_token import SIGNED, check_call, taking
from nhictl.store import agents as agent_table

if TYPE_CHECKING:
    from nhictl.core.policy.compiled import Policy

MAX_EVALUATIONS: Final = 256
"""In one request: all of them are one transaction, and others wait for it."""
LATEST = agent_table.LATEST


class Shown(NamedTuple):
    """A token that came with a request, who is asking to it, and the DPoP proof that came with it: proof, method, address."""

    token: bytes
    audience: str
    proof: tuple[bytes, str, str] | None = None

    @property
    def kind(self) -> str:
        """The profile it says it is of."""
        return compact.kind_of(self.token)


class Wanted(NamedTuple):
    """A request that was read: its evaluations in order, the semantic of several, and whether it was a single one."""

    items: list[dict[str, Any]]
    semantic: str
    single: bool


def read(value: Any) -> Wanted:
    """Read an Access Evaluation or Evaluations request; InputError (2) for neither."""
    several = authzen.batch(value)
    if several is None:
        authzen.evaluation(value)
        return Wanted([value], authzen.SEMANTICS[0], single=True)
    items, semantic = several
    if len(items) > MAX_EVALUATIONS:
        raise InputError(f"`evaluations` is longer than {MAX_EVALUATIONS}", code="invalid_request_line")
    return Wanted(items, semantic, single=False)


def evaluating(wanted: Wanted, caller: Caller, held: Shown | None) -> Callable[[Act], dict[str, Any]]:
    """The evaluations as an act, which answers as the standard has it. `held` is the token the caller came in with.

    RefusedError (1) if one of them asks about an agent without a token, and the caller may not.
    """
    shown = [_shown(item, caller, held) for item in wanted.items]
    if any(one is None for one in shown):
        caller.require(EVALUATE)

    def act_on(act: Act) -> dict[str, Any]:
        act.actor = caller.actor()
        policy = policies.active(act.house)
        tokens = iter(shown)

        def one(item: dict[str, Any]) -> dict[str, Any]:
            token = next(tokens)
            if isinstance(token, InputError):
                raise token
            return _evaluate(act, policy, caller, item, token)

        if wanted.single:
            return one(wanted.items[0])
        return {"evaluations": list(authzen.in_order(wanted.items, wanted.semantic, one))}

    return act_on


def _shown(item: Any, caller: Caller, held: Shown | None) -> Shown | InputError | None:
    """The token of one evaluation: `subject.properties.token`, else the caller's own."""
    subject = item.get("subject") if isinstance(item, dict) else None
    given = subject.get("properties") if isinstance(subject, dict) else None
    if not isinstance(given, dict) or "token" not in given:
        return held
    token, audience = given["token"], given.get("audience")
    if audience is None and caller.audiences is not None and len(caller.audiences) == 1:
        audience = caller.audiences[0]
    if not isinstance(token, str) or not isinstance(audience, str):
        return InputError("`subject.properties` has a `token` and the `audience` that asks, both strings")
    if caller.audiences and audience not in caller.audiences:
        return InputError(f"`{caller.name}` is not `{audience[:64]}` to tokens", code="invalid_audience")
    try:
        check_audience(audience)
    except InputError as e:
        return e
    proof = [given[name] for name in ("dpop_proof", "htm", "htu") if isinstance(given.get(name), str)]
    found = (proof[0].encode("utf-8", "replace"), proof[1], proof[2]) if len(proof) == 3 else None
    return Shown(token.encode("utf-8", "replace"), audience, found)


def _evaluate(act: Act, policy: Policy | None, caller: Caller, item: Any, shown: Shown | None) -> dict[str, Any]:
    asked = authzen.evaluation(item)
    tool = policy.tool(asked.action) if policy is not None else None
    args, resource = authzen.arguments(asked, tool), authzen.resource_id(asked, tool)
    question = Question(
        shown.token if shown else b"", shown.audience if shown else "", asked.action, args, resource, asked.context,
        kind=shown.kind if shown else profile.AT_JWT, proof=shown.proof if shown else None,
    )  # fmt: skip
    check_call(question)
    if shown is None:
        return authzen.answer(_by_agent(act, policy, caller, asked.subject, question))
    verdict = taking(
        act, question, caller.apart, asked.subject, _ext(caller), unproven=caller.is_known, call=_call(item)
    )
    return _of_token(verdict, act.seq - 1 if caller.is_known or verdict.step > SIGNED else None)


def _call(item: dict[str, Any]) -> str | None:
    """The id that whoever asks has for the call; InputError for none that a record could hold."""
    found: str | None = item["subject"].get("properties", {}).get("call")
    if found is not None and not guard_call.is_id(found):
        raise InputError(
            "`subject.properties.call` is the id of a call: 1 to 256 printable ASCII characters",
            code="invalid_request_line",
        )
    return found


def _of_token(verdict: Verdict, record: int | None) -> dict[str, Any]:
    said = verdict.decision or {}
    told: dict[str, Any] = {"reason": "permitted" if verdict.valid else verdict.reason, "step": verdict.step}
    told |= {name: said[name] for name in ("rules", "obligations", "policy", "access_request") if name in said}
    if verdict.message:
        told["message"] = verdict.message
    told |= {"recorded": False} if record is None else {"record": record}
    return {"decision": verdict.valid, "context": told}


def _by_agent(act: Act, policy: Policy | None, caller: Caller, name: str, asked: Question) -> Decision:
    house = act.house
    row = agents.known_as(house, name)
    tool = asked.tool or ""
    freeze = frozen.by(house, row) if row is not None else None
    if freeze is not None:
        why = f"agent is frozen: `{name}`, by the freeze of {freeze}"
        made = Decision("invalid_request", policy.digest if policy else None, message=why, field="agent")
    else:
        request = Request(
            row.name if row else name,
            tool,
            asked.args or {},
            asked.resource,
            None,
            act.now_us,
            asked.context or {},
            None,
            None,
        )
        counters = call_decision.stored_counters(house, policy, LATEST)
        made = decide(policy, policies.agent_facts(row) if row else None, request, None, counters)
    if made.allowed and made.charges:
        limits.reserve(act, made.charges, act.seq)  # the number of the record that follows
    dec: dict[str, Any] = {"effect": "allow" if made.allowed else "deny", "reason": made.reason, "rules": made.rules}
    if made.digest is not None:
        dec["pdig"] = made.digest
    sealed: dict[str, Any] = {"subject": name, "args": asked.args or {}}
    if asked.resource is not None:
        sealed["res"] = asked.resource
    act.record(
        "policy.evaluated", outcome="ok" if made.allowed else "deny", op="evaluate", agent=row.name if row else None,
        tool=tool, dec=dec, sealed=sealed, ext=_ext(caller),
    )  # fmt: skip
    return made


def _ext(caller: Caller) -> dict[str, Any]:
    ext = {"point": "serve", "separation": caller.apart}
    return ext | ({"caller": caller.name} if caller.name else {})
