"""Where connections come in, and how it ends: a stop lets what was begun be answered, within bounds."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import socket
import stat
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import uvicorn

from nhictl.enforce.serve.app import Note, build
from nhictl.enforce.serve.protocol import MAX_HEADERS, Connection
from nhictl.enforce.serve.service import Service
from nhictl.errors import ConflictError, InputError, NhictlError, UnavailableError
from nhictl.ops import callers, serve_public

STOP_S: Final = 10
"""Seconds that requests have to be answered once we are told to stop."""
REFRESH_S: Final = 30
BACKLOG: Final = 256


class Server(uvicorn.Server):
    """Signals stop it and are not raised again: a stop that was asked for is no failure."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        numbers = (signal.SIGTERM, signal.SIGINT) if threading.current_thread() is threading.main_thread() else ()
        loop = asyncio.get_running_loop()
        for number in numbers:
            loop.add_signal_handler(number, self.stop)
        yield
        for number in numbers:
            loop.remove_signal_handler(number)

    def stop(self) -> None:
        """Take no more connections, answer what was begun, and end."""
        self.should_exit = True


def unix_socket(path: Path, mode: int, group: int | None) -> socket.socket:
    """A listening socket at `path`; one that nobody listens on any more is replaced.

    ConflictError (5) if somebody does, InputError (2) for what is no socket or too long a path, UnavailableError (7).
    """
    if len(os.fsencode(path)) > 107:
        raise InputError(f"`{path}` is too long for a socket: 107 bytes at most", code="usage")
    _clear(path)
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        before = os.umask(0o177)  # nobody connects before its mode is what it has to be
        try:
            sock.bind(str(path))
        finally:
            os.umask(before)
        if group is not None:
            os.chown(path, -1, group)
        path.chmod(mode)
        sock.listen(BACKLOG)
    except OSError as e:
        sock.close()
        raise UnavailableError(f"cannot listen at `{path}`: {(e.strerror or str(e)).lower()}") from e
    return sock


def _clear(path: Path) -> None:
    try:
        info = path.lstat()
    except FileNotFoundError:
        return
    except OSError as e:
        raise UnavailableError(f"cannot listen at `{path}`: {(e.strerror or str(e)).lower()}") from e
    if not stat.S_ISSOCK(info.st_mode) or info.st_uid != os.geteuid():
        raise InputError(f"`{path}` is there, and no socket of yours", code="usage")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(str(path))
        except OSError:
            path.unlink(missing_ok=True)
            return
    raise ConflictError(f"somebody serves at `{path}` already", code="already_served")


def tcp_socket(host: str, port: int) -> socket.socket:
    """A listening socket; ConflictError (5) if the port is taken, InputError (2) for no address."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((host, port))
        sock.listen(BACKLOG)
    except OSError as e:
        sock.close()
        why = f"cannot listen at {host} port {port}: {(e.strerror or str(e)).lower()}"
        raise ConflictError(why, code="already_served") from e
    return sock


def server(service: Service, note: Note) -> Server:
    """The server of an authority, not yet started."""
    config = uvicorn.Config(
        build(service, note), http=Connection, ws="none", lifespan="off", log_config=None, log_level=logging.CRITICAL + 1,
        access_log=False, server_header=False, proxy_headers=False, timeout_keep_alive=5, timeout_graceful_shutdown=STOP_S,
        h11_max_incomplete_event_size=MAX_HEADERS, backlog=BACKLOG, loop="asyncio",
    )  # fmt: skip
    return Server(config)


def serve(one: Server, service: Service, sock: socket.socket, ready: Callable[[], None], note: Note) -> None:
    """Serve until it is stopped, by SIGTERM or SIGINT where this is the main thread. `ready` is called once connections are
    answered, `note` takes what people should know.
    """
    try:
        asyncio.run(_serving(one, service, sock, ready, note))
    finally:
        service.close()


async def _serving(one: Server, service: Service, sock: socket.socket, ready: Callable[[], None], note: Note) -> None:
    work = asyncio.create_task(one.serve(sockets=[sock]))
    while not one.started and not work.done():
        await asyncio.sleep(0.01)
    if not work.done():
        ready()
    beside = asyncio.create_task(_refreshing(service, note)) if service.place.folder is not None else None
    try:
        await work
    finally:
        if beside is not None:
            beside.cancel()


async def _refreshing(service: Service, note: Note) -> None:
    """Status lists are believed for a while only, so they are signed anew in time."""
    while True:
        await asyncio.sleep(REFRESH_S)
        try:
            done = await service.readers.do(callers.STRANGER, serve_public.refresh)
        except NhictlError as e:
            note(f"published files could not be brought up to date: {e}")
            continue
        for each in done:
            if each.error is not None:
                note(f"`{each.out}` could not be brought up to date: {each.error}")
