"""What holds for one call of the program: global options, the moment it began, and the opened home."""

from __future__ import annotations

import os
import sys
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from nhictl.errors import InputError, NhictlError
from nhictl.ops.home_place import database_of, default_home
from nhictl.ops.house import House

if TYPE_CHECKING:
    from nhictl.ops.key_custody import Source

MAX_PASSPHRASE_LINE = 1026
FORMATS = ("table", "json", "jsonl", "csv", "tsv", "markdown")
DOCUMENTS = ("junit", "sarif")
"""Formats that only the verbs have which name them in `FORMATS`."""


class Session:
    """Global options as they were given last, and what follows from them."""

    def __init__(self, arguments: list[str] | None = None) -> None:
        self.arguments = arguments or []
        self.home: str | None = None
        self.store: str | None = None
        self.output: str | None = None
        self.no_color = False
        self.debug = False
        self.passphrase_file: str | None = None
        self.passphrase_line: bytes | None = None
        self.undelivered: str | None = None
        """The jti of a token that was issued but not yet printed."""
        self.own_failure: int | None = None
        """The one exit status of all our errors, for a verb that otherwise ends as its command did."""
        self._house: House | None = None

    def house(self) -> House:
        """The home that was named, not yet opened."""
        if self._house is None:
            home = Path(self.home).expanduser() if self.home else default_home()
            self._house = House(home, database_of(home, self.store or os.environ.get("NHICTL_STORE")))
            if self.passphrase_file or os.environ.get(
                "NHICTL_PASSPHRASE_FD"
            ):  # a descriptor is copied before we open any
                self._house.passphrase = passphrase(self.passphrase_file, self.passphrase_line)
        return self._house

    def opened(self) -> House | None:
        """The home, if one was named by now."""
        return self._house

    def notices(self) -> list[NhictlError]:
        """What the answer has to add: things that were done here and not everywhere."""
        return self._house.notices if self._house is not None else []

    def close(self) -> None:
        """Let go of the home."""
        if self._house is not None:
            self._house.close()

    def format(self) -> str | None:
        """The output format asked for, None if none was."""
        chosen = self.output or os.environ.get("NHICTL_OUTPUT") or None
        if chosen is not None and chosen not in (*FORMATS, *DOCUMENTS):
            raise InputError(f"no output format `{chosen}`", code="usage", hint=f"one of {', '.join(FORMATS)}")
        return chosen

    def json_errors(self) -> bool:
        """Whether errors are to be JSON; also when the arguments could not be parsed to the end."""
        return (self.output or _asked(self.arguments) or os.environ.get("NHICTL_OUTPUT")) in ("json", "jsonl")

    def wants_debug(self) -> bool:
        """Whether a traceback was asked for, parsed or not."""
        return self.debug or "--debug" in self.arguments

    def color(self) -> bool:
        """Whether colour is wanted: NO_COLOR, TERM=dumb and --no-color say no (no-color.org)."""
        return not (self.no_color or os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb")

    def now_us(self) -> int:
        """The clock of the home."""
        return self.house().clock()

    def at(self, text: str | None, option: str = "--at") -> int | None:
        """The moment that `--at`, or another such option, names; microseconds, or None."""
        if text is None:
            return None
        from nhictl.ops.reading import moment

        return moment(option, text, self.now_us())


def _asked(arguments: list[str]) -> str | None:
    """The output format that unparsed arguments ask for last."""
    asked = None
    for here, following in pairwise([*arguments, ""]):
        if here == "--":
            break
        if here == "--json":
            asked = "json"
        elif here in ("-o", "--output"):
            asked = following
        elif here.startswith("--output="):
            asked = here.removeprefix("--output=")
        elif here.startswith("-o") and len(here) > 2:
            asked = here[2:]
    return asked


_current = Session()


def session() -> Session:
    """The session of the call that is running."""
    return _current


def begin(arguments: list[str] | None = None) -> Session:
    """Start afresh: one session a call, also when several calls share a process (tests, the demo)."""
    global _current  # noqa: PLW0603
    _current = Session(arguments)
    return _current


def passphrase(file: str | None, line: bytes | None) -> Source:
    """Where a passphrase comes from: the line that was read from standard input, the file, else what the environment says."""
    from nhictl.ops.key_custody import passphrase_source

    return passphrase_source(file, line)


def passphrase_line(file: str | None) -> bytes | None:
    """For `-` the first line of standard input, read before anybody else reads it; the rest is left to them."""
    if file != "-":
        return None
    return sys.stdin.buffer.readline(MAX_PASSPHRASE_LINE) if sys.stdin is not None else b""


def stdin_bytes(limit: int) -> bytes:
    """Standard input up to `limit` bytes and one more, so that too much shows."""
    return sys.stdin.buffer.read(limit + 1)


def read_input(name: str, limit: int) -> bytes:
    """The bytes of a file, or of standard input for `-`; InputError if it cannot be read or is over `limit` bytes."""
    try:
        if name == "-":
            data = stdin_bytes(limit)
        else:
            with Path(name).open("rb") as file:
                data = file.read(limit + 1)
    except OSError as e:
        raise InputError(f"cannot read `{name}`: {(e.strerror or str(e)).lower()}", code="unreadable") from e
    if len(data) > limit:
        raise InputError(f"`{name}` is over {limit} bytes", code="too_large")
    return data
