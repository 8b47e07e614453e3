"""An opened home: database, keys, clock and random source, and who is acting. Opened once a process, read afresh each time."""

from __future__ import annotations

import contextlib
import functools
import json
import os
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from nhictl.core.token.claims import OWN_ALGORITHMS, Issuer
from nhictl.errors import NhictlError, UnavailableError, UnsafeError
from nhictl.store import agents, files, keys, log, sqlite

if TYPE_CHECKING:
    from nhictl.ops.log_end import View
    from nhictl.store.passphrase import Source

DATABASE = "nhictl.db"
LOCK = "lock"
MARK = "high-water"

T = TypeVar("T")


def real_clock() -> int:
    """Now, in microseconds since the Unix epoch, UTC."""
    return time.time_ns() // 1000


@functools.cache
def effective_user() -> dict[str, Any]:
    """Who acts: the effective user of the process, never what the environment says. Looked up once a process."""
    import pwd

    uid = os.geteuid()
    try:
        name = pwd.getpwuid(uid).pw_name
    except KeyError:
        name = None
    found = {"kind": "operator", "id": f"uid:{uid}", "host": os.uname().nodename}
    return found | ({"os_user": name} if name else {})


class House:
    """What every operation works on. Tests hand in `clock`, `random` and `actor`; everybody else gets the real ones."""

    def __init__(
        self,
        home: Path,
        database: Path,
        *,
        clock: Callable[[], int] = real_clock,
        random: Callable[[int], bytes] = os.urandom,
        actor: Callable[[], dict[str, Any]] = effective_user,
    ) -> None:
        self.home = home
        self.database = database
        self.clock = clock
        self.random = random
        self.actor = actor
        self.lock_timeout = 10.0
        self.caller: Callable[[], str] | None = None
        """Whether the caller is another user (`user`, `none`), where somebody knows better than the process itself."""
        self.uid: Callable[[], int] | None = None
        """The user id of whoever asks, where somebody knows better than the process itself (a socket's peer credentials)."""
        self.lock_path = home / LOCK
        self.mark_path = home / MARK
        self.keeps_mark = True
        """Whether a high-water mark beside the database is kept and heeded; a copy in memory has none."""
        self.heeded = False
        """Whether what was done in this process was held against the mark and found in order, or refused."""
        self._place: tuple[int, int] | None = None
        self._db: sqlite3.Connection | None = None
        self.passphrase: Source | None = None
        """Where a passphrase comes from, if the custody needs one; None: what the environment says, else the terminal."""
        self._keys: keys.Keys | None = None
        self._stamp: tuple[int, ...] | None = None
        self._sealer: keys.Sealer | None = None
        self._meta: dict[str, str] | None = None
        self.notices: list[NhictlError] = []
        """What an answer has to add: things that were done here and not everywhere."""
        self._opened: dict[str, Any] = {}
        self.active: dict[str, Any] = {}
        """By use, the signing key in force when last looked, opened: who uses it asks under the lock whether it still is."""
        self.left: View | None = None
        """How this process's last act left the end of the log."""
        self.erasing = False
        """Whether an erasure waited for its files when this process last wrote."""
        self._reader: House | None = None

    def exists(self) -> bool:
        """Whether this home was initialised."""
        return os.path.lexists(self.database) or os.path.lexists(self.home / keys.KEK_FILE)

    def check(self) -> None:
        """Refuse a home that was never initialised (exit 7) or is not safe (exit 6)."""
        try:
            present = self.exists()
        except OSError as e:
            raise UnavailableError(f"cannot look at `{self.home}`: {e}") from e
        if not present:
            if os.path.lexists(self.home) and self.home.lstat().st_uid != os.geteuid():
                files.check_directory(self.home)  # somebody else's: what is in it does not show
            raise UnavailableError(
                f"no authority in `{self.home}`", code="not_initialised",
                hint="start one with: nhictl init --trust-domain example.org",
            )  # fmt: skip
        files.check_directory(self.home)
        files.check_file(self.home / keys.KEK_FILE)
        if self.database.parent != self.home:
            files.check_parent(self.database.parent)

    @property
    def db(self) -> sqlite3.Connection:
        """The connection, opened and checked at first use."""
        if self._db is None:
            self.check()
            self._db = sqlite.open_existing(self.database, self.lock_path, self.lock_timeout)
            self._place = files.identity(self.database)
        return self._db

    def check_in_place(self) -> None:
        """Refuse to go on with a database whose file was deleted or replaced meanwhile (exit 6): an outage, no success."""
        if self._place is not None and files.identity(self.database) != self._place:
            raise UnsafeError(f"`{self.database}` was deleted or replaced while it was in use", code="store_replaced")

    def unheeded(self) -> bool:
        """Whether the database was opened in this process, and nobody has held it against the mark."""
        used = [house for house in (self, self._reader) if house is not None and house.is_open()]
        return bool(used) and not any(house.heeded for house in used)

    def is_open(self) -> bool:
        """Whether the database was opened."""
        return self._db is not None

    def adopt(self, db: sqlite3.Connection, sealer: keys.Sealer | None = None) -> None:
        """Take over what `init` has just made, or a database that was opened otherwise."""
        self._db, self._sealer = db, sealer

    def reader(self) -> House:
        """This home on a connection that nobody else uses: an unfinished cursor elsewhere cannot pin an old view of it."""
        if self._reader is None:
            self._reader = self.another()
        self._reader.clock, self._reader.uid = self.clock, self.uid
        return self._reader

    def another(self) -> House:
        """This home with a connection of its own, for another thread, and with the keys that were opened here."""
        made = House(self.home, self.database, clock=self.clock, random=self.random, actor=self.actor)
        made.keeps_mark, made.passphrase = self.keeps_mark, self.passphrase
        made._keys, made._stamp, made._sealer, made._opened = self._keys, self._stamp, self._sealer, dict(self._opened)
        return made

    def close(self) -> None:
        """Let go of the database."""
        if self._reader is not None:
            self._reader.close()
            self._reader = None
        if self._db is not None:
            self._db.close()
            self._db = None

    def reopen(self) -> None:
        """Let go of the database file after it could not be written, to open it anew at the next use."""
        on_disk = True
        if self._db is not None:
            with contextlib.suppress(sqlite3.Error):  # whoever cannot even tell is opened anew
                on_disk = bool(self._db.execute("PRAGMA database_list").fetchone()[2])
        if on_disk:
            self.close()

    @property
    def sealer(self) -> keys.Sealer:
        """What opens and seals with the key-encryption key, which is opened at first use."""
        if self._sealer is None:
            self._sealer = self.unlocked().sealer()
        return self._sealer

    def unlocked(self) -> keys.Keys:
        """The key-encryption key itself, had from its custody once a process; may ask, derive or run a program."""
        if self._keys is None:
            self._stamp = keys.stamp(self.home)
            self._keys = keys.load(self.home, self.passphrase)
        return self._keys

    def keys_current(self) -> bool:
        """Whether the keys this process opened, if any, are those of the custody now in force; looked up under the lock."""
        return self._stamp is None or self._stamp == keys.stamp(self.home)

    def forget_keys(self) -> None:
        """Have the keys opened anew at their next use."""
        self._keys = self._stamp = self._sealer = None
        self._opened.clear()
        self.active.clear()

    def opened(self, row: agents.KeyRow, load: Callable[[bytes], T]) -> T:
        """The private key of `row`, unsealed once a process; whether it may still sign is read afresh each time."""
        if row.kid not in self._opened:

            def again() -> bytes | None:
                return next((found.sealed for found in agents.keys(self.db, row.use) if found.kid == row.kid), None)

            self._opened[row.kid] = load(self.unseal(row.sealed, f"signing key:{row.kid}", again))
        key: T = self._opened[row.kid]
        return key

    def unseal(self, box: bytes, place: str, again: Callable[[], bytes | None]) -> bytes:
        """What a box under the key-encryption key holds; `again` reads the box anew, should the custody have changed."""
        try:
            return self.sealer.open(box, place)
        except UnsafeError:
            fresh = again()
            if fresh is None or (fresh == box and self.keys_current()):
                raise
            self.forget_keys()
            return self.sealer.open(fresh, place)

    @property
    def meta(self) -> dict[str, str]:
        """Trust domain, issuer, chain id: written once, by `init`."""
        if self._meta is None:
            with sqlite.guarded("read the database"):
                self._meta = log.get_meta(self.db)
            if not {"trust_domain", "issuer", "chain"} <= self._meta.keys():
                raise UnsafeError("the database was not initialised to the end", code="home_incomplete")
        return self._meta

    def forget_meta(self) -> None:
        """Read `meta` again at next use."""
        self._meta = None

    def issuer(self, below: int = agents.LATEST) -> Issuer:
        """Ourselves as an issuer after the first `below` records: every token key there was, the revoked ones marked.

        Read afresh, in one query.
        """
        with sqlite.guarded("read the signing keys"):
            rows = agents.keys(self.db, "token", below)
        found: list[tuple[dict[str, Any], bool]] = [(json.loads(row.public), row.state == "revoked") for row in rows]
        return Issuer(self.meta["issuer"], tuple(found), self.meta["trust_domain"], OWN_ALGORITHMS)
