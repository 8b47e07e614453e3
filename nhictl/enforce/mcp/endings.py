"""Signals that tell us to end, as something to wait for beside other things: nothing that is under way is interrupted."""

from __future__ import annotations

import contextlib
import os
import signal
from types import FrameType, TracebackType
from typing import Any, Final, Self

_ENDING: Final = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


class Endings:
    """From entering to leaving, such a signal sets `told` and makes `fileno` readable. One that we were started with
    ignored stays ignored. For the main thread alone.
    """

    def __init__(self) -> None:
        self.told: int | None = None
        self._read, self._write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._before: dict[signal.Signals, Any] = {}

    def fileno(self) -> int:
        """The descriptor that can be read from once one has come."""
        return self._read

    def __enter__(self) -> Self:
        for number in _ENDING:
            if (before := signal.getsignal(number)) is not signal.SIG_IGN:
                self._before[number] = before
                signal.signal(number, self._come)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        for number, before in self._before.items():
            signal.signal(number, before)
        os.close(self._read)
        os.close(self._write)

    def _come(self, number: int, _frame: FrameType | None) -> None:
        self.told = self.told or number
        with contextlib.suppress(BlockingIOError):
            os.write(self._write, b"!")
