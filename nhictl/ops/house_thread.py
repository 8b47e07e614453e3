"""A home that many threads act in, one at a time, by a thread of its own.

A connection is one thread's, and closing the last one of a database costs more than an act, so it stays open in between.
No fork may hold a connection (design §6): a process that forks lets go of it before, and both go on with one of their own.
"""

from __future__ import annotations

import atexit
import os
import threading
from collections.abc import Callable
from concurrent.futures import Future
from queue import SimpleQueue
from typing import Any, Final, TypeVar
from weakref import WeakSet, finalize

from nhictl.ops.house import House

T = TypeVar("T")
Job = tuple[Callable[[House], Any], Future[Any]]


class HouseThread:
    """The thread is begun when it is first needed, and again after `close`. It ends with whoever holds this."""

    def __init__(self, house: House) -> None:
        self._house = house
        self.lock = threading.Lock()
        self._jobs: SimpleQueue[Job | None] = SimpleQueue()
        self._thread: threading.Thread | None = None
        _ALL.add(self)
        finalize(self, self._jobs.put, None).atexit = False

    def do(self, work: Callable[[House], T]) -> T:
        """Do something in the home, after what others asked for, and return what it returns, or raise what it raises."""
        done: Future[T] = Future()
        with self.lock:
            if self._thread is None:
                self._thread = threading.Thread(target=_run, args=(self._jobs, self._house), daemon=True)
                self._thread.start()
            self._jobs.put((work, done))
            return done.result()

    def close(self) -> None:
        """Let go of the home."""
        with self.lock:
            self.let_go()

    def let_go(self) -> None:
        """The same for whoever holds the lock."""
        if self._thread is not None:
            self._jobs.put(None)
            self._thread.join()
            self._thread = None

    @property
    def is_this(self) -> bool:
        """Whether it is this thread, in the middle of something."""
        return self._thread is threading.current_thread()


def _run(jobs: SimpleQueue[Job | None], house: House) -> None:
    while (job := jobs.get()) is not None:
        work, done = job
        try:
            done.set_result(work(house))
        except BaseException as e:  # noqa: BLE001  # handed to whoever waits for it
            done.set_exception(e)
        del job, work, done  # nothing is held while nothing is done
    house.close()


_ALL: Final[WeakSet[HouseThread]] = WeakSet()
_forking: list[HouseThread] = []


def _before_fork() -> None:
    """Let go of every home, and keep others from coming in until it is done. A helper that an act itself starts is executed
    at once, and so holds nothing.
    """
    for one in list(_ALL):
        if not one.is_this:
            one.lock.acquire()
            one.let_go()
            _forking.append(one)


def _after_fork() -> None:
    while _forking:
        _forking.pop().lock.release()


def _at_exit() -> None:
    for one in list(_ALL):
        one.close()


os.register_at_fork(before=_before_fork, after_in_parent=_after_fork, after_in_child=_after_fork)
atexit.register(_at_exit)
