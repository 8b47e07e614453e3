"""What came of a call that an evaluation allowed, told by whoever made it: recorded once, whatever ended since.

It may be told by the owner, by a listed caller of what it asked itself, and by whoever shows the very token that was
allowed, which may have expired or been revoked meanwhile; a bound one with a proof. A user id alone is nobody here: behind
a reverse proxy all have the proxy's. That a call was never made gives back what it took from limits, so it takes a
caller that is known. Told again in the same words is no conflict, since an answer may get lost; in others it is.
"""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256
from typing import Any, Final, NamedTuple

from nhictl.core.ledger import record
from nhictl.core.token import compact, profile
from nhictl.core.token.verdict import RejectedError
from nhictl.errors import InputError, NotFoundError, RefusedError
from nhictl.ops import guard_call, possession, sealing, settled
from nhictl.ops.act import Act
from nhictl.ops.callers import Caller
from nhictl.ops.evaluate import Shown
from nhictl.ops.token_facts import Question
from nhictl.store import log, work

OUTCOMES: Final = ("ok", "error", "unknown")
_MEMBERS: Final = ("record", "token", "outcome", "result", "error", "bytes_out", "made")
_MOST: Final = {"record": 2**53, "bytes_out": 10**15}


class Told(NamedTuple):
    """A result as it was told: `record` is the number of the record that allowed the call."""

    record: int
    outcome: str
    token: str | None = None
    result: Any = None
    error: str | None = None
    bytes_out: int = 0
    made: bool = True


def read(value: Any) -> Told:
    """Read a request's object; InputError (2) names what is wrong with it."""
    if not isinstance(value, dict):
        raise _bad("a result is one JSON object")
    if extra := sorted(value.keys() - set(_MEMBERS)):
        raise _bad(f"no member `{extra[0][:64]}` in a result")
    for name, most in _MOST.items():
        if type(number := value.get(name, 0)) is not int or not 0 <= number <= most:
            raise _bad(f"`{name}` has to be a number from 0 to {most}")
    for name in ("token", "error"):
        if not isinstance(value.get(name), str | None):
            raise _bad(f"`{name}` has to be a text")
    if "record" not in value:
        raise _bad("`record` is missing: the number that the evaluation answered")
    if value.get("outcome") not in OUTCOMES:
        raise _bad(f"`outcome` has to be one of {', '.join(OUTCOMES)}")
    told = Told(**value)
    if not isinstance(told.made, bool):
        raise _bad("`made` has to be true or false")
    if not told.made and (told.outcome == "ok" or told.bytes_out):
        raise _bad("of a call that was not made nothing went well, and nothing left")
    return told


def telling(told: Told, caller: Caller, held: Shown | None) -> Callable[[Act], dict[str, Any]]:
    """The telling as an act. `held` is the token that came with the request; one in the body counts before it.

    RefusedError (1) for a caller that may not say that a call was not made, and for a bound token without its proof;
    NotFoundError (4) where there is no such call, or none of theirs; ConflictError (5) if something else was told before.
    """
    if not told.made and not caller.is_known:
        raise RefusedError("only a listed caller may say that a call was not made", code="caller_not_allowed")
    token = (
        told.token.encode("utf-8", "replace") if told.token is not None else held.token if held is not None else None
    )
    proof = held.proof if held is not None else None

    def act_on(act: Act) -> dict[str, Any]:
        act.actor = caller.actor()
        answer = _allowed(act, told.record, caller, token, proof)
        before = settled.by(act.house, answer.task_row or 0, told.record)
        if before is not None and _same(act, before, told, answer.task_row or 0):
            return {"record": before, "called": told.record, "repeated": True}
        seq = guard_call.settling(
            answer, told.outcome, told.result, error=told.error, made=told.made, bytes_out=told.bytes_out
        )(act)
        return {"record": seq, "called": told.record, "repeated": False}

    return act_on


def _allowed(
    act: Act, seq: int, caller: Caller, token: bytes | None, proof: tuple[bytes, str, str] | None
) -> guard_call.Answer:
    """The call of that record, if it was allowed and is the caller's to tell of."""
    line = log.line(act.db, seq)
    made = record.decode(line) if line is not None else {}
    row = work.task(act.db, made["task"]) if made.get("task") else None
    allowed = made.get("type") in ("token.used", "tool.called") and made.get("outcome") == "ok" and "tool" in made
    if row is not None and allowed:
        asked_by = (made.get("ext") or {}).get("caller")
        if caller.audiences is None or (caller.name is not None and caller.name == asked_by):
            return guard_call.of_record(seq, made, row.id)
        if token is not None and made.get("tok") == "sha256:" + sha256(token.strip()).hexdigest():
            _proved(act, token.strip(), proof)
            return guard_call.of_record(seq, made, row.id)
    raise NotFoundError(f"record {seq} allowed no call of yours", code="call_unknown")


def _proved(act: Act, token: bytes, proof: tuple[bytes, str, str] | None) -> None:
    """RefusedError (1) for a bound token without its key's proof. The token itself was judged when the call was allowed."""
    try:
        parsed = compact.parse(token, profile.TYPS[compact.kind_of(token)], act.house.issuer(act.seq).algorithms)
        if "cnf" in parsed.claims:
            possession.check(act.house, Question(token, "", proof=proof), parsed, act.now_us, take=True)
    except RejectedError as e:
        raise RefusedError(e.message or e.reason, code=e.reason) from e


def _same(act: Act, before: int, told: Told, task_row: int) -> bool:
    """Whether record `before` says what is told now."""
    line = log.line(act.db, before)
    if line is None:
        return False
    kept = record.decode(line)
    ext = kept.get("ext") or {}
    outcome, mine = guard_call.told_as(told.record, told.outcome, told.error, told.made, told.bytes_out)
    members = ("called", "answered", "made", "bytes_out", "error")
    if kept["outcome"] != outcome or any(ext.get(name) != mine.get(name) for name in members):
        return False
    committed = (kept.get("c") or {}).get("result")
    if told.result is None:
        return committed is None
    content = sealing.Content(act.house, act.chain)
    return bool(committed == content.would_be("result", guard_call.bounded(told.result), task_row))


def _bad(message: str) -> InputError:
    return InputError(message, code="invalid_result")
