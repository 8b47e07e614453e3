"""Threads that do what requests ask for, each with a connection of its own, behind a queue that is never long.

Acts that wait at the same time are carried out in one transaction (`ops/act_together`), by the one thread that writes.
"""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Callable
from typing import Any, Final, NamedTuple, TypeVar

from nhictl.errors import NhictlError, UnavailableError
from nhictl.ops import callers
from nhictl.ops.act import Act, Head
from nhictl.ops.act_together import together
from nhictl.ops.callers import Caller
from nhictl.ops.house import House

T = TypeVar("T")
WAITING: Final = 256
"""Requests that may wait for a thread; the next one is refused at once."""
TOGETHER: Final = 32
"""Acts in one transaction at most: about how long one of them may hold up other processes' writers."""


class _Job(NamedTuple):
    caller: Caller
    act: Callable[[Act], Any] | None
    work: Callable[[House], Any] | None
    done: Callable[[Any, BaseException | None], None]


class Workers:
    """`count` threads; an act is given to `act`, anything else, which may be an act of its own, to `do`."""

    def __init__(self, house: House, count: int, *, lock_timeout: float = 5.0) -> None:
        self._jobs: queue.Queue[_Job | None] = queue.Queue(WAITING)
        self._lock_timeout = lock_timeout
        self._threads = [
            threading.Thread(target=self._run, args=(house.another(),), name=f"nhictl-{number}", daemon=True)
            for number in range(count)
        ]
        for thread in self._threads:
            thread.start()

    @property
    def waiting(self) -> int:
        """How many requests wait for a thread."""
        return self._jobs.qsize()

    async def act(self, caller: Caller, act: Callable[[Act], T]) -> tuple[T, Head]:
        """Carry out an act, perhaps together with others; its answer and the head. UnavailableError (7) if too many wait."""
        found: tuple[T, Head] = await self._put(caller, act, None)
        return found

    async def do(self, caller: Caller, work: Callable[[House], T]) -> T:
        """Do something in a home that is the caller's for as long. UnavailableError (7) if too many wait."""
        found: T = await self._put(caller, None, work)
        return found

    async def _put(self, caller: Caller, act: Callable[[Act], Any] | None, work: Callable[[House], Any] | None) -> Any:
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Any] = loop.create_future()

        def settle(result: Any, error: BaseException | None) -> None:
            if future.done():  # whoever asked is gone
                return
            if error is None:
                future.set_result(result)
            else:
                future.set_exception(error)

        def done(result: Any, error: BaseException | None) -> None:
            try:
                loop.call_soon_threadsafe(settle, result, error)
            except RuntimeError:
                return  # the loop was closed: nobody waits any more

        try:
            self._jobs.put_nowait(_Job(caller, act, work, done))
        except queue.Full:
            raise UnavailableError("too many requests wait", code="overloaded", hint="try again") from None
        return await future

    def close(self) -> None:
        """End the threads once they have done what is waiting, and let go of their connections."""
        for _ in self._threads:
            self._jobs.put(None)
        for thread in self._threads:
            thread.join()

    def _run(self, house: House) -> None:
        house.lock_timeout = self._lock_timeout
        try:
            while (job := self._jobs.get()) is not None:
                batch = self._batch(job) if job.act is not None else [job]
                try:
                    self._carry_out(house, batch)
                except Exception as e:  # noqa: BLE001  # no thread ends of what one request meets
                    for one in batch:
                        one.done(None, e)
        finally:
            house.close()

    def _carry_out(self, house: House, batch: list[_Job]) -> None:
        acts = [one.act for one in batch if one.act is not None]
        if acts:
            self._finish(house, batch, together(house, acts))
        if batch[-1].work is not None:
            self._finish(house, batch[-1:], [_done(house, batch[-1])])

    def _batch(self, first: _Job) -> list[_Job]:
        """What waits behind an act, as far as it goes together with it; a job of another kind may be its last."""
        batch = [first]
        while len(batch) < TOGETHER and batch[-1].act is not None:
            try:
                job = self._jobs.get_nowait()
            except queue.Empty:
                break
            if job is None:
                self._jobs.put(None)
                break
            batch.append(job)
        return batch

    def _finish(self, house: House, batch: list[_Job], answers: list[Any]) -> None:
        if any(isinstance(answer, NhictlError) and answer.exit in (6, 7, 70) for answer in answers):
            house.close()  # opened anew, and checked, at the next use
        for job, answer in zip(batch, answers, strict=False):
            if isinstance(answer, Exception):
                job.done(None, answer)
            else:
                job.done(answer, None)


def _done(house: House, job: _Job) -> Any:
    callers.act_as(house, job.caller)
    try:
        return job.work(house) if job.work is not None else None
    except Exception as e:  # noqa: BLE001  # handed to whoever waits, whose boundary tells a bug from an error
        return e
