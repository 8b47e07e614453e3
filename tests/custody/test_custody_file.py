"""The file that describes a custody: one form, nothing in it can be changed, and a hostile one costs nothing."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from nhictl.core.token import b64
from nhictl.errors import UnsafeError
from nhictl.ops import key_custody
from nhictl.store import custody, keys
from nhictl.store.keys import KEK_FILE, Keys
from nhictl.store.passphrase import Source
from tests.custody.keepers import PASSPHRASE, Watcher, house_with, opened
from tests.store.test_store_home import a_fifo, hard_linked, symlinked, to_nowhere

KEY = bytes(range(32))
PATH = Path("/home/kek")
MADE: list[bytes] = []


def of_passphrase() -> bytes:
    """A custody file; made once, since each costs a derivation."""
    if not MADE:
        MADE.append(made_anew())
    return MADE[0]


def made_anew() -> bytes:
    return custody.begin("passphrase", source=Source(line=PASSPHRASE)).wrap(Keys(KEY))


def summed(value: dict[str, Any]) -> bytes:
    """The file of somebody who knows how it is written: its members, and a sum that is right."""
    body = json.dumps(value, separators=(",", ":")).encode()[:-1]
    return body + b',"sum":"' + sha256(body).hexdigest().encode() + b'"}\n'


def members(content: bytes) -> dict[str, Any]:
    value: dict[str, Any] = json.loads(content)
    del value["sum"]
    return value


def no_derivation(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> bytes:
        raise AssertionError("it was derived for")

    monkeypatch.setattr(hashlib, "scrypt", refuse)


def test_it_opens_and_is_written_in_one_form() -> None:
    content = of_passphrase()
    assert custody.unlock(PATH, content, Source(line=PASSPHRASE)) == Keys(KEY)
    assert custody.encode(custody.described(PATH, content)) == content
    assert summed(members(content)) == content, "what the attacks below start from"


def test_a_second_opinion_opens_it() -> None:
    """With another library's scrypt, by what the module's description says alone."""
    value = members(of_passphrase())
    scrypt = value["scrypt"]
    secret = Scrypt(b64.decode(scrypt["salt"]), 32, scrypt["n"], scrypt["r"], scrypt["p"]).derive(PASSPHRASE)
    head = json.dumps({k: v for k, v in value.items() if k != "keys"}, separators=(",", ":"))
    box = b64.decode(value["keys"][0])
    assert AESGCM(secret).decrypt(box[:12], box[12:], f"custody:0:{head}".encode()) == KEY


def test_salt_id_and_nonce_are_fresh() -> None:
    one, two = members(made_anew()), members(made_anew())
    assert one["id"] != two["id"]
    assert one["scrypt"]["salt"] != two["scrypt"]["salt"]
    assert one["keys"][0][:16] != two["keys"][0][:16]


@pytest.mark.parametrize("kind", ["passphrase", "helper"])
def test_any_byte_changed_is_damage_before_anybody_is_asked(
    kind: str, watcher: Watcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = [str(watcher.program), str(watcher.folder)]
    content = custody.begin(kind, source=Source(line=PASSPHRASE), command=command).wrap(Keys(KEY))
    watcher.forget()
    no_derivation(monkeypatch)
    for at in range(len(content)):
        changed = content[:at] + bytes([content[at] ^ (1 << at % 8)]) + content[at + 1 :]
        with pytest.raises(UnsafeError) as caught:
            keys.load(Path("/home"), Source(line=PASSPHRASE), changed)
        assert caught.value.exit == 6
    assert watcher.calls() == []


def test_cut_short_or_lengthened_is_damage(monkeypatch: pytest.MonkeyPatch) -> None:
    content = of_passphrase()
    no_derivation(monkeypatch)
    for changed in (*(content[:n] for n in range(len(content))), content + b"\n", content * 2, b" " + content):
        with pytest.raises(UnsafeError):
            keys.load(Path("/home"), Source(line=PASSPHRASE), changed)


def scrypt(**changed: Any) -> Callable[[dict[str, Any]], None]:
    return lambda value: value["scrypt"].update(changed)


def member(**changed: Any) -> Callable[[dict[str, Any]], None]:
    return lambda value: value.update(changed)


HOSTILE: dict[str, Callable[[dict[str, Any]], Any]] = {
    "memory": scrypt(n=1 << 30),
    "memory by r": scrypt(n=1 << 20, r=32),
    "work": scrypt(p=1 << 30),
    "work within each bound": scrypt(n=1 << 20, p=8),
    "cheap": scrypt(n=1 << 10),
    "no power of two": scrypt(n=(1 << 17) + 1),
    "nothing": scrypt(n=0),
    "negative": scrypt(n=-(1 << 17)),
    "a number with a point": scrypt(n=131072.0),
    "a truth": scrypt(p=True),
    "a text": scrypt(n="131072"),
    "a short salt": scrypt(salt="AAAA"),
    "no salt": scrypt(salt=None),
    "another member": scrypt(hash="md5"),
    "another kind": member(kind="argon"),
    "a kind without what belongs to it": member(kind="helper"),
    "no kind": member(kind=None),
    "another version": member(nhictl_custody=2),
    "a truth as version": member(nhictl_custody=True),
    "no id": member(id=""),
    "an id that is a path": member(id="../../x"),
    "an id of two lines": member(id="a\nb"),
    "no keys": member(keys=[]),
    "three keys": member(keys=["A" * 80] * 3),
    "a short key": member(keys=["A" * 40]),
    "keys that are one text": member(keys="AA"),
    "one member more": member(helper=["/bin/sh"]),
}
HELPERS: dict[str, Any] = {
    "a relative program": ["sh", "-c"],
    "no program": [],
    "a command line": "/bin/sh -c x",
    "numbers": [1],
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_file_that_we_would_not_write(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    value = members(of_passphrase())
    HOSTILE[name](value)
    no_derivation(monkeypatch)
    with pytest.raises(UnsafeError) as caught:
        keys.load(Path("/home"), Source(line=PASSPHRASE), summed(value))
    assert caught.value.code == "custody_damaged"


@pytest.mark.parametrize("name", HELPERS)
def test_a_helper_that_we_would_not_write(name: str) -> None:
    box = b64.encode(bytes(60))
    value = {"nhictl_custody": 1, "kind": "helper", "id": "nhictl-00", "helper": HELPERS[name], "keys": [box]}
    with pytest.raises(UnsafeError) as caught:
        keys.load(Path("/home"), None, summed(value))
    assert caught.value.code == "custody_damaged"
    value["helper"] = ["/bin/sh", "-c"]
    assert custody.described(PATH, summed(value)).kind == "helper", "the same file with a program"


@pytest.mark.parametrize(
    "change",
    [
        scrypt(salt=b64.encode(bytes(16))),
        scrypt(p=2),
        scrypt(n=1 << 16),
        member(id="nhictl-00"),
        member(keys=[b64.encode(bytes(60))]),
        lambda value: value["keys"].append(value["keys"][0]),
    ],
)
def test_a_right_sum_does_not_make_it_open(change: Callable[[dict[str, Any]], Any]) -> None:
    value = members(of_passphrase())
    change(value)
    with pytest.raises(UnsafeError) as caught:
        keys.load(Path("/home"), Source(line=PASSPHRASE), summed(value))
    assert (caught.value.code, caught.value.exit) == ("custody_not_opened", 6)
    assert "does not open" in caught.value.message


def test_another_passphrase() -> None:
    with pytest.raises(UnsafeError, match="the passphrase does not open") as caught:
        custody.unlock(PATH, of_passphrase(), Source(line=PASSPHRASE + b"x"))
    assert caught.value.__cause__ is None
    assert PASSPHRASE.decode() not in str(caught.value)


def test_the_file_of_an_older_home_is_read_as_ever(home: Path) -> None:
    house = house_with(home, "file")
    text = (home / KEK_FILE).read_bytes()
    assert (len(text), bytes.fromhex(text.decode())) == (65, house.unlocked().key)
    assert custody.kind(home) == "file"
    (home / KEK_FILE).write_bytes(text.strip())
    assert opened(home).unlocked() == house.unlocked()


@pytest.mark.parametrize("kind", ["passphrase", "helper"])
def test_its_kind_is_known_without_asking(home: Path, watcher: Watcher, kind: str) -> None:
    house_with(home, kind, command=watcher.command if kind == "helper" else None).close()
    watcher.forget()
    assert custody.kind(home) == kind
    assert key_custody.show(opened(home, None))[0]["kind"] == kind
    assert watcher.calls() == []


@pytest.mark.parametrize("fault", ["loose", "symlink", "nowhere", "linked", "pipe", "foreign", "home"])
def test_a_home_that_is_not_safe_is_not_opened(home: Path, fault: str, monkeypatch: pytest.MonkeyPatch) -> None:
    house_with(home, "passphrase").close()
    path = home / KEK_FILE
    if fault == "foreign":
        if os.geteuid() != 0:
            pytest.skip("only root can give files away")
        os.chown(path, 65534, 65534)
    else:
        {
            "loose": lambda: path.chmod(0o640), "symlink": lambda: symlinked(path), "nowhere": lambda: to_nowhere(path),
            "linked": lambda: hard_linked(path), "pipe": lambda: a_fifo(path), "home": lambda: home.chmod(0o755),
        }[fault]()  # fmt: skip
    no_derivation(monkeypatch)
    with pytest.raises(UnsafeError):
        key_custody.show(opened(home))
    with pytest.raises(UnsafeError):
        _ = opened(home).db
    if fault != "home":
        with pytest.raises(UnsafeError):
            keys.load(home, Source(line=PASSPHRASE))
