"""`trust publish`: the keys and metadata with which others check our tokens, as files in a folder somebody serves.

Publishers take turns on a lock of their own, which they hold from reading the keys until the last file is in place, so
that none puts older keys over newer ones. New content is written beside its place first, then recorded, then moved: a
full disk leaves no record, and nobody reads what is not in the log.
"""

from __future__ import annotations

import json
import os
from hashlib import sha256
from pathlib import Path
from typing import Any, Final, NamedTuple

from nhictl.core.token import publish as trust_files
from nhictl.core.token.claims import OWN_ALGORITHMS
from nhictl.errors import NhictlError, UnavailableError, UnsafeError
from nhictl.ops import status_entries
from nhictl.ops.act import Act, Head, transact
from nhictl.ops.house import House
from nhictl.store import agents, key_states, public_files, publication, sqlite
from nhictl.store.lock import WriteLock

TURN: Final = "publish.lock"


class Published(NamedTuple):
    """What stands in the folder now: per file its path, hex SHA-256, and whether this call changed it."""

    out: str
    files: list[dict[str, Any]]
    sequence: int
    notes: list[str]

    @property
    def changed(self) -> int:
        """How many files this call wrote."""
        return sum(file["changed"] for file in self.files)


class Republished(NamedTuple):
    """A remembered folder after it was brought up to date: how many files changed, or why it could not be done."""

    out: str
    changed: int = 0
    error: str | None = None

    def to_json(self) -> dict[str, Any]:
        """`{"out","changed","error"}`."""
        return self._asdict()


class _NothingNewError(Exception):
    """Inside the act: the folder is known and holds everything already, so nothing is to be recorded."""

    def __init__(self, found: Published, head: Head) -> None:
        super().__init__()
        self.found = found
        self.head = head


def publish(house: House, out: str) -> tuple[Published, Head]:
    """Bring a folder up to date and remember it; returns the log head after the record, if one was needed.

    InputError (2) for a folder that cannot be one to publish in, UnsafeError (6) if others could change what is in it,
    UnavailableError (7) if it cannot be written.
    """
    issuer = house.meta["issuer"]
    path = public_files.locate(out)
    _refuse_home(house, path)
    turn = WriteLock(house.home / TURN)
    turn.acquire(house.lock_timeout)
    folder = public_files.PublicFolder(path)
    try:
        folder.open()
        # it takes revoked keys away, and that must not wait for the clock; an older database would bring some back
        try:
            done, head = transact(house, lambda act: _record(act, folder, issuer), grants=False, revokes=False)
            folder.commit()
        except _NothingNewError as same:
            done, head = same.found, same.head
        return done._replace(files=[*done.files, *_lists(house, folder)]), head
    finally:
        folder.close()
        turn.release()


def _lists(house: House, folder: public_files.PublicFolder) -> list[dict[str, Any]]:
    """Bring the status lists in an open folder up to date; what they say is in the log, so they need no record."""
    from nhictl.ops import status_lists

    wanted = status_lists.files(house, folder)
    changed = folder.stage(wanted)
    folder.commit()
    return [
        {"path": path, "sha256": sha256(data).hexdigest(), "changed": path in changed} for path, data in wanted.items()
    ]


def folders(house: House) -> list[str]:
    """The folders that were published in: what changes keys or states publishes there again."""
    with sqlite.guarded("read the publications"):
        return publication.folders(house.db)


def bring_up(house: House, x5c: str) -> None:
    """Publish again wherever the bundle does not hold that certificate, so that nobody meets it unprepared.

    The files themselves are looked at: a publisher that was killed may have recorded what it had not yet moved. A folder
    that is gone misleads nobody and is left alone: it may have moved.
    """
    for folder in folders(house):
        try:
            standing = (Path(folder) / trust_files.BUNDLE).read_bytes()
        except OSError:
            if not os.path.lexists(folder):
                continue
            standing = b""
        if x5c not in trust_files.certificates(standing):
            publish(house, folder)


def republish(house: House) -> tuple[list[Republished], Head | None]:
    """Bring every remembered folder up to date, whatever becomes of the others; with the newest log head, if there is one.

    Raises nothing for a folder: what calls this has been done, and has to say which folders do not know of it.
    """
    done: list[Republished] = []
    head: Head | None = None
    for out in folders(house):
        try:
            found, head = publish(house, out)
            done.append(Republished(out, found.changed))
        except NhictlError as e:
            done.append(Republished(out, error=e.message))
    return done, head


def spread(house: House) -> list[dict[str, Any]] | None:
    """After an act that ends or stops authority: bring published status lists up to date. None where there are none.

    The act stands whatever comes of it; what could not be written is noted in the house, for the answer to say so.
    """
    from nhictl.store import status

    with sqlite.guarded("read the status lists"):
        if status.newest(house.db) is None:
            return None
    done = republish(house)[0]
    for each in done:
        if each.error is not None:
            house.notices.append(
                UnavailableError(
                    f"done here, but the status list in `{each.out}` may not say so yet: {each.error}",
                    code="publish_incomplete", hint=f"mend it, then: nhictl trust publish --out {each.out}",
                )
            )  # fmt: skip
    return [each.to_json() for each in done]


def _record(act: Act, folder: public_files.PublicFolder, issuer: str) -> Published:
    rows, roots = _published(act, "token"), _published(act, "x509")
    keys, x509 = _keys(rows), _authorities(roots)
    before = publication.newest_bundle(act.db)
    # a home that was restored from a backup may have forgotten what the folder still shows
    bundle = folder.read(trust_files.BUNDLE) or b""
    standing = trust_files.read_bundle(bundle)
    sequence, known = standing if standing[0] > before[0] else before
    digest = trust_files.bundle_digest(keys, x509)
    if digest != known:
        sequence += 1
    wanted = trust_files.documents(issuer, sorted(OWN_ALGORITHMS), keys, sequence, x509)
    there = trust_files.kids(bundle) & trust_files.kids(folder.read(trust_files.KEY_SET) or b"")
    certified = trust_files.certificates(bundle)
    there |= {row.kid for row in roots if json.loads(row.public)["x5c"][0] in certified}
    changed = folder.stage(wanted)
    out = str(folder.path)
    told = key_states.shown_in(act.db, out)
    new = [row.id for row in (*rows, *roots) if row.kid not in there or row.id not in told]
    found = [
        {"path": path, "sha256": sha256(data).hexdigest(), "changed": path in changed} for path, data in wanted.items()
    ]
    done = Published(out, found, sequence, trust_files.notes(issuer))
    if not (changed or new or status_entries.due(act)) and sequence == before[0] and out in publication.folders(act.db):
        raise _NothingNewError(done, act.head())
    digests = {file["path"]: f"sha256:{file['sha256']}" for file in found}
    seq = act.record("trust.published", sealed={"folder": out}, ext={"files": digests, "spiffe_sequence": sequence})
    publication.remember(act.db, out, seq)
    status_entries.begin(act, seq)
    for ident in new:
        key_states.add_publication(act.db, out, ident, seq)
    if sequence != before[0]:
        publication.add_bundle(act.db, sequence, digest, seq)
    return done


def _keys(rows: list[agents.KeyRow]) -> list[dict[str, str]]:
    """The token keys that others may rely on, oldest first whatever their state: an order that no change of state moves."""
    try:
        return trust_files.public_keys([json.loads(row.public) for row in rows])
    except (ValueError, AttributeError) as e:
        raise UnsafeError(f"a stored public key is not one of ours: {e}", code="store_damaged") from e


def _authorities(rows: list[agents.KeyRow]) -> list[dict[str, Any]]:
    """The X.509 authorities that others may rely on, in the same order."""
    try:
        return trust_files.authorities([json.loads(row.public) for row in rows])
    except (ValueError, AttributeError, LookupError) as e:
        raise UnsafeError(f"a stored certificate is not one of ours: {e}", code="store_damaged") from e


def _published(act: Act, use: str) -> list[agents.KeyRow]:
    return [row for row in agents.keys(act.db, use) if row.state in trust_files.PUBLISHED]


def _refuse_home(house: House, path: Path) -> None:
    """The folder is served to everybody: the home may not be in it, nor it in the home."""
    home, database = (public_files.locate(str(place)) for place in (house.home, house.database))
    if path == home or home in path.parents:
        raise public_files.refuse(path, "it is inside the home")
    if path in home.parents or path in database.parents:
        raise public_files.refuse(path, "the home is inside it")
