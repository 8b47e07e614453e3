"""Verification by the table: every vector is refused at its step for its reason, plainly and live."""

from __future__ import annotations

import re
from hashlib import sha256
from pathlib import Path

import pytest

from nhictl.ops.verify_token import consume, verify
from tests.ops.token_codes import CODES, DOCUMENTED, ELSEWHERE, REACHABLE, generic
from tests.ops.token_home import AUDIENCE, Authority, Case, Edit, records
from tests.ops.token_vectors import VECTORS_OF_THE_TEXT, Vector, header, raw, text
from tests.ops.token_vectors_bound import BOUND, certified, delegated, prove
from tests.ops.token_vectors_claims import CLAIMS
from tests.ops.token_vectors_foreign import ACCEPTED_BY_PYJWT, STRICT
from tests.ops.token_vectors_keys import KEYS
from tests.ops.token_vectors_state import STATE, UNDECIDED

VECTORS = [*VECTORS_OF_THE_TEXT, *KEYS, *CLAIMS, *BOUND, *STATE]
IDS = [f"{v.step}-{v.reason}-{v.name[:40]}" for v in VECTORS]


def test_the_table_is_the_documented_one(shared: Path) -> None:
    found = {}
    for line in (shared / "reference" / "tokens.md").read_text().splitlines():
        if row := re.fullmatch(r"\| (\d+) \| .* \| (`.*) \|", line):
            codes = row[2].partition(" (`")[0] if row[1] == "19" else row[2]
            found[int(row[1])] = set(re.findall(r"`([a-z_0-9]+(?::NAME)?)`", codes))
    assert sorted(found) == list(range(1, 20))
    for step, codes in found.items():
        assert codes - {"log"} == set(CODES[step].split()), step


def test_there_is_a_vector_for_every_code_that_can_be_reached() -> None:
    covered = {(vector.step, generic(vector.reason)) for vector in [*VECTORS, UNDECIDED]}
    assert covered == REACHABLE
    foreign = {(row.step, generic(row.reason)) for row in (*ACCEPTED_BY_PYJWT, *STRICT)}
    others = {(18, "jti_replayed"), (12, "clock_regressed")}
    assert {code for _, code in others} == {code for code, where in ELSEWHERE.items() if where != "foreign"}
    assert covered | foreign | others == DOCUMENTED, "every code of the table has a case"
    names = [(vector.reason, vector.name) for vector in VECTORS]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("vector", [*VECTORS, UNDECIDED], ids=[*IDS, "18-use_required"])
def test_one_thing_wrong(authority: Authority, vector: Vector) -> None:
    with authority.case() as case:
        good = case.verify()
        assert (good.step, good.reason, good.exit) == (20, "valid", 0), "positive control"
        vector.mutate(case)
        verdict = verify(case.house, case.question())
        assert (verdict.step, verdict.reason) == (vector.step, vector.reason)
        assert not verdict.valid
        assert verdict.exit == (3 if vector is UNDECIDED else 1)
        shown = verdict.to_json()
        assert (shown["valid"], shown["reason"], shown["step"]) == (False, vector.reason, vector.step)
        assert "claims" not in shown
        assert shown["status"] == {"source": "store" if vector.step >= 14 else "none", "age_s": 0}
        assert (vector.step, generic(vector.reason)) in DOCUMENTED


@pytest.mark.parametrize("vector", VECTORS, ids=IDS)
def test_live_gives_the_same_answer_and_one_record(authority: Authority, vector: Vector) -> None:
    with authority.case() as case:
        case.sql("UPDATE token SET uses = 5")
        vector.mutate(case)
        asked, before = case.question(), records(case.house)
        uses = case.house.db.execute("SELECT jti, uses FROM token ORDER BY id").fetchall()
        calls = case.house.db.execute("SELECT sum(calls) FROM task").fetchone()
        verdict, head = consume(case.house, asked)
        assert (verdict.step, verdict.reason) == (vector.step, vector.reason)
        after = records(case.house)
        assert head.size == len(after)
        if vector.reason == "lease_lost":  # whoever sees it first kills the task, in the same act
            assert [each["type"] for each in after[len(before) : -1]] == ["lease.lost", "task.killed"]
            del after[len(before) : -1]
        assert after[:-1] == before
        last = after[-1]
        assert (last["type"], last["outcome"]) == ("token.denied", "deny")
        assert last["dec"]["effect"] == "deny"
        assert (last["dec"]["reason"], last["ext"]["step"]) == (vector.reason, vector.step)
        assert last["tok"] == "sha256:" + sha256(asked.token.strip()).hexdigest()
        assert case.house.db.execute("SELECT jti, uses FROM token ORDER BY id").fetchall() == uses, "no use is taken"
        assert case.house.db.execute("SELECT sum(calls) FROM task").fetchone() == calls


GOOD = [
    ("bound to a key, with a proof by it", prove()),
    ("bound to a certificate, which is shown", certified()),
    ("delegated, with a proof", delegated),
    ("a line feed", text(lambda t: t + b"\n")),
    ("a Windows line end", text(lambda t: t + b"\r\n")),
    ("typ in capitals", header(typ="AT+JWT")),
    ("typ in full", header(typ="application/at+jwt")),
    ("typ in full and in capitals", header(typ="Application/At+Jwt")),
    ("white space in the header", raw("header", lambda d: b" \t\r\n" + d + b" ")),
    ("white space in the claims", raw("claims", lambda d: d.replace(b",", b" ,\n"))),
    ("escapes in the header", raw("header", lambda d: d.replace(b"alg", b"\\u0061lg"))),
    ("claims nobody knows", lambda case: case.claims.update(x={"y": ["é", 1.5, None]}, status_=1)),
    ("32 levels", raw("claims", lambda d: d[:-1] + b',"x":' + b"[" * 31 + b"]" * 31 + b"}")),
    ("no nbf", lambda case: case.claims.pop("nbf")),
    ("the longest life", lambda case: case.claims.update(exp=case.claims["iat"] + 3600)),
    ("scope by a glob", lambda case: case.claims.update(scope="mail.* reports.*")),
    ("the largest amount", lambda case: case.asked.update(args={"limit": 100})),
    ("the resource itself", lambda case: case.asked.update(resource=AUDIENCE)),
    ("one actions as a string", lambda case: case.claims["authorization_details"][0].update(actions="reports.read")),
]


@pytest.mark.parametrize("change", [row[1] for row in GOOD], ids=[row[0] for row in GOOD])
def test_what_makes_no_difference(authority: Authority, change: object) -> None:
    assert callable(change)
    with authority.case() as case:
        change(case)
        verdict = case.verify()
        assert (verdict.step, verdict.reason) == (20, "valid")
        assert verdict.to_json()["claims"] == verdict.claims


def _of_size(case: Case, size: int) -> bytes:
    """The token, filled up to exactly `size` bytes: with text in a claim, and white space in the header."""
    for spaces in range(3):
        pad: Edit = lambda data, n=spaces: data + b" " * n  # type: ignore[misc]  # noqa: E731
        for missing in range(4):
            case.raw_header, case.claims["fill"] = [pad], ""
            room = size - len(case.token())
            case.claims["fill"] = "x" * (room * 3 // 4 - missing)
            if len(case.token()) == size:
                return case.token()
    raise AssertionError("no such size")


def test_the_size_is_capped_at_16384_bytes(authority: Authority) -> None:
    with authority.case() as case:
        case.asked["audience"] = AUDIENCE
        largest = _of_size(case, 16384)
        assert len(largest) == 16384
        assert case.verify().reason == "valid"
        case.text.append(lambda t: t + b"\n")
        assert case.verify().reason == "valid", "the line end does not count"
        case.text.clear()
        assert len(_of_size(case, 16385)) == 16385
        assert (case.verify().step, case.verify().reason) == (1, "token_too_large")


def test_without_a_tool_the_answer_stops_at_the_task(authority: Authority) -> None:
    with authority.case() as case:
        case.asked.update(tool=None, args=None, resource=None)
        assert (case.verify().step, case.verify().reason, case.verify().decision) == (19, "valid", None)
        case.sql("DELETE FROM policy_version")
        case.claims["authorization_details"] = []
        assert case.verify().valid, "what may be done is not asked"


def test_a_token_of_a_cloned_home_is_unknown_here(authority: Authority) -> None:
    """The same keys, another log: what the clone issues after the copy was taken is not ours."""
    from tests.ops.token_home import add_token, question

    with authority.copy() as clone, authority.copy() as ours:
        stolen = add_token(clone, authority.task)
        assert verify(clone, question(stolen.token)).valid, "positive control"
        verdict = verify(ours, question(stolen.token))
        assert (verdict.step, verdict.reason) == (17, "token_unknown")
        own = add_token(ours, authority.task)
        assert verify(ours, question(own.token)).valid
        assert verify(clone, question(own.token)).reason == "token_unknown"
