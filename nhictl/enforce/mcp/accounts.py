"""The calls of a session that were let through and not answered: each is settled, once, whatever comes of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from nhictl.enforce.mcp import message as rpc
from nhictl.enforce.mcp.authority import Authority
from nhictl.enforce.mcp.message import Id, Message
from nhictl.enforce.mcp.refusal import refusal
from nhictl.errors import NhictlError
from nhictl.ops.guard_call import Answer


class Held(NamedTuple):
    """A call that was let through, and how the client called it."""

    answer: Answer
    ident: Any


class Accounts:
    """`as_error` is whether a denial is an error of the protocol and not of the tool."""

    def __init__(self, authority: Authority, note: Callable[[str], None], *, as_error: bool) -> None:
        self._authority = authority
        self._note = note
        self._as_error = as_error
        self._numbers = 0
        self.open: dict[Id, Held] = {}

    def begin(self, one: Message, digest: str) -> dict[str, Any] | None:
        """Judge a call: None if it is let through, else what the client is answered."""
        name, args = str(one.params["name"]), one.params.get("arguments", {})
        self._numbers += 1
        try:
            answer = self._authority.begin(name, args, f"{self._numbers}", digest)
        except NhictlError as e:
            self._note(f"{name[:100]} was not passed: {e}")
            return refusal(one.raw["id"], name, e.code, str(e), None, as_error=self._as_error)
        if not answer.allowed:
            return refusal(one.raw["id"], name, answer.reason, answer.message, answer, as_error=self._as_error)
        assert one.id is not None  # noqa: S101  # a call without one is not judged
        self.open[one.id] = Held(answer, one.raw["id"])
        return None

    def returned(self, ident: Id, raw: dict[str, Any]) -> dict[str, Any]:
        """Settle a call by its answer. An answer that could not be recorded is not handed on: nobody would know of it."""
        held = self.open.pop(ident)
        result = raw.get("result")
        failed = "error" in raw or (isinstance(result, dict) and result.get("isError") is True)
        what = raw.get("error", result)
        told = raw["error"].get("message") if isinstance(raw.get("error"), dict) else None
        if self._settle(held.answer, "error" if failed else "ok", what, told if isinstance(told, str) else None):
            return raw
        text = "nhictl: the call was made, but its result could not be recorded and is withheld"
        return rpc.error(held.ident, rpc.INTERNAL_ERROR, text)

    def give_up(self, idents: Iterable[Id], why: str, *, made: bool = True) -> None:
        """Settle those that no answer is waited for any more; `made` is whether the server may have been told of them: then
        nobody knows what came of them.
        """
        for ident in idents:
            if (held := self.open.pop(ident, None)) is not None:
                self._settle(held.answer, "unknown" if made else "error", None, why, made=made)

    def _settle(self, answer: Answer, outcome: str, result: Any, error: str | None, *, made: bool = True) -> bool:
        try:
            self._authority.settle(answer, outcome, result, error, made=made)
        except NhictlError as e:
            self._note(f"what came of record {answer.seq} could not be recorded: {e}")
            return False
        return True
