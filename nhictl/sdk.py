"""For Python agents: a call is judged before it is made and settled after it, in the agent's own process.

    from nhictl.sdk import Guard, guard

    @guard("reports.read")                        # the function's parameters are the tool's arguments
    def read(limit: int) -> list[str]: ...

    with guard("mail.send", {"to": to}) as call:  # or around any code; `async with` and `async def` alike
        call.result = send(**call.args)

A denied call raises `DeniedError` and nothing of it is run; so does whatever could not be recorded, by its own error. The
authority is the token that `nhictl run` hands over (with the audience it is for), else the task in `NHICTL_TASK`; it is read
anew for every call, so a revocation ends the very next one. A process that is asked is not kept from calling the tool
another way: this guards an agent that is honest but misled, not one that means harm (design §11).
"""

from __future__ import annotations

import copy
import functools
import inspect
import threading
from collections.abc import Callable, Collection, Mapping
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

from nhictl.errors import InputError, NhictlError
from nhictl.ops import guard_call, guard_function, guard_grip
from nhictl.ops.guard_call import Answer, Grip
from nhictl.ops.home_place import database_of, default_home
from nhictl.ops.house import House
from nhictl.ops.house_thread import HouseThread

__all__ = ["Call", "DeniedError", "Guard", "guard"]

F = TypeVar("F", bound=Callable[..., Any])


class DeniedError(NhictlError):
    """The call may not be made: `reason` is the reason code, `record` the number of the denial in the log, and `request` the
    id of what was asked of an approver, where only that is wanting.
    """

    exit = 1
    code = "denied"

    def __init__(self, tool: str, answer: Answer) -> None:
        why = f": {answer.message}" if answer.message else ""
        super().__init__(f"`{tool}` is denied: {answer.reason}{why}", details={"reason": answer.reason})
        self.reason = answer.reason
        self.record = answer.seq
        self.request = answer.request


class Guard:
    """Whose calls these are: a home, and a token by audience or a task; what is not given comes from the environment.

    `performs` names the obligations that the program sees to itself; a call that obliges to others is denied. One may be
    shared by threads and tasks, and the process may fork.
    """

    def __init__(
        self, *, home: str | None = None, store: str | None = None, audience: str | None = None, task: str | None = None,
        performs: Collection[str] = (),
    ) -> None:  # fmt: skip
        folder = Path(home) if home is not None else default_home()
        self._house = HouseThread(House(folder, database_of(folder, store)))
        self._audience = audience
        self._task = task
        self._performs = guard_call.RECORD | frozenset(performs)

    def __call__(
        self, tool: str, args: Mapping[str, Any] | None = None, *, resource: str | None = None,
        context: Mapping[str, Any] | None = None,
    ) -> Call:  # fmt: skip
        """One call of `tool`, as a context manager, or a decorator for the function that makes it (then without `args`)."""
        return Call(self, tool, args, resource, context)

    def begin(self, call: guard_call.Call) -> Answer:
        """Judge and record one call; for `Call`, and for frameworks that cannot use one."""
        return self._house.do(lambda house: guard_call.begin(house, self._grip(), call))

    def settle(self, answer: Answer, outcome: str, result: Any, error: str | None, *, made: bool = True) -> None:
        """Record how an allowed call ended: `ok` or `error`, its result, and the error in a word."""
        self._house.do(lambda house: guard_call.settle(house, answer, outcome, result, error=error, made=made))

    def _grip(self) -> Grip:
        if self._task is not None:
            return Grip("sdk", task=self._task, performs=self._performs)
        found = guard_grip.from_environment("sdk", self._audience, performs=self._performs)
        if found is None:
            raise InputError(
                "there is neither a token nor a task to call under", code="no_authority",
                hint="start the agent with: nhictl run … -- CMD",
            )  # fmt: skip
        return found


class Call(AbstractContextManager["Call"], AbstractAsyncContextManager["Call"]):
    """One call, or the decorator that makes one of each call of a function. `args` are what was judged; put what came of it
    into `result`, which is committed with it.
    """

    def __init__(
        self,
        guard: Guard,
        tool: str,
        args: Mapping[str, Any] | None,
        resource: str | None,
        context: Mapping[str, Any] | None,
    ) -> None:
        self._guard = guard
        self._tool = tool
        self._resource = resource
        self._context = dict(context) if context is not None else None
        self._answer: Answer | None = None
        self._given = args is not None
        self.args: dict[str, Any] = copy.deepcopy(dict(args or {}))
        self.result: Any = None

    @property
    def obligations(self) -> list[dict[str, Any]]:
        """What the rules that allowed the call oblige to, for a program that performs some; nothing before it is allowed."""
        return self._answer.obligations if self._answer is not None else []

    def __call__(self, function: F) -> F:
        """Guard a function, sync or async: every call of it is one of the tool's, its parameters are the arguments."""
        signature = guard_function.signature(function, self._tool)
        if self._given:
            raise InputError("a guarded function has its own arguments: give none to the decorator", code="usage")

        def made(positional: tuple[Any, ...], named: dict[str, Any]) -> Call:
            args = guard_function.arguments(signature, positional, named)
            return Call(self._guard, self._tool, args, self._resource, self._context)

        if inspect.iscoroutinefunction(function):

            @functools.wraps(function)
            async def later(*positional: Any, **named: Any) -> Any:
                async with made(positional, named) as call:
                    call.result = await function(*positional, **named)
                    return call.result

            return later  # type: ignore[return-value]

        @functools.wraps(function)
        def now(*positional: Any, **named: Any) -> Any:
            with made(positional, named) as call:
                call.result = function(*positional, **named)
                return call.result

        return now  # type: ignore[return-value]

    def __enter__(self) -> Self:
        return self._allowed(self._guard.begin(self._call()))

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _at: TracebackType | None
    ) -> None:
        if (answer := self._answer) is not None:
            self._guard.settle(answer, *self._outcome(kind))

    async def __aenter__(self) -> Self:
        import asyncio

        attempt = _Attempt(self._guard, self._call())
        try:
            return self._allowed(await asyncio.shield(asyncio.get_running_loop().run_in_executor(None, attempt.begin)))
        except asyncio.CancelledError:
            attempt.abandon()
            raise

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _at: TracebackType | None
    ) -> None:
        import asyncio

        if (answer := self._answer) is not None:
            outcome, result, why = self._outcome(kind)
            settle = functools.partial(self._guard.settle, answer, outcome, result, why)
            await asyncio.shield(asyncio.get_running_loop().run_in_executor(None, settle))

    def _call(self) -> guard_call.Call:
        if self._answer is not None:
            raise InputError("a call is made once: make another", code="usage")
        return guard_call.Call(self._tool, copy.deepcopy(self.args), self._resource, self._context)

    def _allowed(self, answer: Answer) -> Self:
        if not answer.allowed:
            raise DeniedError(self._tool, answer)
        self._answer = answer
        return self

    def _outcome(self, kind: type[BaseException] | None) -> tuple[str, Any, str | None]:
        """How it ended. Of an exception its type alone is kept: its text may hold anything."""
        return ("ok", self.result, None) if kind is None else ("error", self.result, kind.__name__)


class _Attempt:
    """A call that is being judged in another thread while whoever waits for it may be cancelled: then it is settled there
    as never made.
    """

    def __init__(self, guard: Guard, call: guard_call.Call) -> None:
        self._guard = guard
        self._call = call
        self._lock = threading.Lock()
        self._abandoned = False
        self._answer: Answer | None = None

    def begin(self) -> Answer:
        answer = self._guard.begin(self._call)
        with self._lock:
            self._answer = answer
            abandoned = self._abandoned
        if abandoned:
            self._undo(answer)
        return answer

    def abandon(self) -> None:
        with self._lock:
            self._abandoned = True
            answer = self._answer
        if answer is not None:
            self._undo(answer)

    def _undo(self, answer: Answer) -> None:
        if answer.allowed:
            self._guard.settle(answer, "error", None, "cancelled before it was made", made=False)


class _Default:
    """`guard` itself: a `Guard` of the environment, made at the first call."""

    def __init__(self) -> None:
        self._made: Guard | None = None

    def __call__(
        self, tool: str, args: Mapping[str, Any] | None = None, *, resource: str | None = None,
        context: Mapping[str, Any] | None = None,
    ) -> Call:  # fmt: skip
        """One call of `tool` under what the environment holds; see `Guard`."""
        if self._made is None:
            self._made = Guard()
        return self._made(tool, args, resource=resource, context=context)


guard = _Default()
"""The guard of this process, under the home and the task or token that its environment names."""
