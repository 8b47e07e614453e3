"""The command under `nhictl run` as a process: started, told the signals we are sent, waited for.

It stays in our process group, so that the terminal and the shell's job control treat it as they would without us. What
the terminal sends (Ctrl-C, Ctrl-Z, a hang-up) the kernel gives to the whole group, the command included; only what was
sent to us by a process is passed on. Signals are never handled by interrupting: they stay blocked, and are waited for.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any, Final, Self

_PASSED_ON: Final = (
    signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2, signal.SIGWINCH,
    signal.SIGCONT, signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU,
)  # fmt: skip
_ENDING: Final = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT)
_BY_TERMINAL: Final = (signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU)
_SI_KERNEL: Final = 0x80
_PR_SET_PDEATHSIG: Final = 1
_LONG_S: Final = 86400.0


class Signals:
    """From entering to leaving, the signals that concern the command wait until they are asked for."""

    def __init__(self) -> None:
        self.ignored = {
            number for number in (*_PASSED_ON, signal.SIGCHLD) if signal.getsignal(number) is signal.SIG_IGN
        }
        self.watched = {number for number in _PASSED_ON if number not in self.ignored} | {signal.SIGCHLD}
        self._interrupt: Any = signal.SIG_DFL
        self.before: set[Any] = set()

    def __enter__(self) -> Self:
        if signal.SIGCHLD in self.ignored:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # else the kernel would not keep how the command ended
        self.before = signal.pthread_sigmask(signal.SIG_BLOCK, self.watched)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        while signal.sigtimedwait(self.watched, 0) is not None:
            pass  # sent to a command that has ended
        signal.pthread_sigmask(signal.SIG_SETMASK, self.before)

    def ending(self) -> int | None:
        """A signal that says to end and came before the command was started, None if there is none."""
        found = signal.sigpending()
        return next((int(number) for number in _ENDING if number in found and number in self.watched), None)

    def as_before(self) -> None:
        """Inside a new process: the signal mask and dispositions that we were started with."""
        if signal.SIGINT not in self.ignored:
            signal.signal(signal.SIGINT, signal.SIG_DFL)
        if signal.SIGCHLD in self.ignored:
            signal.signal(signal.SIGCHLD, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_SETMASK, self.before)


class Child:
    """The running command."""

    def __init__(self, argv: Sequence[str], env: dict[str, str], inherit: Sequence[int], signals: Signals) -> None:
        """Start it; OSError with the cause if it cannot be executed.

        Descriptors that we were given are passed on; ours all close on exec, except `inherit`. It gets SIGTERM if we
        die, unless what it executes is set-uid, which the kernel takes as a reason not to.
        """
        self._signals = signals
        tied = dying_with_us()

        def prepare() -> None:
            tied()
            signals.as_before()

        for number in inherit:
            os.set_inheritable(number, True)
        try:
            self._process = subprocess.Popen(  # noqa: S603  # the command is what we were asked to run
                list(argv),
                env=env,
                close_fds=False,
                preexec_fn=prepare,  # noqa: PLW1509  # we have one thread
            )
        finally:
            for number in inherit:
                os.set_inheritable(number, False)
        self.pid = self._process.pid

    def wait(self, beat: Callable[[], float | None]) -> int:
        """Wait for its end and return its status as `waitpid` gives it, passing signals on.

        `beat` is called whenever something happened, and says after how many seconds at the latest it wants to be called
        again (None: no matter).
        """
        while (early := signal.sigtimedwait(self._signals.watched, 0)) is not None:
            self._tell(early.si_signo)  # came while it was started: better twice than never
        while (status := self._reap()) is None:
            pause = beat()
            found = signal.sigtimedwait(self._signals.watched, _LONG_S if pause is None else max(pause, 0))
            if found is not None and found.si_signo != signal.SIGCHLD and found.si_code != _SI_KERNEL:
                self._tell(found.si_signo)
        return status

    def _tell(self, number: int) -> None:
        if number != signal.SIGCHLD:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def _reap(self) -> int | None:
        """Its status if it has ended. Others that we are the parent of, as the first process of a container is, are let go."""
        while True:
            pid, status = os.waitpid(-1, os.WNOHANG | os.WUNTRACED)
            if pid == 0:
                return None
            if pid == self.pid:
                if not os.WIFSTOPPED(status):
                    self._process.returncode = os.waitstatus_to_exitcode(status)
                    return status
                if os.WSTOPSIG(status) in _BY_TERMINAL and self._with_us():
                    os.kill(os.getpid(), signal.SIGSTOP)  # the shell has to see that the job is stopped

    def _with_us(self) -> bool:
        try:
            return os.getpgid(self.pid) == os.getpgrp()
        except OSError:
            return False


def dying_with_us() -> Callable[[], None]:
    """What a new process has to do before it executes anything, to be sent SIGTERM when the process that starts it dies."""
    prctl, parent = _prctl(), os.getpid()

    def prepare() -> None:
        if prctl is not None:
            prctl(_PR_SET_PDEATHSIG, int(signal.SIGTERM), 0, 0, 0)
        if os.getppid() != parent:
            os.kill(os.getpid(), signal.SIGKILL)  # we died before that was in force

    return prepare


def _prctl() -> Any:
    try:
        import ctypes

        return ctypes.CDLL(None).prctl
    except (ImportError, OSError, AttributeError):
        return None


def exit_status(status: int) -> int:
    """What a shell would say: the exit status, or 128 and the signal's number."""
    code = os.waitstatus_to_exitcode(status)
    return code if code >= 0 else 128 - code
