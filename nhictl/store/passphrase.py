"""Passphrases: where one comes from, what it is normalised to, and the key that scrypt (RFC 7914) derives from it.

It comes from a 0600 file, a descriptor, the first line of standard input, or the terminal without echo; never from an
argument or the value of a variable, which every process of the user can read in /proc.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import stat
import unicodedata
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final, NamedTuple

from nhictl.errors import InputError, UnavailableError, UnsafeError

MAX_BYTES: Final = 1024
MIN_CHARACTERS: Final = 15
"""Of a passphrase that stands alone: NIST SP 800-63B-4 §3.1.1.2."""
SALT_BYTES: Final = 16
HINT: Final = "--passphrase-file FILE, $NHICTL_PASSPHRASE_FILE or $NHICTL_PASSPHRASE_FD; or a terminal to type it at"


class Cost(NamedTuple):
    """scrypt's parameters; it needs 128·n·r bytes of memory at once."""

    n: int
    r: int
    p: int

    def mib(self) -> int:
        """The memory it needs, in MiB."""
        return 128 * self.n * self.r >> 20

    def fault(self) -> str | None:
        """What is wrong with parameters that we did not choose: too cheap to protect, or dear enough to exhaust us."""
        if self.n < 2 or self.n & (self.n - 1):
            return "n is no power of two"
        if not (1 << 15 <= self.n <= 1 << 20 and 8 <= self.r <= 32 and 1 <= self.p <= 8):
            return "n, r or p is out of bounds"
        if 128 * self.n * self.r > 1 << 29 or self.n * self.r * self.p > 1 << 23:
            return "they ask for too much memory or work"
        return None


COST: Final = Cost(1 << 17, 8, 1)
"""What OWASP's password storage cheat sheet asks for: 128 MiB, and about half a second on a server of today."""


def derive(passphrase: bytes, salt: bytes, cost: Cost) -> bytes:
    """32 bytes by scrypt; UnavailableError (7) if the memory is not to be had."""
    room = 128 * cost.r * (cost.n + cost.p + 2) + (1 << 20)
    try:
        return hashlib.scrypt(passphrase, salt=salt, n=cost.n, r=cost.r, p=cost.p, maxmem=room, dklen=32)
    except (MemoryError, ValueError) as e:
        raise UnavailableError(
            f"the passphrase cannot be tried: scrypt needs {cost.mib()} MiB of memory", code="custody_unavailable"
        ) from e


class Source:
    """Where a passphrase comes from; asked at most once, whatever it is needed for."""

    def __init__(self, *, line: bytes | None = None, file: str | None = None, handle: int | None = None) -> None:
        self._line = line
        self._file = file
        self._handle = _copy(handle) if handle is not None else None
        self._read: bytes | None = None

    @classmethod
    def of_environment(cls, environment: Mapping[str, str] | None = None) -> Source:
        """`$NHICTL_PASSPHRASE_FD`, else `$NHICTL_PASSPHRASE_FILE`, else the terminal."""
        environment = os.environ if environment is None else environment
        if number := environment.get("NHICTL_PASSPHRASE_FD"):
            if not (number.isascii() and number.isdigit() and len(number) <= 6):
                raise InputError("$NHICTL_PASSPHRASE_FD is no number of a descriptor", code="usage")
            return cls(handle=int(number))
        return cls(file=environment.get("NHICTL_PASSPHRASE_FILE") or None)

    def named(self) -> bool:
        """Whether it comes from anything but the terminal."""
        return not (self._line is None and self._file is None and self._handle is None)

    def present(self, what: str = "passphrase") -> bytes:
        """The passphrase there is; UnavailableError (7, `custody_locked`) if nobody can give it."""
        if self._read is None:
            self._read = _normal(self._given() if self.named() else _typed([f"{what}: "])[0])
        return self._read

    def new(self, what: str = "new passphrase") -> bytes:
        """A passphrase that is chosen now: typed twice, long enough; InputError (2) if it is not."""
        if self._read is None and not self.named():
            first, again = _typed([f"{what}: ", "once more: "])
            if first != again:
                raise InputError("the two passphrases differ", code="passphrase_differs", hint="type it again")
            self._read = _normal(first)
        chosen = self.present()
        if (length := len(chosen.decode())) < MIN_CHARACTERS:
            raise InputError(
                f"the passphrase has {length} characters, not {MIN_CHARACTERS} or more", code="passphrase_short",
                hint="a thief of the disk can try without limit: take six random words",
            )  # fmt: skip
        return chosen

    def _given(self) -> bytes:
        if self._line is not None:
            return self._line
        if self._handle is not None:
            try:
                return _first_line(self._handle, "the passphrase's descriptor")
            finally:
                os.close(self._handle)
        name = self._file or ""
        try:
            handle = os.open(name, os.O_RDONLY | os.O_CLOEXEC | os.O_NOCTTY)
        except OSError as e:
            raise InputError(f"cannot read `{name}`: {(e.strerror or str(e)).lower()}", code="unreadable") from e
        try:
            if stat.S_ISREG(os.fstat(handle).st_mode) and Path(name).is_symlink():
                raise UnsafeError(f"`{name}` is a symbolic link", hint="name the file itself")
            return _first_line(handle, f"`{name}`")
        finally:
            os.close(handle)


def _copy(number: int) -> int:
    """A copy of the caller's descriptor, taken before anything of ours is opened, so that it is not ours."""
    if number < 3:
        raise InputError(
            f"descriptor {number} is a standard stream", code="usage", hint="--passphrase-file - reads standard input"
        )
    try:
        return os.dup(number)
    except OSError as e:
        raise InputError(f"the passphrase's descriptor {number} is not open", code="usage") from e


def _first_line(handle: int, where: str) -> bytes:
    """The one line there is; a regular file has to be the owner's alone and to hold nothing else."""
    info = os.fstat(handle)
    regular = stat.S_ISREG(info.st_mode)
    if regular and info.st_uid not in (os.geteuid(), 0):
        raise UnsafeError(f"{where} belongs to uid {info.st_uid}, who knows the passphrase then")
    if regular and info.st_mode & 0o077:
        raise UnsafeError(
            f"{where} has mode {stat.S_IMODE(info.st_mode):04o}: others could read the passphrase",
            code="loose_permissions", hint="chmod 0600",
        )  # fmt: skip
    read = b""
    try:
        while len(read) <= MAX_BYTES and (regular or b"\n" not in read):
            if not (more := os.read(handle, MAX_BYTES + 2 if regular else 1)):
                break
            read += more
    except OSError as e:
        raise InputError(f"cannot read {where}: {(e.strerror or str(e)).lower()}", code="unreadable") from e
    line, _, rest = read.partition(b"\n")
    if rest:
        raise InputError(f"{where} holds more than one line", code="invalid_passphrase")
    return line


def _normal(line: bytes) -> bytes:
    """Without its line end, in NFC (as RFC 8265 §4.2 has it), so that every keyboard spells it alike."""
    line = line.rstrip(b"\r\n")
    if len(line) > MAX_BYTES:
        raise InputError(f"a passphrase has at most {MAX_BYTES} bytes", code="invalid_passphrase")
    try:
        text = unicodedata.normalize("NFC", line.decode())
    except UnicodeDecodeError:
        raise InputError("the passphrase is not UTF-8", code="invalid_passphrase") from None  # the cause quotes it
    if not text:
        raise UnavailableError("the passphrase is empty", code="custody_locked", hint=HINT)
    return text.encode()


def _typed(prompts: list[str]) -> list[bytes]:
    """What is typed at the terminal, unseen, after each prompt."""
    try:
        terminal = os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC)
    except OSError as e:
        raise UnavailableError(
            "the key-encryption key needs a passphrase, and there is no terminal to ask at", code="custody_locked",
            hint=HINT,
        ) from e  # fmt: skip
    lines = []
    try:
        with _unseen(terminal):
            for prompt in prompts:
                os.write(terminal, prompt.encode(errors="replace"))
                lines.append(os.read(terminal, 4096))
                os.write(terminal, b"\n")
    except OSError as e:
        raise UnavailableError("the terminal cannot be read", code="custody_locked", hint=HINT) from e
    finally:
        os.close(terminal)
    return lines


@contextlib.contextmanager
def _unseen(terminal: int) -> Iterator[None]:
    import termios

    try:
        before = termios.tcgetattr(terminal)
        silent = before[:]
        silent[3] &= ~termios.ECHO
        termios.tcsetattr(terminal, termios.TCSAFLUSH, silent)
    except termios.error as e:
        raise OSError(*e.args) from e
    try:
        yield
    finally:
        with contextlib.suppress(termios.error):
            termios.tcsetattr(terminal, termios.TCSAFLUSH, before)
