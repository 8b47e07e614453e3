"""`key custody`: who keeps the secret that opens the key-encryption key; shown, and changed while the authority lives.

A change is made in this order, so that the home opens at every moment, by the old custody or by the new one:
the new secret is with its keeper and was read back → the new file lies beside the old one → in one act the boxes are
sealed anew (if the key changes), the record is appended, and last the new file takes the old one's place → commit.
Where the key changes, the new file holds the old key too, wrapped, until the commit is certain.
"""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from nhictl.errors import ConflictError, InputError, NhictlError
from nhictl.ops.act import Act, Head, transact
from nhictl.ops.house import House
from nhictl.store import custodies, keys, sqlite
from nhictl.store.kek_swap import STAGED, KekSwap
from nhictl.store.lock import WriteLock

if TYPE_CHECKING:
    from nhictl.store.custody import Custody, Keeper
    from nhictl.store.passphrase import Source as Source  # noqa: PLC0414  # exported

TURN: Final = "custody.lock"


class Wanted(NamedTuple):
    """A custody to begin: its kind, the helper's command, where a new passphrase comes from."""

    kind: str
    command: str | None = None
    passphrase: Source | None = None


def passphrase_source(file: str | None, line: bytes | None = None) -> Source:
    """Where a passphrase comes from: the line that was read already, else the file, else what the environment says."""
    from nhictl.store.passphrase import Source

    if line is not None:
        return Source(line=line)
    return Source(file=file) if file is not None else Source.of_environment()


def typed_passphrase() -> Source:
    """A passphrase that is typed at the terminal, whatever the environment names."""
    from nhictl.store.passphrase import Source

    return Source()


class Changed(NamedTuple):
    """What a change did: the custody now in force, the step, and sentences about what it does not undo."""

    custody: dict[str, Any]
    step: dict[str, Any]
    notes: list[str]


def check(wanted: Wanted) -> None:
    """InputError (2) for a kind there is not, or a helper's command without or besides the kind `helper`."""
    from nhictl.store import custody

    if wanted.kind not in custody.KINDS:
        raise InputError(f"no custody `{wanted.kind}`", code="usage", hint=f"one of {', '.join(custody.KINDS)}")
    if (wanted.kind == "helper") != (wanted.command is not None):
        raise InputError(
            "--custody-helper goes with the custody `helper`", code="usage",
            hint="--custody-helper '/usr/local/bin/PROGRAM ARGUMENT…'",
        )  # fmt: skip


def begin(house: House, wanted: Wanted) -> Keeper:
    """Begin the custody; InputError (2), UnsafeError (6) or UnavailableError (7) if that cannot be. Never under the lock."""
    from nhictl.store import custody, helper

    check(wanted)
    command = helper.declared(wanted.command) if wanted.command is not None else None
    return custody.begin(wanted.kind, source=wanted.passphrase, command=command, random=house.random)


def withdraw(keeper: Keeper) -> None:
    """Take a secret back whose custody did not begin; what cannot be reached keeps a secret that opens nothing."""
    with contextlib.suppress(NhictlError):
        keeper.withdraw()


def record(act: Act, before: str | None, now: Custody, **more: Any) -> None:
    """Append that the custody changed; the helper's command is sealed beside the record."""
    ext = ({"from": before} if before else {}) | {"to": now.kind} | ({"id": now.id} if now.id else {}) | more
    sealed = {"helper": now.detail} if now.kind == "helper" else None
    custodies.add(act.db, act.record("custody.changed", sealed=sealed, ext=ext), now.kind, now.id)


def show(house: House) -> tuple[dict[str, Any], list[str]]:
    """The custody in force, and what is unfinished about it; opens nothing and asks nobody."""
    from nhictl.store import custody

    house.check()
    content = keys.read(house.home)
    found = custody.described(house.home / keys.KEK_FILE, content)
    with sqlite.guarded("read the custody"):
        row = custodies.newest(house.db)
    recorded = (row.kind, row.name) == (found.kind, found.id) if row else found.kind == "file"
    said: dict[str, Any] = {"kind": found.kind, "recorded": recorded}
    if recorded:
        said["since"] = row.seq if row else 0
    if found.kind == "passphrase":
        said["scrypt"] = {**found.cost()._asdict(), "mib": found.cost().mib()}
    elif found.kind == "helper":
        said["helper"] = found.detail
    again = f"finish it with: nhictl key custody {found.kind}"
    notes = [] if recorded else [f"a change to this custody was interrupted and is not in the log; {again}"]
    if recorded and (len(found.boxes) or len(content.split())) > 1:
        notes.append(f"a change of key was interrupted and the old key is still at hand; {again}")
    if os.path.lexists(house.home / STAGED):
        notes.append(f"`{STAGED}` is left of a change that did not happen; the next change replaces it")
    return said, notes


def change(house: House, wanted: Wanted, *, new_key: bool = False, erase_old: bool = False) -> tuple[Changed, Head]:
    """Put the key-encryption key into another custody and return what was done with the log head after its record.

    A key that lay in the open is replaced by a new one, and so it is on demand (`new_key`); else the same key is
    wrapped anew and the database stays as it is. ConflictError (5): nothing to change, or changed meanwhile.
    """
    from nhictl.store import custody

    house.check()
    turn = WriteLock(house.home / TURN)
    turn.acquire(house.lock_timeout)
    try:
        old = house.unlocked()
        content = keys.read(house.home)
        standing = custody.described(house.home / keys.KEK_FILE, content)
        interrupted = bool(show(house)[1])
        if standing.kind == wanted.kind == "file" and not (new_key or interrupted):
            raise ConflictError(
                "the key is in its file already", code="custody_unchanged", hint="--new-key for another"
            )
        fresh = new_key or old.before is not None or (standing.kind == "file" != wanted.kind)
        keeper = begin(house, wanted)
        held = keys.Keys(house.random(32), old.key) if fresh else keys.Keys(old.key)
        swap = KekSwap(house.home, content)
        step = {"from": standing.kind, "to": wanted.kind, "new_key": fresh}
        try:
            swap.stage(keeper.wrap(held))
            resealed, head = transact(house, lambda act: _act(act, step, keeper.custody, held, swap), undo=swap.back)
        except BaseException:
            swap.discard()
            if not swap.placed:  # else the home needs the new secret, whatever became of the act
                withdraw(keeper)
            raise
        if fresh:
            swap.replace(keeper.wrap(keys.Keys(held.key)))
        swap.erase()
        house.forget_keys()
        notes = _notes(house, standing, keeper, fresh, erase_old) + _old_secret(standing, erase_old)
        return Changed(show(house)[0], step | {"resealed": resealed}, notes), head
    finally:
        turn.release()


def _act(act: Act, step: dict[str, Any], now: Custody, held: keys.Keys, swap: KekSwap) -> int:
    """The inside of the change, its steps in the order that survives being killed; how many boxes were sealed anew."""
    record(act, step["from"], now, new_key=step["new_key"])  # seals under the old key, if it seals
    resealed = 0
    if step["new_key"]:
        resealed = custodies.reseal(act.db, act.house.sealer, keys.Sealer(held.key), act.house.random)
    swap.place()
    return resealed


def _notes(house: House, standing: Custody, keeper: Keeper, fresh: bool, erase: bool) -> list[str]:
    said = []
    if fresh:
        if not custodies.empty_wal(house.db):
            said.append("a reader held the write-ahead log, which still has boxes under the old key for a while")
        if kept := sorted(path.name for path in house.database.parent.glob("before-schema-*.db")):
            said.append(f"{', '.join(kept)}: sealed under the old key; delete what is not needed")
    if standing.kind == "file":
        said.append(
            "copies of the home from before (backups, snapshots, freed blocks of an SSD) hold the old key in the open,"
            " and with it the signing keys as they were: if one may be in other hands, replace the token key too"
        )
    elif not fresh and not (erase and standing.kind != "passphrase"):
        said.append(
            "it is the same key as before: a copy of the old file opens the home by the old custody; --new-key ends that"
        )
    if keeper.custody.kind == "file":
        said.append("the key lies in the home now: whoever copies the home can sign")
    if keeper.note:
        said.append(f"kept by {keeper.note}")
    return said


def _old_secret(standing: Custody, erase: bool) -> list[str]:
    """End the old secret, if that was asked for; say what becomes of it."""
    from nhictl.store import custody

    if standing.kind not in ("helper", "keyring"):
        return []
    if not erase:
        return [f"the {standing.kind} still has the old secret `{standing.id}`, with which backups open; --erase-old"]
    try:
        custody.call(standing, "erase")
    except NhictlError as e:
        return [f"the old secret `{standing.id}` could not be erased: {e.message}"]
    return [f"the {standing.kind} erased the old secret `{standing.id}`: no backup from before opens any more"]
