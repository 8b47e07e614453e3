"""Lines between a client on our standard streams and a server that we start: one thread, nothing waits for a full pipe.

The server ends with us, also if we are killed (parent-death signal), and is told nothing that would let it act for the
agent: it does not inherit what `nhictl run` hands over. Its standard error is ours.

A session is over when the server ends, when nobody reads what it says, when it takes nothing any more, or when we are told
to end. Whoever started us may kill us soon after, so what is open is settled first, and then the server is seen to.
"""

from __future__ import annotations

import contextlib
import functools
import operator
import os
import select
import signal
import subprocess
import time
from collections.abc import Sequence
from typing import Final

from nhictl.enforce.mcp.endings import Endings
from nhictl.enforce.mcp.message import MAX_LINE
from nhictl.enforce.mcp.session import Session
from nhictl.ops.run_child import dying_with_us

_BLOCK: Final = 1 << 16
_FULL: Final = 8 << 20
"""Bytes waiting for one side at which the other is not read any further."""
_GRACE_S: Final = 5.0
"""Seconds that a server has to end after each thing that tells it to, and to answer after it takes nothing any more."""
_GONE: Final = select.POLLERR | select.POLLHUP | select.POLLNVAL


class _Lines:
    """Bytes that come in, as lines; one that is too long is a line of its first bytes, which nobody takes for a message."""

    def __init__(self) -> None:
        self._rest = bytearray()
        self._dropping = False

    def add(self, data: bytes) -> list[bytes]:
        found: list[bytes] = []
        *whole, last = data.split(b"\n")
        for part in whole:
            self._take(part)
            if not self._dropping:
                found.append(bytes(self._rest))
            self._rest.clear()
            self._dropping = False
        self._take(last)
        if len(self._rest) > MAX_LINE and not self._dropping:
            found.append(bytes(self._rest[: MAX_LINE + 1]))
            self._dropping = True
        if self._dropping:
            self._rest.clear()
        return found

    def _take(self, part: bytes) -> None:
        if not self._dropping:
            self._rest += part

    def end(self) -> list[bytes]:
        return [bytes(self._rest)] if self._rest and not self._dropping else []


class Relay:
    """One client and one server. `run` returns the server's exit status as a shell would say it, or 128 and the signal that
    told us to end.
    """

    def __init__(self, session: Session, command: Sequence[str], env: dict[str, str], streams: tuple[int, int]) -> None:
        self._session = session
        self._client_in, self._client_out = streams
        self._process = subprocess.Popen(  # noqa: S603  # the command is what we were asked to run
            list(command), stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=env, preexec_fn=dying_with_us(),  # noqa: PLW1509
        )  # fmt: skip
        assert self._process.stdin is not None  # noqa: S101  # for the type checker
        assert self._process.stdout is not None  # noqa: S101
        self._server_in: int | None = self._process.stdin.fileno()
        self._server_out = self._process.stdout.fileno()
        self._waiting = {"client": bytearray(), "server": bytearray()}
        self._lines = {"client": _Lines(), "server": _Lines()}
        self._last: float | None = None  # when a server that takes nothing any more has had its time

    def run(self) -> int:
        """Carry lines until the session is over; every call is settled when this returns or raises."""
        with Endings() as endings:
            why: str | None = "the guard failed"
            try:
                for number in (self._client_in, self._client_out, self._server_in, self._server_out):
                    if number is not None:
                        os.set_blocking(number, False)
                why = self._loop(endings)
            finally:
                if why is not None:
                    self._session.end(why)
                code = self._stop(at_once=endings.told is not None or self._last is not None)
                self._session.end(f"the server ended with {code}" if code else "the session ended")
                with contextlib.suppress(OSError):
                    os.set_blocking(self._client_out, True)
            return code if endings.told is None else 128 + endings.told

    def _loop(self, endings: Endings) -> str | None:
        """Why the session is over; None where the server itself has ended, or is about to."""
        reading = {"client": True, "server": True}
        while reading["server"] or self._waiting["client"]:
            if not reading["client"] and not self._waiting["server"]:
                self._close_server_in()
            ready = self._ready(reading, endings.fileno())
            if (why := self._over(ready, endings.told)) is not None:
                if "from server" in ready:
                    self._read("server", self._server_out)  # what is answered already is known
                return why
            if "to server" in ready and self._server_in is not None and not self._write(self._server_in, "server"):
                self._waiting["server"].clear()
                self._close_server_in()
                self._last = time.monotonic() + _GRACE_S
            for side, number in (("client", self._client_in), ("server", self._server_out)):
                if f"from {side}" in ready:
                    reading[side] = self._read(side, number)
        return None

    def _over(self, ready: set[str], told: int | None) -> str | None:
        """Why nothing is carried any more; None while it is."""
        if told is not None:
            return f"the guard was told to end ({signal.Signals(told).name})"
        if self._last is not None and time.monotonic() >= self._last:
            return "the server takes nothing any more"
        if "client gone" in ready or ("to client" in ready and not self._write(self._client_out, "client")):
            return "the client has gone"
        return None

    def _ready(self, reading: dict[str, bool], told: int) -> set[str]:
        """What can be done without waiting; waits until something can, or somebody says on `told` that it is enough."""
        wanted: dict[int, dict[int, str]] = {self._client_out: {_GONE: "client gone"}, told: {select.POLLIN: "told"}}
        if reading["client"] and len(self._waiting["server"]) < _FULL and self._server_in is not None:
            wanted.setdefault(self._client_in, {})[select.POLLIN | _GONE] = "from client"
        if reading["server"] and len(self._waiting["client"]) < _FULL:
            wanted[self._server_out] = {select.POLLIN | _GONE: "from server"}
        if self._waiting["client"]:
            wanted[self._client_out][select.POLLOUT] = "to client"
        if self._waiting["server"] and self._server_in is not None:
            wanted[self._server_in] = {select.POLLOUT | _GONE: "to server"}
        poll = select.poll()  # not epoll, which refuses plain files: standard input may be one
        for number, names in wanted.items():
            poll.register(number, functools.reduce(operator.or_, names) & ~_GONE)  # those are told in any case
        left = None if self._last is None else max(0.0, self._last - time.monotonic()) * 1000
        return {name for number, mask in poll.poll(left) for event, name in wanted[number].items() if mask & event}

    def _read(self, side: str, number: int) -> bool:
        """Read what is there and hand on its lines; False at the end."""
        try:
            data = os.read(number, _BLOCK)
        except BlockingIOError:
            return True
        except OSError:
            data = b""
        lines = self._lines[side].add(data) if data else self._lines[side].end()
        for line in lines:
            take = self._session.from_client if side == "client" else self._session.from_server
            back, forth = take(line)
            self._waiting["client"] += back
            self._waiting["server"] += forth
        return bool(data)

    def _write(self, number: int, side: str) -> bool:
        """Write what goes; False if nobody reads there any more."""
        waiting = self._waiting[side]
        try:
            with memoryview(waiting)[:_BLOCK] as part:
                done = os.write(number, part)
        except BlockingIOError:
            return True
        except OSError:
            return False
        del waiting[:done]
        return True

    def _close_server_in(self) -> None:
        if self._server_in is not None and self._process.stdin is not None:
            self._server_in = None
            with contextlib.suppress(OSError):
                self._process.stdin.close()

    def _stop(self, *, at_once: bool) -> int:
        """End the server as the specification says (MCP "Lifecycle", shutdown over stdio): its input, then SIGTERM, SIGKILL.
        `at_once` it is told by SIGTERM as well: as we were, or because it reads no input.
        """
        self._close_server_in()
        for harder in (signal.SIGTERM, signal.SIGKILL) if at_once else (None, signal.SIGTERM, signal.SIGKILL):
            if harder is not None:
                self._process.send_signal(harder)
            with contextlib.suppress(subprocess.TimeoutExpired):
                code = self._process.wait(_GRACE_S)
                return code if code >= 0 else 128 - code
        return 128
