"""Separation: is whoever calls us another user than the home's owner? `user` if the kernel shows it, else `none`.

We run as the home's owner (nothing else may open it), so a caller under another user came through sudo or the like. Our
own user ids are all the owner's then, `SUDO_UID` is only a variable, and `/proc/self/loginuid` can be written by anybody
as long as it is unset (Linux, procfs-audit_loginuid). What a process cannot forge is under which user its ancestors run:
sudo's real uid is that of whoever started it, and the nearest ancestor that is not root has to be somebody else altogether.
"""

from __future__ import annotations

import functools
import os
from pathlib import Path
from typing import Final, NamedTuple

NONE: Final = "none"
USER: Final = "user"

_ROOT: Final = 0
_DEPTH: Final = 8
"""sudo is one process, or two with a terminal of its own; more than a few is not what we know."""

_POWERS: Final = sum(1 << bit for bit in (0, 1, 2, 3, 6, 7, 16, 17, 19, 21, 27, 31))
"""Capabilities with which a user reads other users' files: chown, dac_*, fowner, setgid, setuid, sys_module, sys_rawio,
sys_ptrace, sys_admin, mknod, setfcap."""


class Process(NamedTuple):
    """One as `/proc/PID/status` says: parent; real, effective, saved and file-system uid; permitted capabilities."""

    parent: int
    uids: tuple[int, ...]
    powers: int

    @property
    def only(self) -> int | None:
        """The user it runs as in every respect, None if real, effective, saved and file-system uid differ."""
        return self.uids[0] if len(set(self.uids)) == 1 else None


class Separation(NamedTuple):
    """`kind` is `none` or `user`; `uid` the caller's where it is known; `why` a clause for people."""

    kind: str
    uid: int | None
    why: str


def process(pid: int) -> Process | None:
    """One process as the kernel shows it, None if it does not."""
    if pid <= 0:
        return None  # our parent lives in another pid namespace
    try:
        text = Path(f"/proc/{pid}/status").read_bytes()
    except OSError:
        return None
    said = dict(line.split(b":\t", 1) for line in text.split(b"\n") if b":\t" in line)
    try:
        uids = tuple(int(word) for word in said[b"Uid"].split())
        return Process(int(said[b"PPid"]), uids, int(said[b"CapPrm"], 16))
    except (KeyError, ValueError):
        return None


def overflow_uid() -> int:
    """The uid under which users of outside a user namespace are shown: nobody in particular."""
    try:
        return int(Path("/proc/sys/kernel/overflowuid").read_text(encoding="ascii"))
    except (OSError, ValueError):
        return 65534


@functools.cache
def of_caller() -> Separation:
    """How far apart the caller of this process and the owner of the home, who is our effective user, are."""
    owner, nobody, child = os.geteuid(), overflow_uid(), os.getpid()
    began: int | None = None  # who began the set-uid-root program that we came through
    for _ in range(_DEPTH):
        me = process(child)
        above = process(me.parent) if me is not None else None
        again = process(child)
        if me is None or above is None or again is None or again.parent != me.parent:
            return Separation(NONE, None, "the kernel does not show who the caller is")
        if owner in above.uids:
            return Separation(NONE, owner, "the caller runs under the home's own user")
        if nobody in above.uids:
            return Separation(NONE, None, "the caller is outside this user namespace")
        if above.only not in (None, _ROOT) or began is not None:
            return _somebody(above, began, owner)
        real, *others = above.uids
        if set(others) != {_ROOT}:
            return Separation(NONE, None, "the caller is changing users")
        began = real if real != _ROOT else None
        child = me.parent
    return Separation(NONE, None, "the caller could not be found among its ancestors")


def of_peer(uid: int, pid: int) -> Separation:
    """How far apart the other end of a socket (its SO_PEERCRED) and the owner of the home, our effective user, are.

    The pid only takes away: a process that holds powers over other users' files is not separate.
    """
    owner = os.geteuid()
    if uid == owner:
        return Separation(NONE, uid, "the caller runs under the home's own user")
    if uid == _ROOT:
        return Separation(NONE, uid, "the caller is root")
    if uid == overflow_uid():
        return Separation(NONE, None, "the caller is outside this user namespace")
    found = process(pid)
    if found is not None and found.powers & _POWERS:
        return Separation(NONE, uid, f"the caller runs as uid {uid}, with capabilities that open other users' files")
    return Separation(USER, uid, f"the caller runs as uid {uid}, the home belongs to uid {owner}")


def _somebody(above: Process, began: int | None, owner: int) -> Separation:
    """The caller is found: by the process it runs as, or, where that has become sudo itself, by who began that."""
    uid = began if began is not None else above.uids[0]
    if above.only == uid and above.powers & _POWERS:
        return Separation(NONE, uid, f"the caller runs as uid {uid}, with capabilities that open other users' files")
    return Separation(USER, uid, f"the caller runs as uid {uid}, the home belongs to uid {owner}")
