"""The writers' queue: one `flock` on a file of its own, taken before `BEGIN IMMEDIATE`, let go after the commit.

SQLite's own busy handler polls with growing sleeps, so that a writer may starve. The kernel hands a lock to those who
wait in order, but whoever asks at the moment it is let go overtakes them all, and mostly that is who had it last. So there
is a door before it: a lock on the file's first byte, held by who is next. Who has the turn opens the door only when it is
nearly done (`open_door`): then the next one is there already, and who comes back queues behind the others.
"""

from __future__ import annotations

import fcntl
import os
import signal
import struct
import threading
import time
from pathlib import Path
from types import FrameType
from typing import Final

from nhictl.errors import ConflictError, UnavailableError

_FLOCK: Final = "hhqqi0q"  # struct flock: l_type, l_whence, l_start, l_len, l_pid; padded as C pads it
_CLOSE: Final = struct.pack(_FLOCK, fcntl.F_WRLCK, os.SEEK_SET, 0, 1, 0)
_OPEN: Final = struct.pack(_FLOCK, fcntl.F_UNLCK, os.SEEK_SET, 0, 1, 0)


class _TimeUpError(Exception):
    pass


def _time_up(_signal: int, _frame: FrameType | None) -> None:
    raise _TimeUpError


class WriteLock:
    """An exclusive lock on `path`, held between `acquire` and `release`; the kernel drops it if the process dies."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._handle = -1

    def acquire(self, timeout: float) -> None:
        """Wait up to `timeout` seconds for the lock; raise ConflictError (`lock_timeout`, exit 5) if it is not had."""
        try:
            self._handle = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        except OSError as e:
            raise UnavailableError(f"cannot open the lock `{self._path}`: {(e.strerror or str(e)).lower()}") from e
        try:
            if not self._wait(timeout):
                raise ConflictError(
                    f"another writer held the lock for {timeout:g} s", code="lock_timeout", hint="try again"
                )
        except BaseException:
            self.release()
            raise

    def _try(self) -> bool:
        try:
            fcntl.flock(self._handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def _try_door(self) -> bool:
        try:
            fcntl.fcntl(self._handle, fcntl.F_OFD_SETLK, _CLOSE)
        except BlockingIOError:
            return False
        return True

    def _wait(self, timeout: float) -> bool:
        if self._try_door() and self._try():
            return True
        if timeout <= 0:
            return False
        if threading.current_thread() is not threading.main_thread() or signal.getitimer(signal.ITIMER_REAL)[0]:
            end = time.monotonic() + timeout
            while time.monotonic() < end:
                time.sleep(0.002)
                if self._try():
                    return True
            return False
        before = signal.signal(signal.SIGALRM, _time_up)
        try:
            try:
                signal.setitimer(signal.ITIMER_REAL, timeout)
                fcntl.fcntl(self._handle, fcntl.F_OFD_SETLKW, _CLOSE)
                fcntl.flock(self._handle, fcntl.LOCK_EX)
            finally:
                signal.setitimer(signal.ITIMER_REAL, 0)
        except _TimeUpError:  # also when it comes just after the lock was had
            return False
        finally:
            signal.signal(signal.SIGALRM, before)
        return True

    def open_door(self) -> None:
        """Let who is next come near, shortly before this turn ends."""
        fcntl.fcntl(self._handle, fcntl.F_OFD_SETLK, _OPEN)

    def release(self) -> None:
        """Let go; harmless if it is not held."""
        if self._handle >= 0:
            os.close(self._handle)
            self._handle = -1
