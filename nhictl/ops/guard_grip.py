"""What an enforcement point holds: the token that `run` handed over, or the task that was named; read anew for each call."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from nhictl.errors import InputError, UnavailableError
from nhictl.ops.guard_call import RECORD, Grip
from nhictl.store import files

TOKEN_FD: Final = "NHICTL_TOKEN_FD"  # noqa: S105  # the names of variables
TOKEN_FILE: Final = "NHICTL_TOKEN_FILE"  # noqa: S105
TOKEN: Final = "NHICTL_TOKEN"  # noqa: S105
TASK: Final = "NHICTL_TASK"
NAMES: Final = (TOKEN_FD, TOKEN_FILE, TOKEN, TASK)
_LIMIT: Final = 16384 + 2


def from_environment(
    point: str, audience: str | None, env: Mapping[str, str] = os.environ, *, performs: frozenset[str] = RECORD
) -> Grip | None:
    """The token of `run`, newest first read from where it is renewed, else the task of `NHICTL_TASK`; None if neither is named.

    A token is for one audience, so without `audience` the task that `run` names beside it is held instead; InputError (2)
    where there is no task either, UnavailableError (7) for a descriptor or file that cannot be read.
    """
    named = [name for name in (TOKEN_FD, TOKEN_FILE, TOKEN) if env.get(name)]
    if named and audience is not None:
        return Grip(point, audience, token=_read(named[0], env[named[0]]), performs=performs)
    if task := env.get(TASK):
        return Grip(point, task=task, performs=performs)
    if named:
        raise InputError(
            f"there is a token in ${named[0]}, but not for whom this point is", code="usage",
            hint="name the audience of the token: --audience URI",
        )  # fmt: skip
    return None


def _read(name: str, value: str) -> bytes:
    if name == TOKEN:
        return value.encode("utf-8", "surrogateescape")[:_LIMIT]
    path = value
    if name == TOKEN_FD:
        if not (value.isascii() and value.isdigit() and len(value) <= 9):
            raise InputError(f"${TOKEN_FD} names no descriptor", code="usage")
        path = f"/dev/fd/{value}"
    try:
        with Path(path).open("rb") as file:
            return file.read(_LIMIT)
    except OSError as e:
        raise UnavailableError(f"${name} cannot be read: {(e.strerror or str(e)).lower()}", code="no_token") from e


def authorization(file: str | None) -> str | None:
    """What a server behind the guard is asked with: the header's value as it stands in a file that nobody else may read."""
    if file is None:
        return None
    try:
        value = files.read_secret(Path(file), _LIMIT).strip().decode("ascii")
    except OSError as e:
        raise UnavailableError(
            f"`{file}` cannot be read: {(e.strerror or str(e)).lower()}", code="no_credential"
        ) from e
    except UnicodeDecodeError as e:
        raise InputError("what the server is asked with is ASCII text", file=file) from e
    if not value or not value.isprintable():
        raise InputError("what the server is asked with is one line, as in `Bearer …`", file=file)
    return value
