"""A witness never steps back: what it accepts, what it refuses by name, and that it remembers before it answers."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from nhictl.core.ledger import checkpoint, proofs, request
from nhictl.core.ledger.cosignature import cosigned
from nhictl.errors import ConflictError, InputError, NotFoundError, UnsafeError
from nhictl.ops import audit_log, prove_log
from nhictl.ops.house import House
from nhictl.ops.register_agent import Registration, register
from nhictl.ops.rotate_log_key import rotate
from nhictl.ops.witness_log import Answer, witness
from tests.core.ledger.exported_attacks import forged
from tests.core.ledger.exported_log import WRONG_KEY, export, honest_history, new_house, note, taken_from, text
from tests.harness import NOON_US, Clock

Offer = Callable[..., Answer]


@pytest.fixture
def offer(tmp_path: Path, clock: Clock) -> Offer:
    """`offer(data)` is what one witness says to it."""

    def ask(data: str | bytes, keys: list[tuple[str | None, bytes]] | None = None, name: str | None = None) -> Answer:
        stream = io.BytesIO(data.encode() if isinstance(data, str) else data)
        return witness(stream, "offer", tmp_path / "witness", clock, keys, name)

    return ask


def told(answer: Answer) -> tuple[str, str | None, int]:
    return answer.offer.verdict, answer.offer.kind, answer.offer.exit


def grow(house: House, name: str = "late") -> None:
    register(house, Registration(name, "o@example.org", "p"), None, None)


GOOD = ("COSIGNED", None, 0)


def test_a_log_then_proofs_then_a_log(house: House, offer: Offer) -> None:
    first = offer(export(house), name="w.example/1")
    assert told(first) == GOOD
    assert first.before is None
    for number in range(3):
        grow(house, f"bot{number}")
        grow(house, f"bat{number}")
        assert told(offer(prove_log.prove_growth(house, 2 + 2 * number).text)) == GOOD
    grow(house)
    last = offer(export(house))
    assert told(last) == GOOD
    assert last.before is not None
    assert (last.before.said.size, last.offer.said and last.offer.said.size) == (8, 9)
    body = last.to_json()
    assert cosigned(body["note"], "w.example/1", _key(body["verifier_key"])) == NOON_US // 1_000_000
    seen = audit_log.parse_anchor(body["note"].encode(), "witnessed")
    assert audit_log.verify_home(house, [seen]).verdict == "VERIFIED"
    assert audit_log.parse_anchor(json.dumps(body).encode(), "reply") == seen._replace(source="reply")


def _key(text: str) -> bytes:
    import base64

    return base64.b64decode(text.split("+", 2)[2])[1:]


def test_a_proof_again_is_cosigned_again(house: House, offer: Offer) -> None:
    offer(export(house))
    grow(house)
    asked = prove_log.prove_growth(house, 2).text
    assert told(offer(asked)) == GOOD
    with pytest.raises(ConflictError) as caught:  # as the protocol has it: 409, and the size
        offer(asked)
    assert (caught.value.code, caught.value.details) == ("witness_ahead", {"size": 3})
    assert told(offer(audit_log.newest(house)[0])) == GOOD
    assert told(offer(prove_log.prove_growth(house, 3).text)) == GOOD


def test_time_never_goes_back(house: House, offer: Offer, clock: Clock) -> None:
    first = offer(export(house))
    clock.advance(-3600)
    second = offer(export(house))
    assert first.line == second.line


def test_pinned_instead_of_a_whole_log(house: House, offer: Offer) -> None:
    key = taken_from(house).key.public
    asked = request.add_checkpoint(0, [], audit_log.newest(house)[0])
    assert told(offer(asked)) == ("UNKNOWN_KEY", "unknown_key", 3)
    assert told(offer(asked, [(None, WRONG_KEY.public)])) == ("UNKNOWN_KEY", "signature", 3)
    assert told(offer(asked, [(None, key)])) == GOOD


def test_a_rotated_key_comes_with_the_log(house: House, offer: Offer) -> None:
    offer(export(house))
    old = taken_from(house).key
    rotate(house)
    grow(house)
    asked = prove_log.prove_growth(house, 2).text
    assert told(offer(asked)) == ("UNKNOWN_KEY", "signature", 3)
    assert told(offer(export(house))) == GOOD
    grow(house, "more")
    assert told(offer(prove_log.prove_growth(house, 4).text)) == GOOD
    log = taken_from(house)
    stolen = note(log.lines, 5, old)  # the key that was replaced signs again
    assert told(offer(stolen)) == ("TAMPERED", "signature", 1)


def test_what_is_refused(house: House, offer: Offer, tmp_path: Path) -> None:
    honest_history(house)
    log = taken_from(house)
    offer(export(house))
    state = tmp_path / "witness" / f"{log.chain}.json"
    before = state.read_bytes()
    bad = forged(log)
    longer = [*bad, *log.lines[11:]]
    cases: list[tuple[bytes | str, tuple[str, str | None, int]]] = [
        (text(log.lines[:8], [note(log.lines, 8, log.key)]), ("TAMPERED", "truncated", 1)),
        (note(log.lines, 8, log.key), ("TAMPERED", "truncated", 1)),
        (request.add_checkpoint(0, [], note(log.lines, 8, log.key)), ("TAMPERED", "truncated", 1)),
        (text(bad, [note(bad, 12, log.key)]), ("FORKED", "forked", 1)),
        (note(bad, 12, log.key), ("FORKED", "forked", 1)),
        (request.add_checkpoint(12, [bytes(32)], note(longer, 13, log.key)), ("TAMPERED", "proof", 1)),
        (request.add_checkpoint(12, [], note(longer, 13, log.key)), ("TAMPERED", "proof", 1)),
        (note(log.lines, 12, WRONG_KEY), ("UNKNOWN_KEY", "signature", 3)),
        (text(log.lines, [note(log.lines, 12, WRONG_KEY)]), ("TAMPERED", "signature", 1)),
        (text(log.lines, log.notes)[:-30], ("INCOMPLETE_TAIL", "incomplete", 3)),
        (text(log.lines[:5] + log.lines[6:], log.notes), ("TAMPERED", "link", 1)),
    ]
    for data, expected in cases:
        answer = offer(data)
        assert told(answer) == expected, answer.offer
        assert answer.line is None
    assert state.read_bytes() == before
    assert told(offer(export(house))) == GOOD


def test_several_logs_by_one_witness(house: House, offer: Offer, tmp_path: Path) -> None:
    other = new_house(tmp_path / "other")
    assert {told(offer(export(each))) for each in (house, other, house, other)} == {GOOD}
    assert offer(export(other)).before is not None
    assert told(offer(export(other), [(taken_from(house).chain, taken_from(house).key.public)])) == (
        "TAMPERED", "other_log", 1,
    )  # fmt: skip
    other.close()


@pytest.mark.parametrize(
    "data", [b"", b"junk", b"old 1\n\njunk", b"\0" * 100_000, b"old " + b"1" * 100_000, b'{"a":1}\n']
)
def test_not_an_offer(offer: Offer, data: bytes) -> None:
    try:
        found = told(offer(data))
    except InputError as e:
        assert e.code == "request_malformed"  # noqa: PT017
    else:
        assert found[2] == 1
        assert found[1] == "malformed"


def test_a_damaged_memory_is_no_empty_one(house: House, offer: Offer, tmp_path: Path) -> None:
    offer(export(house))
    state = tmp_path / "witness" / f"{taken_from(house).chain}.json"
    whole = state.read_bytes()
    for data in (b"", b"{}", b"[]", whole[:-40], whole.replace(b'"seconds"', b'"second"')):
        state.write_bytes(data)
        with pytest.raises(UnsafeError) as caught:
            offer(export(house))
        assert caught.value.code == "witness_damaged"
    state.chmod(0o644)
    with pytest.raises(UnsafeError):
        offer(export(house))


def test_names(house: House, offer: Offer) -> None:
    for bad in ("", "a b", "a+b"):
        with pytest.raises(InputError):
            offer(export(house), name=bad)
    offer(export(house), name="one")
    with pytest.raises(ConflictError):
        offer(export(house), name="two")


def test_a_record_is_proved_to_who_has_the_checkpoint(house: House) -> None:
    honest_history(house)
    log = taken_from(house)
    for seq in (0, 5, 11):
        made = prove_log.prove_record(house, seq)
        head, _, note = made.text.partition("\n\n")
        kind, index, *hashes = head.split("\n")
        assert (kind, index) == ("c2sp.org/tlog-proof@v1", f"index {seq}")
        path, said = [base64.b64decode(each, validate=True) for each in hashes], checkpoint.parse(note)
        assert made.line == log.lines[seq]
        assert checkpoint.signed_by(note, log.key.public)
        assert proofs.included(_leaf(log.lines[seq]), seq, said.size, path, said.root)
        assert not proofs.included(_leaf(log.lines[seq - 1]), seq, said.size, path, said.root)
    assert prove_log.prove_record(house, 3, 8).size == 8
    for seq, size in ((12, None), (-1, None), (8, 8), (1, 6000)):
        with pytest.raises(NotFoundError):
            prove_log.prove_record(house, seq, size)
    house.db.execute("UPDATE log SET line = ? WHERE seq = 4", (log.lines[5],))
    with pytest.raises(UnsafeError, match="not what its checkpoint"):
        prove_log.prove_record(house, 0)


def _leaf(line: bytes) -> bytes:
    from nhictl.core.ledger.merkle import leaf_hash

    return leaf_hash(line)
