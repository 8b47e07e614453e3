"""Lines in groups: as many as have come by now, up to a number, a size and a time; memory stays bounded whatever comes."""

from __future__ import annotations

import os
import select
import time
from collections import deque
from typing import Final

from nhictl.cli.batch import MAX_LINE

MAX_LINES: Final = 256
MAX_BYTES: Final = 4_000_000
MAX_WAIT_S: Final = 0.05
PAUSE_S: Final = 0.002
"""A group ends with this many lines or bytes, this long after its first line, or once nothing more comes for this long."""

_BLOCK: Final = 1 << 16


class LineFeed:
    """The lines of a descriptor, None for one of over `MAX_LINE` bytes.

    Nothing is read ahead of a group but a block: whoever writes faster has to wait.
    """

    def __init__(self, handle: int) -> None:
        self._handle = handle
        self._lines: deque[bytes | None] = deque()
        self._rest = b""
        self._ended = False
        self._skipping = False

    def group(self) -> list[bytes | None]:
        """Wait for a line, then take what comes with it; empty at the end of the input."""
        group: list[bytes | None] = []
        size, until = 0, 0.0
        while True:
            while self._lines:
                line = self._lines.popleft()
                group.append(line)
                size += len(line or b"")
                if len(group) >= MAX_LINES or size >= MAX_BYTES:
                    return group
            if self._ended:
                return group
            if group:
                until = until or time.monotonic() + MAX_WAIT_S
                left = min(PAUSE_S, until - time.monotonic())
                if left <= 0 or not select.select([self._handle], [], [], left)[0]:
                    return group
            self._read()

    def _read(self) -> None:
        block = os.read(self._handle, _BLOCK)
        if not block:
            self._ended = True
            if self._rest or self._skipping:
                self._whole(self._rest)
            self._rest = b""
            return
        *whole, rest = block.split(b"\n")
        for part in whole:
            self._whole(self._rest + part)
            self._rest = b""
        self._rest += rest
        if len(self._rest) > MAX_LINE:
            self._rest, self._skipping = b"", True

    def _whole(self, line: bytes) -> None:
        self._lines.append(None if self._skipping or len(line) > MAX_LINE else line)
        self._skipping = False
