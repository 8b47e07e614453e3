"""Tokens in process and as a stream: verifying and signing against raw cryptography, batches, a status list of a million."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature

from nhictl.core.token import b64, claims, jws, profile, status_list
from nhictl.ops.house import House
from nhictl.ops.issue_token import issue_token
from nhictl.ops.token_facts import Question
from nhictl.ops.verify_batch import answer
from nhictl.ops.verify_offline import Known, Verifier, verify_offline
from nhictl.ops.verify_token import verify
from tests.bench.measure import Row, pairs, timed
from tests.bench.processes import Installed
from tests.bench.store import AUDIENCE, new_house

SIGN = ec.ECDSA(hashes.SHA256(), deterministic_signing=True)
CHECK = ec.ECDSA(hashes.SHA256())
MILLION = 1_000_000


def rows(folder: Path, rounds: int) -> list[Row]:
    """All of it."""
    house, task = new_house(folder / "tokens")
    tokens = [issue_token(house, task, AUDIENCE, ttl_s=3600)[0].token for _ in range(100)]
    found = [*_in_process(house, tokens, rounds), *_batches(folder, house, tokens), *_list(house)]
    house.close()
    return found


def _raw(tokens: list[str], key: ec.EllipticCurvePublicKey) -> Callable[[], None]:
    """The least that verifying a token can be: split, decode, check r ‖ s with the library, parse the claims."""

    def work() -> None:
        for token in tokens:
            signed, _, tail = token.rpartition(".")
            raw = b64.decode(tail)
            r, s = int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big")
            key.verify(encode_dss_signature(r, s), signed.encode(), CHECK)
            json.loads(b64.decode(signed.partition(".")[2]))

    return work


def _in_process(house: House, tokens: list[str], rounds: int) -> list[Row]:
    public = json.loads(house.db.execute("SELECT public FROM signing_key WHERE use = 'token'").fetchone()[0])
    floor = _raw(tokens, jws.load_public(public))
    far = Verifier(Known(house.meta["issuer"], {"keys": [public]}))
    asked = [Question(token.encode(), AUDIENCE) for token in tokens]
    now = house.clock()

    def offline() -> None:
        for each in asked:
            assert verify_offline(far, each, now).valid

    def local() -> None:
        for each in asked:
            assert verify(house, each).valid

    private = jws.private_from_bytes(bytes(31) + b"\x07")
    body = b64.decode(tokens[0].split(".")[1])
    grant = json.loads(body)

    def issue() -> None:
        for _ in tokens:
            jws.sign(profile.header("k"), json.dumps(grant).encode(), private)

    def sign() -> None:
        for _ in tokens:
            r, s = decode_dss_signature(private.sign(b"x" * 900, SIGN))
            b64.encode(r.to_bytes(32, "big") + s.to_bytes(32, "big"))

    many = len(tokens)
    return [
        _each("verify offline, in process, against raw cryptography", pairs(offline, floor, rounds), many),
        _each("verify locally, in process, against raw cryptography", pairs(local, floor, rounds), many),
        _each("sign a token, in process, against the bare signature", pairs(issue, sign, rounds), many),
    ]


def _each(what: str, found: tuple[float, float, float], many: int) -> Row:
    """A row about one of `many`: microseconds each, and the ratio."""
    ours, floor, ratio = found
    return Row(what, f"{ours / many * 1e6:.0f} µs", f"{floor / many * 1e6:.0f} µs", f"{ratio:.2f}", "–", None)


def _batches(folder: Path, house: House, tokens: list[str]) -> list[Row]:
    """`--batch`: answered in process, and by a process that is fed a file of 2,000 lines, its start included."""
    lines: list[dict[str, Any]] = [
        {"id": n, "token": tokens[n % len(tokens)], "audience": AUDIENCE} for n in range(2000)
    ]

    def inside() -> None:
        for line in lines:
            assert answer(house, {k: v for k, v in line.items() if k != "id"}, {})["valid"]

    took = min(timed(inside) for _ in range(3))
    place = folder / "batch"
    place.mkdir()
    program = Installed(place)
    text = "\n".join(map(json.dumps, lines)).encode()
    argv = [sys.executable, str(place / "start.py"), "--home", str(house.home), "token", "verify", "--batch", "-"]

    def outside() -> None:
        done = subprocess.run(argv, input=text, capture_output=True, check=True, env=program.env)
        assert done.stdout.count(b'"valid":true') == len(lines)

    whole = min(timed(outside) for _ in range(3))
    return [
        Row("batch verify, in process", f"{len(lines) / took:.0f}/s", "–", "–", "–", None),
        Row("token verify --batch, one process, 2,000 lines", f"{len(lines) / whole:.0f}/s", "–", "–", "–", None),
    ]


def _list(house: House) -> list[Row]:
    """A list of a million entries of two bits, written and checked, with few and with many of them revoked."""
    issuer = house.issuer()
    row, private = issuer.keys[0][0], jws.private_from_bytes(bytes(31) + b"\x07")
    known = claims.Issuer(issuer.iss, (({**jws.public_jwk(private), "kid": row["kid"]}, False),), "", issuer.algorithms)
    now = house.clock() // 1_000_000
    found = []
    for part in (100, 2):
        chosen = random.Random(7).sample(range(MILLION), MILLION // part)
        entries = [(idx, status_list.INVALID) for idx in chosen]
        made: list[bytes] = []

        def write(entries: list[tuple[int, int]] = entries, made: list[bytes] = made) -> None:
            body = status_list.claims_of("https://x.example/status/1", status_list.pack(MILLION, 2, entries), now)
            made.append(status_list.sign(row["kid"], private, body).encode())

        wrote = min(timed(write) for _ in range(3))

        def check(made: list[bytes] = made) -> None:
            read = status_list.parse(made[0], known)
            assert read.list.size == MILLION

        checked = min(timed(check) for _ in range(3))
        read = status_list.parse(made[0], known).list
        assert sum(read.at(idx) != status_list.VALID for idx in range(MILLION)) == len(chosen)
        what = f"status list of a million, {100 // part} % revoked: {len(made[0]):,} bytes"
        found.append(Row(what, f"write {wrote * 1e3:.0f} ms", f"check {checked * 1e3:.0f} ms", "–", "–", None))
    return found
