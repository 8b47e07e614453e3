"""A call at an enforcement point: judged, counted and recorded in one act before it is made, and settled after it.

Each call leaves `tool.called`, made or denied, and what came of it `tool.returned`; the two share a call id within their
task, which the point's host gives or which is made here. A call that could not be recorded is not allowed: whatever
`begin` raises means no. What every enforcement point must do itself is to make the call only on `allowed`, with the very
arguments that were judged, and to settle it whatever came of it.
"""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256
from typing import Any, Final, NamedTuple

from nhictl.core import strict_json
from nhictl.core.ledger import content, record
from nhictl.core.token import b64, profile
from nhictl.core.token.verdict import Verdict
from nhictl.errors import InputError
from nhictl.ops import record_check, separation, settled
from nhictl.ops.act import Act, Head, transact
from nhictl.ops.house import House
from nhictl.ops.judge_task import judge_task
from nhictl.ops.reading import check_audience
from nhictl.ops.token_facts import Question, Seen
from nhictl.ops.verify_token import check_call, judge
from nhictl.store import log, sqlite, work

RESULT_LIMIT: Final = 1 << 20
"""Bytes of a result that are kept; of a larger one the record commits to its SHA-256 and length."""
RECORD: Final = frozenset(("log_prompt",))
"""The obligations that the record itself performs, for every point."""
_CALL_ID_LIMIT: Final = 256


class Grip(NamedTuple):
    """What an enforcement point holds: a token as it was read for this call, or the id of a task, never both.

    `point` names it in records (`hook.claude-code`, `mcp`, `sdk`, `serve`); `audience` is who it is to the token.
    """

    point: str
    audience: str = ""
    token: bytes | None = None
    task: str | None = None
    kind: str = profile.AT_JWT
    proof: tuple[bytes, str, str] | None = None
    performs: frozenset[str] | None = None
    """The obligations that the point can perform (RECORD among them); None: whoever asked is told of them and answers for
    them.
    """


class Call(NamedTuple):
    """One call: the tool by its catalogue name, what it is given, and how the host tells it from others.

    `context` is what the enforcement point itself vouches for; `call`, `span` and `parent` are the host's ids, if it has any.
    """

    tool: str
    args: dict[str, Any]
    resource: str | None = None
    context: dict[str, Any] | None = None
    call: str | None = None
    span: str | None = None
    parent: str | None = None


class Answer(NamedTuple):
    """What was decided, and all that settling needs. `seq` is the number of the call's record, `head` the log after it
    (None where the call was looked up).
    """

    allowed: bool
    reason: str
    step: int
    message: str
    decision: dict[str, Any] | None
    seq: int
    head: Head | None
    call: str
    fields: dict[str, Any]
    task_row: int | None
    sent: int = 0
    """The bytes that leave with the call: its arguments, as canonical JSON. A call that was looked up does not know them."""

    @property
    def obligations(self) -> list[dict[str, Any]]:
        """What the rules that allowed it oblige to."""
        found = (self.decision or {}).get("obligations", [])
        return found if isinstance(found, list) else []

    @property
    def request(self) -> str | None:
        """The id of the access request, where the call only lacks a human's approval."""
        found = (self.decision or {}).get("access_request")
        return str(found["id"]) if isinstance(found, dict) else None


class _Made(NamedTuple):
    verdict: Verdict
    seen: Seen
    seq: int


def begin(house: House, grip: Grip, call: Call) -> Answer:
    """Judge and record one call in one act. InputError (2) for a call that no record could hold, UnavailableError (7) and
    the rest of `transact` where nothing could be recorded: all of them mean that the call must not be made.
    """
    asked = _question(grip, call)
    ident = call.call if call.call is not None else "c-" + b64.encode(house.random(12))
    apart = house.caller() if house.caller is not None else separation.of_caller().kind
    members = {"call": ident, "span": call.span, "pspan": call.parent, "src": {"state": "recorded"}}

    def act_on(act: Act) -> _Made:
        if grip.task is not None:
            verdict, seen = judge_task(act.house, grip.task, asked, act.now_us)
        else:
            verdict, seen = judge(act.house, asked, act.now_us, consume=True)
        verdict = record_check.conclude(act, asked, verdict, seen)
        tokenless, more = grip.token is None, {"point": grip.point}
        number = record_check.record(act, asked, verdict, seen, apart, members, tokenless=tokenless, more=more)
        return _Made(verdict, seen, number)

    made, head = transact(house, act_on)
    verdict, seen = made.verdict, made.seen
    fields, row = _whose(seen)
    fields |= {"tool": call.tool, "call": ident, "span": call.span, "pspan": call.parent}
    return Answer(
        verdict.valid, verdict.reason if not verdict.valid else "permitted", verdict.step, verdict.message,
        seen.decision, made.seq, head, ident, fields, row, sent_with(call.args),
    )  # fmt: skip


def sent_with(args: dict[str, Any]) -> int:
    """The bytes that leave with a call of these arguments, as limits of `bytes_out` count them."""
    return len(content.canonical(args))


def _question(grip: Grip, call: Call) -> Question:
    if (grip.token is None) == (grip.task is None):
        raise InputError("an enforcement point holds either a token or a task", code="usage")
    if grip.token is not None:
        check_audience(grip.audience)
    asked = Question(
        grip.token or b"", grip.audience, call.tool, call.args, call.resource, call.context, kind=grip.kind,
        proof=grip.proof, supported=grip.performs,
    )  # fmt: skip
    check_call(asked)
    for name, given in (("call", call.call), ("span", call.span), ("parent", call.parent)):
        if given is not None and not is_id(given):
            raise InputError(f"the `{name}` id of a call is 1 to {_CALL_ID_LIMIT} printable ASCII characters")
    return asked


def is_id(given: Any) -> bool:
    """Whether a record can hold this as the id of a call."""
    return isinstance(given, str) and 1 <= len(given) <= _CALL_ID_LIMIT and given.isascii() and given.isprintable()


def _whose(seen: Seen) -> tuple[dict[str, Any], int | None]:
    """Whose call it was, as its record says, and the row of the task its content is sealed under."""
    if seen.task is None or seen.agent is None:
        return {}, None
    made: dict[str, Any] = {"agent": (seen.holder or seen.agent).name, "task": seen.task.name}
    made["inst"] = seen.token.instance if seen.token is not None else seen.task.instance
    if seen.token is not None:
        made["jti"] = b64.encode(seen.token.jti)
    return made, seen.task.id


def called(house: House, task: str, call: str) -> Answer | None:
    """The newest allowed call of a task under the host's id that has not returned, for a point that settles in another
    process than it began in; None if there is none.
    """
    needle = f'"call":{strict_json.dumps(call)}'.encode()
    with sqlite.guarded("read the log"):
        row = work.task(house.db, task)
        for seq, line in log.mentioning(house.db, row.id, needle) if row is not None else ():
            made = record.decode(line)
            if row is not None and made["type"] == "tool.called" and made.get("call") == call:
                open_ = made["outcome"] == "ok" and settled.by(house, row.id, seq) is None
                return of_record(seq, made, row.id) if open_ else None
    return None


def of_record(seq: int, made: dict[str, Any], task_row: int) -> Answer:
    """The answer of before, as far as record `seq`, of an allowed call, still has it."""
    fields: dict[str, Any] = {name: made[name] for name in _FIELDS if name in made}
    return Answer(True, "permitted", 20, "", None, seq, None, made.get("call", ""), fields, task_row)


_FIELDS: Final = ("agent", "inst", "task", "jti", "tool", "call", "span", "pspan")


def settle(
    house: House, answer: Answer, outcome: str, result: Any = None, *, error: str | None = None, made: bool = True,
    bytes_out: int | None = None,
) -> Head:  # fmt: skip
    """Record what came of an allowed call, as an act of its own; see `settling`."""
    return transact(house, settling(answer, outcome, result, error=error, made=made, bytes_out=bytes_out))[1]


def settling(
    answer: Answer, outcome: str, result: Any = None, *, error: str | None = None, made: bool = True,
    bytes_out: int | None = None,
) -> Callable[[Act], int]:  # fmt: skip
    """What came of an allowed call: `ok`, `error`, or `unknown` where no answer is waited for any more; the result (JSON, or
    bytes), and the error's first words. A record knows no third outcome, so `unknown` is an `error` in it that says that
    there was no answer (`ext.answered`). The act returns the record's number; ConflictError (5) if it was told before.

    With it the limits that the call took from are settled: one that was never `made` gives back what it took, else
    `bytes_out` are the bytes that left with it, those of its arguments unless the point knows better.
    """
    if not answer.allowed or outcome not in ("ok", "error", "unknown"):
        raise InputError("only a call that was allowed can return, with `ok`, `error` or `unknown`", code="usage")
    left = answer.sent if bytes_out is None else bytes_out
    said, ext = told_as(answer.seq, outcome, error, made, left)
    sealed = {} if result is None else {"result": bounded(result)}

    from nhictl.core.policy.counters import Result
    from nhictl.ops import limits

    def act_on(act: Act) -> int:
        if answer.task_row is not None:
            settled.refuse_again(act.house, answer.task_row, answer.seq)
        seq = act.record(
            "tool.returned", outcome=said, task_row=answer.task_row, sealed=sealed or None, ext=ext,
            src={"state": "recorded"}, **answer.fields,
        )  # fmt: skip
        limits.settle(act, answer.seq, Result(made, ext.get("bytes_out", 0)), seq)
        return seq

    return act_on


def told_as(called: int, outcome: str, error: str | None, made: bool, left: int) -> tuple[str, dict[str, Any]]:
    """How a record has it: its outcome, and what stands under `ext`; of `left`, since whoever replays the log counts that."""
    ext: dict[str, Any] = {"called": called}
    if outcome == "unknown":
        outcome, ext["answered"] = "error", False
    if not made:
        ext["made"] = False
    elif left:
        ext["bytes_out"] = left
    if error is not None:
        ext["error"] = error[:200].encode("utf-8", "replace").decode()
    return outcome, ext


def bounded(result: Any) -> Any:
    """Content as it is kept: whole, or by digest and length where it is too large or is no JSON."""
    try:
        plain = content.canonical(result)
    except (TypeError, ValueError, RecursionError):
        return {"unreadable": type(result).__name__}
    if len(plain) <= RESULT_LIMIT and not isinstance(result, bytes):
        return result
    return {"sha256": sha256(plain).hexdigest(), "bytes": len(plain)}
