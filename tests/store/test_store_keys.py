"""Key custody: a box opens with its key, at its place, unaltered, and in no other way."""

from __future__ import annotations

import pytest

from nhictl.errors import UnsafeError
from nhictl.ops.house import House
from nhictl.ops.register_agent import Registration, register
from nhictl.ops.sealing import AUTHORITY, content_place
from nhictl.store import agents, log
from nhictl.store.keys import Sealer

KEY = bytes(range(32))
NONCE = bytes(12)
BOX = Sealer(KEY).seal(b"secret", "here:1", NONCE)


def test_a_box_is_nonce_ciphertext_and_tag() -> None:
    assert len(BOX) == 12 + 6 + 16
    assert BOX.startswith(NONCE)
    assert b"secret" not in BOX
    assert Sealer(KEY).open(BOX, "here:1") == b"secret"


@pytest.mark.parametrize(
    ("key", "box", "place"),
    [
        (KEY[::-1], BOX, "here:1"),
        (KEY, BOX, "here:2"),
        (KEY, BOX, ""),
        (KEY, BOX[:-1] + bytes([BOX[-1] ^ 1]), "here:1"),
        (KEY, bytes([BOX[0] ^ 1]) + BOX[1:], "here:1"),
        (KEY, BOX[:14] + bytes([BOX[14] ^ 1]) + BOX[15:], "here:1"),
        (KEY, BOX[:-1], "here:1"),
        (KEY, BOX[:27], "here:1"),
        (KEY, b"", "here:1"),
        (KEY, BOX[:12], "here:1"),
    ],
)
def test_no_other_way(key: bytes, box: bytes, place: str) -> None:
    with pytest.raises(UnsafeError, match="does not open") as caught:
        Sealer(key).open(box, place)
    assert caught.value.code == "seal_broken"
    assert "secret" not in str(caught.value)


def test_what_lies_in_the_database_opens_only_in_its_place(house: House) -> None:
    register(house, Registration("bot", "o@example.org", "a secret purpose"), None, None)
    (token_key,), (log_key,) = agents.keys(house.db, "token"), agents.keys(house.db, "log")
    assert house.sealer.open(token_key.sealed, f"signing key:{token_key.kid}")
    with pytest.raises(UnsafeError):
        house.sealer.open(token_key.sealed, f"signing key:{log_key.kid}")
    box = log.content_key(house.db, AUTHORITY)
    assert box is not None
    key = house.sealer.open(box, "content key:0")
    with pytest.raises(UnsafeError):
        house.sealer.open(box, "content key:1")
    found = log.content(house.db, 2, "purpose")
    assert found is not None
    chain = house.meta["chain"]
    assert Sealer(key).open(found[1], content_place(chain, 2, "purpose")) == b'"a secret purpose"'
    for place in (
        content_place(chain, 3, "purpose"),
        content_place(chain, 2, "scope"),
        content_place("0" * 64, 2, "purpose"),
    ):
        with pytest.raises(UnsafeError):
            Sealer(key).open(found[1], place)


def test_no_secret_and_no_content_lies_open_in_the_home(house: House) -> None:
    register(house, Registration("bot", "o@example.org", "a-secret-purpose-of-mine"), None, None)
    raw = [
        house.sealer.open(row.sealed, f"signing key:{row.kid}")
        for use in ("token", "log")
        for row in agents.keys(house.db, use)
    ]
    assert len(raw) == 2
    house.close()
    found = {path.name: path.read_bytes() for path in house.home.iterdir() if path.is_file()}
    for name, data in found.items():
        assert not any(secret in data or secret.hex().encode() in data for secret in raw), name
    line = found["nhictl.db"].count(b'"type":"agent.registered"')
    assert line == 1
