"""A helper program that keeps a secret for us: a password manager, a card, another user's file.

It is run without a shell as `PROGRAM [ARGUMENT…] get|store|erase`, the word last, as git and docker do it. Standard
input has the secret's id on its first line and for `store` the secret on the second; `get` prints the secret on one
line; exit status 0 means done. Both are letters, digits, `-` and `_`. What it says on standard error goes to the person.
It gets our environment without what is nhictl's, 60 seconds, and the terminal, should it have to ask.
"""

from __future__ import annotations

import os
import select
import shlex
import shutil
import stat
import subprocess
import time
from pathlib import Path
from typing import Final

from nhictl.errors import InputError, UnavailableError, UnsafeError
from nhictl.store import files

TIMEOUT_S: Final = 60.0
MAX_OUTPUT: Final = 4096
MAX_WORDS: Final = 32


def declared(command: str) -> list[str]:
    """The program and arguments of `--custody-helper`, the program by its absolute path; InputError (2), UnsafeError (6).

    Split at spaces as a shell would, but no shell ever sees it. A name without a slash is looked up, and
    links are followed, once, now.
    """
    try:
        words = shlex.split(command)
    except ValueError as e:
        raise InputError(f"--custody-helper: {str(e).lower()}", code="usage") from e
    if not words or len(words) > MAX_WORDS or any(not word.isprintable() for word in words):
        raise InputError(f"--custody-helper is a program and up to {MAX_WORDS - 1} arguments", code="usage")
    program = words[0] if "/" in words[0] else shutil.which(words[0])
    if program is None:
        raise InputError(f"there is no program `{words[0]}`", code="usage", hint="give its absolute path")
    words[0] = os.path.realpath(program)
    check_program(words[0])
    return words


def check_program(name: str) -> None:
    """UnsafeError (6) if anybody but its owner, who is us or root, could change the program or put another in its place."""
    real = Path(name)
    try:
        info = real.stat()
    except OSError as e:
        raise _failed(name, f"cannot be looked at: {(e.strerror or str(e)).lower()}") from e
    if os.path.realpath(name) != name:
        raise UnsafeError(
            f"the helper `{name}` is reached by a symbolic link, which it was not when it was declared",
            code="helper_unsafe", hint="declare it again with: nhictl key custody helper --custody-helper",
        )  # fmt: skip
    if not stat.S_ISREG(info.st_mode) or not os.access(real, os.X_OK):
        raise _failed(name, "is no program")
    if info.st_uid not in (os.geteuid(), 0):
        raise UnsafeError(f"the helper `{real}` belongs to uid {info.st_uid}", code="helper_unsafe")
    if info.st_mode & 0o022:
        raise UnsafeError(
            f"the helper `{real}` has mode {stat.S_IMODE(info.st_mode):04o}: others could change it",
            code="helper_unsafe", hint=f"chmod go-w {real}",
        )  # fmt: skip
    if real.parent.stat().st_mode & stat.S_IWOTH:
        raise UnsafeError(f"the helper's folder `{real.parent}` is everybody's to write in", code="helper_unsafe")
    for folder in real.parents:
        files.check_parent(folder)


def ask(words: list[str], action: str, name: str, secret: str | None = None) -> str:
    """Run the operator's helper; the first line it printed. UnavailableError (7) if it fails, UnsafeError (6) if unsafe."""
    check_program(words[0])
    status, said = run(words, action, name, secret)
    if status != 0:
        how = f"was ended by signal {-status}" if status < 0 else f"ended with status {status}"
        raise _failed(words[0], f"{how} when asked to {action}")
    return said


def run(words: list[str], action: str, name: str, secret: str | None, *, quiet: bool = False) -> tuple[int, str]:
    """Run a helper; its exit status and the one line it printed. `quiet` keeps its standard error from the person."""
    given = "".join(f"{line}\n" for line in (name, secret) if line is not None).encode()
    environment = {key: value for key, value in os.environ.items() if not key.startswith("NHICTL_")}
    end = time.monotonic() + TIMEOUT_S
    try:
        process = subprocess.Popen(  # noqa: S603  # what the operator declared, by its path and without a shell
            [*words, action], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL if quiet else None, env=environment, bufsize=0,
        )  # fmt: skip
    except OSError as e:
        raise _failed(words[0], f"cannot be run: {(e.strerror or str(e)).lower()}") from e
    try:
        said = _exchange(process, given, end, words[0])
        status = process.wait(max(0.0, end - time.monotonic()))
    except subprocess.TimeoutExpired as e:
        raise _failed(words[0], f"did not end within {TIMEOUT_S:g} s") from e
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
        for stream in (process.stdin, process.stdout):
            if stream is not None:
                stream.close()
    line, _, rest = said.partition(b"\n")
    if rest.strip() or not line.isascii():
        raise _failed(words[0], "printed more than one line")
    return status, line.decode().strip()


def _exchange(process: subprocess.Popen[bytes], given: bytes, end: float, name: str) -> bytes:
    """Give it its input, which fits into the pipe, and take its output to the end or to the cap."""
    stdin, stdout = process.stdin, process.stdout
    if stdin is None or stdout is None:
        raise _failed(name, "has no streams")
    try:
        stdin.write(given)
        stdin.close()
    except BrokenPipeError:
        pass  # it did not want to know; its status tells
    poller = select.poll()
    poller.register(stdout, select.POLLIN | select.POLLHUP)
    said = b""
    while (left := end - time.monotonic()) > 0:
        if poller.poll(min(left, 0.2) * 1000):
            more = os.read(stdout.fileno(), MAX_OUTPUT)
            said += more
            if len(said) > MAX_OUTPUT:
                raise _failed(name, f"printed over {MAX_OUTPUT} bytes")
            if not more:
                return said
        elif process.poll() is not None:  # something it left running still holds the pipe
            return said
    raise subprocess.TimeoutExpired(name, TIMEOUT_S)


def _failed(name: str, why: str) -> UnavailableError:
    return UnavailableError(
        f"the custody helper `{name}` {why}", code="custody_unavailable", hint="nothing was done; try it by itself"
    )
