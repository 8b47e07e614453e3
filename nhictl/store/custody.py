"""Who keeps the secret that opens the key-encryption key: a custody, as the home's file `kek` describes it.

A custody holds the key wrapped (AES-256-GCM) under a secret of 32 bytes that is not in the home: derived from a
passphrase, or random and kept by a helper program or the OS keyring. Everything else in the file is associated data of
the box, so nothing in it can be changed; a plain sum at its end finds accidents before anybody is asked for anything.

    {"nhictl_custody":1,"kind":"passphrase","id":"…","scrypt":{"n":…,"r":…,"p":…,"salt":"…"},"keys":["…"],"sum":"…"}

The file is replaced by one rename, so a home opens by its old custody or by its new one at every moment. A home with
the key itself in the file is of kind `file`: whoever has the home has the key.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any, Final, NamedTuple

from nhictl.core import strict_json
from nhictl.core.token import b64
from nhictl.errors import ConflictError, UnavailableError, UnsafeError
from nhictl.store import helper, keys, passphrase
from nhictl.store.lock import WriteLock

KINDS: Final = ("file", "passphrase", "helper", "keyring")
TURN: Final = "unlock.lock"
_MARK: Final = b',"sum":"'
_DETAIL: Final = {"passphrase": "scrypt", "helper": "helper", "keyring": None}

Random = Callable[[int], bytes]


class Custody(NamedTuple):
    """A custody file: kind, the id under which the secret is kept, what belongs to the kind, and the wrapped keys."""

    kind: str
    id: str
    detail: Any
    boxes: tuple[bytes, ...] = ()

    def head(self) -> dict[str, Any]:
        """All but the wrapped keys."""
        named = _DETAIL[self.kind]
        return {"nhictl_custody": 1, "kind": self.kind, "id": self.id} | ({named: self.detail} if named else {})

    def place(self, number: int) -> str:
        """The associated data of a wrapped key."""
        return f"custody:{number}:{strict_json.dumps(self.head())}"

    def cost(self) -> passphrase.Cost:
        """What trying a passphrase costs."""
        return passphrase.Cost(*(self.detail[name] for name in ("n", "r", "p")))


def kind(home: Path) -> str:
    """The kind of custody of a home: `file`, `passphrase`, `helper` or `keyring`. Opens nothing and asks nobody."""
    return described(home / keys.KEK_FILE, keys.read(home)).kind


def described(path: Path, content: bytes) -> Custody:
    """What a home's file says about its custody; UnsafeError (6) if it is not exactly what we wrote."""
    if not content.startswith(b"{"):
        return Custody("file", "", None)
    body, mark, end = content.rpartition(_MARK)
    if len(content) > keys.MAX_KEK_FILE or not mark or end != sha256(body).hexdigest().encode() + b'"}\n':
        raise _altered(path, "it was altered or cut short")
    try:
        found = _from_json(strict_json.loads(body + b"}", max_depth=3))
    except (strict_json.StrictJSONError, ValueError, TypeError, KeyError) as e:
        raise _altered(path, str(e) if isinstance(e, _FaultError) else "it is not as we write it") from e
    if encode(found) != content:
        raise _altered(path, "it is not as we write it")
    return found


class _FaultError(ValueError):
    pass


def _from_json(value: Any) -> Custody:
    if not isinstance(value, dict) or value.get("nhictl_custody") != 1:
        raise _FaultError("it is of another version")
    sort = value["kind"]
    if sort not in _DETAIL:
        raise _FaultError("it is of a kind that this version does not know")
    named = _DETAIL[sort]
    detail: Any = value[named] if named else None
    wrapped = value["keys"]
    if len(value) != 4 + (named is not None) or type(wrapped) is not list or not 1 <= len(wrapped) <= 2:
        raise _FaultError("it is not as we write it")
    name = value["id"]
    if not 1 <= len(name) <= 64 or not name.isascii() or not name.replace("-", "").isalnum():
        raise _FaultError("its id is none of ours")
    if sort == "helper" and not (
        type(detail) is list and detail and all(isinstance(word, str) for word in detail) and detail[0][:1] == "/"
    ):
        raise _FaultError("its helper is none")
    made = Custody(sort, name, detail, tuple(b64.decode(box) for box in wrapped))
    if any(len(box) != 12 + 32 + 16 for box in made.boxes):
        raise _FaultError("a wrapped key has another length")
    if sort == "passphrase":
        if (
            len(detail) != 4
            or any(type(number) is not int for number in made.cost())
            or len(b64.decode(detail["salt"])) < 16
        ):
            raise _FaultError("its scrypt parameters are none")
        if fault := made.cost().fault():
            raise _FaultError(f"its scrypt parameters are refused: {fault}")
    return made


def encode(custody: Custody) -> bytes:
    """The one form of a custody file."""
    boxes = [b64.encode(box) for box in custody.boxes]
    body = strict_json.dumps({**custody.head(), "keys": boxes}).encode()[:-1]
    return body + _MARK + sha256(body).hexdigest().encode() + b'"}\n'


def _altered(path: Path, why: str) -> UnsafeError:
    return UnsafeError(
        f"`{path}` does not hold a key or a custody: {why}", code="custody_damaged",
        hint="put the file back from a backup of the home",
    )  # fmt: skip


def unlock(path: Path, content: bytes, source: passphrase.Source | None) -> keys.Keys:
    """Ask whoever keeps the secret and open the key-encryption key with it.

    UnsafeError (6): the file was altered, the passphrase is another one, or the secret is. UnavailableError (7):
    nobody could be asked.
    """
    custody = described(path, content)
    if custody.kind == "passphrase":
        source = source or passphrase.Source.of_environment()
        given = source.present(f"passphrase of {path.parent}")
        secret = passphrase.derive(given, b64.decode(custody.detail["salt"]), custody.cost())
    else:
        secret = _fetched(path.parent, custody)
    wrapping = keys.Sealer(secret)
    try:
        return keys.Keys(*(wrapping.open(box, custody.place(n)) for n, box in enumerate(custody.boxes)))
    except UnsafeError:
        what = {"passphrase": "the passphrase", "helper": "what the helper gave", "keyring": "what the keyring gave"}
        raise UnsafeError(
            f"{what[custody.kind]} does not open `{path}`: it is another one, or the file was altered",
            code="custody_not_opened",
        ) from None


def _fetched(home: Path, custody: Custody) -> bytes:
    """The secret that a program keeps. One process at a time asks, lest many at once open as many dialogs."""
    turn = WriteLock(home / TURN)
    try:
        turn.acquire(helper.TIMEOUT_S)
    except ConflictError as e:
        raise UnavailableError(
            f"another nhictl waited {helper.TIMEOUT_S:g} s for the {custody.kind}", code="custody_unavailable"
        ) from e
    try:
        said = call(custody, "get")
    finally:
        turn.release()
    try:
        secret = b64.decode(said)
    except ValueError:
        secret = b""
    if len(secret) != 32:
        raise UnavailableError(f"the {custody.kind} gave something else than a secret", code="custody_unavailable")
    return secret


def call(custody: Custody, action: str, secret: str | None = None) -> str:
    """Have a helper or the keyring get, store or erase the custody's secret; UnavailableError (7) if it does not."""
    if custody.kind == "helper":
        return helper.ask(custody.detail, action, custody.id, secret)
    script = str(Path(__file__).with_name("os_keyring.py"))
    status, said = helper.run([sys.executable, "-P", script], action, custody.id, secret, quiet=True)
    if status != 0:
        raise UnavailableError(
            f"the OS keyring cannot {action} the key: {said or f'status {status}'}", code="custody_unavailable",
            hint="it needs the extra nhictl[keyring] and a desktop session; elsewhere use a passphrase or a helper",
        )  # fmt: skip
    return said


class Keeper:
    """A custody that begins: its secret is made and kept already, and keys can be wrapped for it."""

    def __init__(self, custody: Custody, secret: bytes | None, random: Random) -> None:
        self.custody = custody
        self.note = ""
        """Where the secret is, in words, if somebody else said so."""
        self._sealer = keys.Sealer(secret) if secret is not None else None
        self._random = random

    def wrap(self, held: keys.Keys) -> bytes:
        """The content of the home's file for these keys."""
        if self._sealer is None:
            return keys.in_hex(held)
        boxes = [
            self._sealer.seal(key, self.custody.place(n), self._random(12))
            for n, key in enumerate(key for key in held if key is not None)
        ]
        return encode(self.custody._replace(boxes=tuple(boxes)))

    def withdraw(self) -> None:
        """Take the secret back from its keeper: the custody does not begin after all."""
        if self.custody.kind in ("helper", "keyring"):
            call(self.custody, "erase")


def begin(
    sort: str, *, source: passphrase.Source | None = None, command: list[str] | None = None,
    random: Random = os.urandom,
) -> Keeper:  # fmt: skip
    """Begin a custody of the kind `sort`: choose the passphrase, or give a fresh secret to the program that keeps it.

    The secret has an id of its own, so that it replaces no other; it is read back before anything depends on it.
    """
    if sort == "file":
        return Keeper(Custody("file", "", None), None, random)
    name = f"nhictl-{random(12).hex()}"
    if sort == "passphrase":
        chosen = (source or passphrase.Source.of_environment()).new()
        salt = random(passphrase.SALT_BYTES)
        cost = passphrase.COST
        detail = {**cost._asdict(), "salt": b64.encode(salt)}
        return Keeper(Custody(sort, name, detail), passphrase.derive(chosen, salt, cost), random)
    secret = random(32)
    made = Keeper(Custody(sort, name, command), secret, random)
    try:
        made.note = call(made.custody, "store", b64.encode(secret))
        if call(made.custody, "get") != b64.encode(secret):
            raise UnavailableError(f"the {sort} did not keep the secret", code="custody_unavailable")
    except BaseException:
        with contextlib.suppress(UnavailableError, UnsafeError):
            made.withdraw()
        raise
    return made
