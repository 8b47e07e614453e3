"""Who asks a served authority, and what they may ask: the home's owner everything, others what `serve.yaml` lists.

On the socket the kernel says who connected. Over TCP nobody is anyone but by a secret of theirs; a token shows what its
holder may do and nothing else. The file is looked at for every request, so that what is taken away there ends at the next.
"""

from __future__ import annotations

import hmac
import os
from hashlib import sha256
from typing import Any, Final, NamedTuple

from nhictl.core import caller_file
from nhictl.errors import InputError, RefusedError, UnavailableError, UnsafeError
from nhictl.ops import separation
from nhictl.ops.house import House, effective_user
from nhictl.store import files

FILE: Final = "serve.yaml"
NOBODY: Final = -1
"""The user id of whoever has none that is known: that of no person, for `openers` and `approvers`."""
_LIMIT: Final = 1_000_000


class Caller(NamedTuple):
    """Whoever asks: their user id where the kernel shows it, the name they are listed under, and what they may.

    `apart` is `user` where they are shown to be another user than the home's. `audiences` is None for the owner, who may be
    any.
    """

    uid: int | None
    name: str | None
    may: frozenset[str]
    audiences: tuple[str, ...] | None
    apart: str = separation.NONE
    via: str = "tcp"

    @property
    def is_known(self) -> bool:
        """Whether this is the owner, or a caller the owner listed."""
        return self.audiences is None or self.name is not None

    def actor(self) -> dict[str, Any]:
        """As records name who acts."""
        if self.audiences is None:
            return effective_user()
        who = f"uid:{self.uid}" if self.uid is not None else f"caller:{self.name}" if self.name else self.via
        return {"kind": "system" if self.name else "agent", "id": who, "host": os.uname().nodename}

    def require(self, right: str) -> None:
        """RefusedError (1, `caller_not_allowed`) without that right."""
        if right not in self.may:
            who = f"`{self.name}`" if self.name else f"uid {self.uid}" if self.uid is not None else "this caller"
            raise RefusedError(
                f"{who} may not {right}", code="caller_not_allowed", hint=f"the operator lists callers in {FILE}"
            )


def act_as(house: House, caller: Caller) -> None:
    """From now on, what is done in `house` is done for that caller."""
    uid = caller.uid if caller.uid is not None else NOBODY
    house.uid = lambda: uid
    house.caller = lambda: caller.apart
    house.actor = caller.actor


class Callers:
    """The callers of a home. One may be shared by threads."""

    def __init__(self, house: House) -> None:
        self._path = house.home / FILE
        self._known: tuple[tuple[int, ...], tuple[caller_file.Listed, ...]] = ((), ())

    def listed(self) -> tuple[caller_file.Listed, ...]:
        """Those of the file as it is now; InputError (2) for one that cannot be read, UnsafeError (6) if others could."""
        try:
            info = self._path.lstat()
        except FileNotFoundError:
            return ()
        stamp = (info.st_dev, info.st_ino, info.st_size, info.st_mtime_ns, info.st_ctime_ns)
        known, found = self._known
        if known != stamp:
            found = caller_file.parse(str(self._path), files.read_secret(self._path, _LIMIT))
            self._known = (stamp, found)
        return found

    def _sound(self) -> tuple[caller_file.Listed, ...]:
        """The same for whoever asks, whose fault a broken file is not: UnsafeError (6), and nobody is let in."""
        try:
            return self.listed()
        except InputError as e:
            raise UnsafeError(e.message, code="callers_invalid") from e
        except OSError as e:
            raise UnavailableError(f"`{self._path}` cannot be read: {e}", code="callers_unreadable") from e

    def peer(self, uid: int, pid: int) -> Caller:
        """Whoever connected to the socket, by its SO_PEERCRED."""
        apart = separation.of_peer(uid, pid)
        if apart.uid == os.geteuid():
            return Caller(uid, None, frozenset(caller_file.RIGHTS), None, via="socket")
        for one in self._sound():
            if apart.uid is not None and apart.uid in one.uids:
                return Caller(apart.uid, one.name, one.may, one.audiences, apart.kind, "socket")
        return Caller(apart.uid, None, frozenset(), (), apart.kind, "socket")

    def by_secret(self, secret: bytes) -> Caller | None:
        """Whose secret this is."""
        digest = sha256(secret).hexdigest()
        found = None
        for one in self._sound():
            if one.secret is not None and hmac.compare_digest(one.secret, digest):
                found = Caller(None, one.name, one.may, one.audiences)
        return found


STRANGER: Final = Caller(None, None, frozenset(), ())
"""Whoever shows nothing."""
