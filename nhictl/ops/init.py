"""`init`: make a home, its keys, its database and the first record, or leave nothing behind."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from nhictl.core.identity import spiffe
from nhictl.errors import ConflictError, InputError, UnavailableError, UnsafeError
from nhictl.ops import high_water, key_custody
from nhictl.ops.act import Act, Head, transact
from nhictl.ops.house import DATABASE, House
from nhictl.ops.make_key import token_key
from nhictl.ops.turn import LogKey, kid_of, new_log_key
from nhictl.store import agents, files, keys, log, sqlite

if TYPE_CHECKING:
    from nhictl.ops.key_custody import Wanted
    from nhictl.store.custody import Keeper


def check_issuer(issuer: str) -> str:
    """An issuer is an https URL without query, fragment, userinfo or trailing slash (RFC 8414 §2), or a SPIFFE trust domain."""
    host, _, path = issuer.removeprefix("https://").partition("/")
    plain = issuer.isascii() and issuer.isprintable() and not set(issuer) & set(' ?#@%\\"<>') and len(issuer) <= 512
    if (
        not (issuer.startswith("https://") and host and host == host.lower() and plain)
        or issuer.endswith("/")
        or "//" in path
    ):
        raise InputError(
            f"`{issuer}` is no issuer: it has to be an https URL without query, fragment, user or trailing slash",
            code="invalid_issuer", hint="for example --issuer https://nhi.example.org",
        )  # fmt: skip
    return issuer


def initialise(
    house: House, trust_domain: str, issuer: str | None, wanted: Wanted | None = None
) -> tuple[dict[str, str], Head]:
    """Make the authority; ConflictError (exit 5) if there is one, and then nothing is changed.

    `wanted` names another custody of the key-encryption key than the file in the home.
    """
    if why := spiffe.domain_fault(trust_domain):
        raise InputError(f"`{trust_domain}` is no trust domain: {why}", code="invalid_trust_domain")
    iss = check_issuer(issuer) if issuer else f"spiffe://{trust_domain}"
    if wanted is not None:
        key_custody.check(wanted)
    _refuse_existing(house)
    files.make_directory(house.home)
    workshop = _workshop(house.home)
    keeper = None
    try:
        if wanted is not None and wanted.kind != "file":
            keeper = key_custody.begin(house, wanted)
        made, head = _build(house, workshop, trust_domain, iss, keeper)
        _put_in_place(house, workshop)
    except BaseException as e:
        if keeper is not None and not os.path.lexists(house.home / keys.KEK_FILE):
            key_custody.withdraw(keeper)
        if isinstance(e, OSError):
            raise UnavailableError(f"cannot write in `{house.home}`: {(e.strerror or str(e)).lower()}") from e
        raise
    finally:
        shutil.rmtree(workshop, ignore_errors=True)
    return made, head


def _workshop(home: Path) -> Path:
    """A 0700 folder beside the home, else in it where the home's parent is not ours to write."""
    with contextlib.suppress(OSError):
        return _new_folder(home.parent)
    try:
        return _new_folder(home)
    except OSError as e:
        raise UnavailableError(f"cannot write in `{home}`: {(e.strerror or str(e)).lower()}") from e


def _new_folder(where: Path) -> Path:
    made = Path(tempfile.mkdtemp(prefix=".nhictl-init-", dir=where))
    made.chmod(0o700)  # whatever the umask
    return made


def _put_in_place(house: House, workshop: Path) -> None:
    """One rename over the empty home, so that a crash leaves all of it or nothing; file by file where that cannot be.

    Neither way replaces what another init has put there meanwhile.
    """
    if house.database == house.home / DATABASE and workshop.parent != house.home:
        try:
            workshop.rename(house.home)
        except OSError:
            _refuse_existing(house)  # another init was faster; else the home is a mount point, or has other files
        else:
            files.sync_directory(house.home.parent)
            return
    house.database.parent.mkdir(parents=True, exist_ok=True)
    try:
        (house.home / keys.KEK_FILE).hardlink_to(workshop / keys.KEK_FILE)
        (house.home / high_water.FILE).hardlink_to(workshop / high_water.FILE)
        house.database.hardlink_to(workshop / DATABASE)
    except FileExistsError as e:
        raise ConflictError(f"`{house.home}` holds an authority already", code="already_initialised") from e
    files.sync_directory(house.home)
    files.sync_directory(house.database.parent)


def _refuse_existing(house: House) -> None:
    if house.database.exists():
        raise ConflictError(f"`{house.home}` holds an authority already", code="already_initialised")
    if (house.home / keys.KEK_FILE).exists():
        raise UnsafeError(
            f"`{house.home}` has a key-encryption key but no database", code="home_incomplete",
            hint="restore the database, or choose an empty home",
        )  # fmt: skip
    if os.path.lexists(house.home / high_water.FILE):
        raise UnsafeError(
            f"`{house.home}` has the high-water mark of an authority that is gone", code="home_incomplete",
            hint="restore the database, or choose an empty home",
        )  # fmt: skip


def _build(
    house: House, workshop: Path, trust_domain: str, iss: str, keeper: Keeper | None
) -> tuple[dict[str, str], Head]:
    held = keys.Keys(os.urandom(32))
    files.write_new(workshop / keys.KEK_FILE, keeper.wrap(held) if keeper else keys.in_hex(held))
    draft = House(workshop, workshop / DATABASE, clock=house.clock, random=house.random, actor=house.actor)
    draft.adopt(sqlite.create(draft.database), held.sealer())
    key = new_log_key(house)

    def first(act: Act) -> dict[str, str]:
        answer = _first_records(act, trust_domain, iss, key)
        if keeper is not None:
            key_custody.record(act, None, keeper.custody)
        return answer

    made, head = transact(draft, first, key=key)
    draft.close()
    return made, head


def _first_records(act: Act, trust_domain: str, iss: str, key: LogKey) -> dict[str, str]:
    public = base64.b64encode(key.public).decode()
    genesis = {
        "hash": "rfc6962-sha256",
        "signed": "every-commit",
        "log_key": public,
        "trust_domain": trust_domain,
        "issuer": iss,
    }
    seq = act.record("log.genesis", ext=genesis)
    sealer, random = act.house.sealer, act.house.random
    log_kid = kid_of(key.public)
    box = sealer.seal(key.private.private_bytes_raw(), f"signing key:{log_kid}", random(12))
    agents.add_key(act.db, "log", log_kid, json.dumps({"ed25519": public}), box, "active", seq)
    made = token_key(act.house)
    seq = act.record("key.activated", ext=made.shown)
    agents.add_key(act.db, "token", made.kid, made.public, made.sealed, "active", seq)
    log.put_meta(act.db, {"trust_domain": trust_domain, "issuer": iss, "chain": act.chain})
    return {"trust_domain": trust_domain, "issuer": iss, "kid": made.kid}
