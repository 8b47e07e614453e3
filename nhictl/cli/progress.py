"""A sign of life for work that takes longer than a second: on standard error, and only on a terminal."""

from __future__ import annotations

import contextlib
import sys
import threading
import time
from collections.abc import Iterator

AFTER_S = 1.0
_CLEAR = "\r\x1b[K"


@contextlib.contextmanager
def progress(what: str, *, after_s: float = AFTER_S) -> Iterator[None]:
    """Say `what` and for how long, from `after_s` seconds on, once a second; nothing is left of it at the end.

    A pipe or file sees nothing. The thread writes to the terminal and touches nothing else.
    """
    if not sys.stderr.isatty():
        yield
        return
    done = threading.Event()
    ticking = threading.Thread(target=_tick, args=(what, done, after_s), daemon=True)
    ticking.start()
    try:
        yield
    finally:
        done.set()
        ticking.join()


def _tick(what: str, done: threading.Event, after_s: float) -> None:
    began = time.monotonic()
    if done.wait(after_s):
        return
    with contextlib.suppress(OSError, ValueError):  # a terminal that went away
        while True:
            sys.stderr.write(f"{_CLEAR}{what} … {int(time.monotonic() - began)} s")
            sys.stderr.flush()
            if done.wait(1.0):
                break
        sys.stderr.write(_CLEAR)
        sys.stderr.flush()
