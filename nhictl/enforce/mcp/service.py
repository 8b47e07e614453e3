"""The guard over HTTP as a process: it listens until it is told to end, and then settles what is open."""

from __future__ import annotations

import signal
from collections.abc import Callable, Sequence
from types import FrameType

from nhictl.enforce.mcp.calls import Calls, InTurn
from nhictl.enforce.mcp.channels import Channels
from nhictl.enforce.mcp.gate import PATH
from nhictl.enforce.mcp.gateway import Gateway
from nhictl.enforce.mcp.upstream import LOOPBACK, Upstream
from nhictl.errors import InputError, UnavailableError
from nhictl.ops import guard_grip
from nhictl.ops.house import House
from nhictl.ops.house_thread import HouseThread


class _EndError(BaseException):
    pass


def serve(
    house: House, calls: Calls, url: str, listen: str, authorization: str | None, passed: Sequence[str],
    note: Callable[[str], None], announce: Callable[[str], None], *, errors: bool,
) -> None:  # fmt: skip
    """Stand before the server at `url`; `announce` gets the address that clients are to use. Returns on SIGTERM and SIGINT.

    InputError (2) for addresses that are none, UnavailableError (7) where it cannot listen.
    """
    host, port = _address(listen)
    upstream = Upstream(url, lambda: guard_grip.authorization(authorization))
    guard_grip.authorization(authorization)  # refused before anything listens
    house.close()
    thread = HouseThread(house)
    channels = Channels(upstream, InTurn(thread, calls), passed, note, errors=errors)
    try:
        gateway = Gateway((host, port), channels)
    except OSError as e:
        raise UnavailableError(f"cannot listen on {listen}: {(e.strerror or str(e)).lower()}") from e
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _end)
    try:
        announce(f"http://{f'[{host}]' if ':' in host else host}:{gateway.port}{PATH}")
        gateway.serve_forever()
    except _EndError:
        pass
    finally:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, signal.SIG_IGN)  # once is enough: what is open is being settled
        gateway.server_close()
        channels.end()
        thread.close()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, signal.SIG_DFL)


def _end(_signal: int, _frame: FrameType | None) -> None:
    raise _EndError


def _address(listen: str) -> tuple[str, int]:
    host, _, port = listen.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if host not in LOOPBACK or not (port.isascii() and port.isdigit() and int(port) < 65536):
        raise InputError(
            f"no address to listen on: `{listen}`", code="usage", hint="127.0.0.1:PORT or [::1]:PORT, and no other host"
        )
    return ("127.0.0.1" if host == "localhost" else host), int(port)
