"""A helper program of the operator, which brings or ends a secret of another system: JSON on stdin, JSON on stdout."""

from __future__ import annotations

import os
import stat
import subprocess
from collections.abc import Callable
from typing import Any, Final, NamedTuple

from nhictl.core import strict_json, times
from nhictl.core.credential_file import Declared
from nhictl.errors import NhictlError, UnavailableError, UnsafeError

MAX_REPLY: Final = 65536
MAX_HANDLE: Final = 500


class Acquired(NamedTuple):
    """What a helper brought: the secret itself, when it expires by itself if it does (RFC 3339), what the helper calls it."""

    secret: str
    expires: str | None
    handle: str | None


def acquire(declared: Declared, request: dict[str, Any], prepare: Callable[[], None] | None = None) -> Acquired:
    """Have the secret made; UnavailableError (7, `credential_failed`) whatever went wrong. What it wrote is never shown."""
    said = _run(declared, declared.acquire, request | {"do": "acquire"}, prepare)
    try:
        reply = strict_json.loads(said)
    except strict_json.StrictJSONError as e:
        raise _failed(declared, "acquire", "its answer is not JSON") from e
    if not isinstance(reply, dict):
        raise _failed(declared, "acquire", "its answer is no JSON object")
    secret, expires, handle = (reply.get(key) for key in ("secret", "expires", "handle"))
    if not isinstance(secret, str) or not secret or "\0" in secret:
        raise _failed(declared, "acquire", "its answer has no `secret` that is a text")
    if handle is not None and not (isinstance(handle, str) and len(handle) <= MAX_HANDLE and handle.isprintable()):
        raise _failed(declared, "acquire", f"its `handle` is no text of at most {MAX_HANDLE} printable characters")
    try:
        until = None if expires is None else times.rfc3339(times.parse_time(expires, 0))
    except (ValueError, TypeError, OverflowError, AttributeError) as e:
        raise _failed(declared, "acquire", "its `expires` is no RFC 3339 time") from e
    return Acquired(secret, until, handle)


def revoke(declared: Declared, request: dict[str, Any], prepare: Callable[[], None] | None = None) -> None:
    """Have the secret ended; the same error. A helper that finds nothing to end has to succeed."""
    _run(declared, declared.revoke, request | {"do": "revoke"}, prepare)


def _failed(declared: Declared, which: str, why: str) -> NhictlError:
    return UnavailableError(f"credential `{declared.name}`: {which}: {why}", code="credential_failed")


def _run(
    declared: Declared, argv: tuple[str, ...], request: dict[str, Any], prepare: Callable[[], None] | None
) -> bytes:
    """Run it in a session of its own, so that no Ctrl-C meant for the command stops it half-way."""
    which = request["do"]
    _check_program(argv[0])
    asked = strict_json.dumps({"schema": "nhictl.credential_request/v1", "credential": declared.name} | request)
    try:
        done = subprocess.run(  # noqa: S603  # declared by the operator
            argv, input=asked.encode() + b"\n", stdout=subprocess.PIPE, timeout=declared.timeout_s, check=False,
            start_new_session=True, preexec_fn=prepare,  # we have one thread
        )  # fmt: skip
    except subprocess.TimeoutExpired as e:
        raise _failed(declared, which, f"not done within {declared.timeout_s} s") from e
    except OSError as e:
        raise _failed(declared, which, (e.strerror or str(e)).lower()) from e
    if done.returncode != 0:
        raise _failed(declared, which, f"ended with {done.returncode}")
    if len(done.stdout) > MAX_REPLY:
        raise _failed(declared, which, f"answered over {MAX_REPLY} bytes")
    return done.stdout


def _check_program(path: str) -> None:
    """UnsafeError (6) for a program that others than its owner could change, or that is neither ours nor root's."""
    try:
        info = os.stat(path)  # noqa: PTH116
    except OSError:
        return  # running it says what is wrong
    if info.st_mode & (stat.S_IWGRP | stat.S_IWOTH) or info.st_uid not in (os.geteuid(), 0):
        raise UnsafeError(f"the helper `{path}` could be changed by others", code="loose_permissions")
