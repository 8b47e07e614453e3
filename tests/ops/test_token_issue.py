"""What is in an issued token, to the member and its order, and when none is issued."""

from __future__ import annotations

import base64
import json
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from nhictl.core.ledger.merkle import CompactRange, leaf_hash
from nhictl.core.policy.box import box_from_mapping
from nhictl.core.token import b64, jws
from nhictl.errors import ConflictError, InputError, NhictlError, NotFoundError, UnsafeError
from nhictl.ops.activate_policy import activate
from nhictl.ops.change_agent import change
from nhictl.ops.end_task import end_task
from nhictl.ops.house import House
from nhictl.ops.issue_token import issue_token
from nhictl.ops.open_task import Order, open_task
from nhictl.ops.verify_token import verify
from nhictl.store import log
from tests.harness import Clock
from tests.ops.token_home import (
    AUDIENCE,
    BOXES,
    DOMAIN,
    ISSUER,
    Authority,
    add_agent,
    add_task,
    add_token,
    decoded,
    policy_file,
    question,
    records,
)  # fmt: skip


def tree(house: House, size: int) -> str:
    """The root over the first `size` lines, in base64, computed from the lines."""
    made = CompactRange()
    for _, line in log.lines(house.db, below=size):
        made.append(leaf_hash(line))
    return base64.b64encode(made.root()).decode()


def test_the_token_to_the_member(authority: Authority, home: House) -> None:
    before = len(records(home))
    made, head = issue_token(home, authority.task, AUDIENCE, ttl_s=600)
    header, claims = decoded(made.token)
    kid = home.db.execute("SELECT kid FROM signing_key WHERE use = 'token'").fetchone()[0]
    assert list(header.items()) == [("alg", "ES256"), ("typ", "at+jwt"), ("kid", kid)]
    assert kid == jws.thumbprint(jws.public_jwk(authority.private))
    assert list(claims) == ["iss", "sub", "client_id", "aud", "iat", "nbf", "exp", "jti", "txn", "sub_profile", "scope",
                            "authorization_details", "nhictl"]  # fmt: skip
    now = authority.clock.now_us // 1_000_000
    digest = home.db.execute("SELECT digest FROM policy_version").fetchone()[0]
    assert claims == {
        "iss": ISSUER, "sub": f"spiffe://{DOMAIN}/agent/report-bot", "client_id": "report-bot", "aud": AUDIENCE,
        "iat": now, "nbf": now, "exp": now + 600, "jti": made.jti, "txn": authority.task, "sub_profile": "ai_agent",
        "scope": "reports.read reports.audit reports.count reports.purge reports.undeclared",
        "authorization_details": [
            {"type": "nhictl_resource_access", "actions": BOXES[0]["tools"], "resource": AUDIENCE,
             "constraints": {"args.limit": {"lte": 100}}},
            {"type": "nhictl_resource_access", "actions": BOXES[1]["tools"]},
        ],
        "nhictl": {"inst": "one", "policy": digest,
                   "log": {"chain": home.meta["chain"], "size": before, "root": tree(home, before)}},
    }  # fmt: skip
    assert all(type(claims[name]) is int for name in ("iat", "nbf", "exp"))
    assert list(claims["nhictl"]) == ["inst", "policy", "log"]
    assert len(b64.decode(made.jti)) == 16
    assert b"=" not in made.token.encode()
    assert (head.chain, head.size) == (home.meta["chain"], before + 1)
    assert head.to_json()["root"] == tree(home, before + 1)
    assert made.expires == "2026-06-01T12:10:00.000000Z"
    assert b64.decode(made.token.split(".")[1]) == json.dumps(claims, separators=(",", ":")).encode(), "compact"


def test_the_record_of_it(authority: Authority, home: House) -> None:
    made, _ = issue_token(home, authority.task, AUDIENCE, uses=3)
    last = records(home)[-1]
    assert (last["type"], last["outcome"], last["jti"], last["task"]) == (
        "token.issued",
        "ok",
        made.jti,
        authority.task,
    )
    assert last["tok"] == "sha256:" + sha256(made.token.encode()).hexdigest()
    assert last["ext"]["uses"] == 3
    assert made.token not in json.dumps(last)


def test_without_policy_and_with_a_principal(house: House) -> None:
    add_agent(house, "report-bot")
    task = add_task(house, principal="ann@example.org")
    made = add_token(house, task)
    _, claims = decoded(made.token)
    assert list(claims["nhictl"]) == ["inst", "principal", "log"]
    assert claims["nhictl"]["principal"] == "ann@example.org"
    assert (claims["iss"], claims["sub"]) == (f"spiffe://{DOMAIN}", f"spiffe://{DOMAIN}/agent/report-bot")
    verdict = verify(house, question(made.token))
    assert (verdict.step, verdict.reason) == (20, "not_permitted"), "a principal grants nothing"


def test_the_same_input_gives_the_same_token(tmp_path: Path) -> None:
    """RFC 6979: nothing random goes into a signature. The jti is all that is random, and here it is not."""
    authority = Authority(tmp_path / "home")
    authority.house.random = lambda size: b"\x07" * size
    made = set()
    for _ in range(2):
        with authority.copy() as house:
            house.random = lambda size: b"\x07" * size
            made.add(add_token(house, authority.task).token)
    authority.house.close()
    assert len(made) == 1


def test_a_jti_never_comes_twice(home: House, authority: Authority) -> None:
    found = {add_token(home, authority.task).jti for _ in range(20)}
    assert len(found) == 20
    home.random = lambda size: b"\x01" * size
    add_token(home, authority.task)
    with pytest.raises(NhictlError):
        add_token(home, authority.task)


@pytest.mark.parametrize(("ttl", "lives"), [(None, 300), (1, 1), (300, 300), (3600, 3600)])
def test_life(authority: Authority, home: House, ttl: int | None, lives: int) -> None:
    task = add_task(home, deadline_s=7200)
    _, claims = decoded(issue_token(home, task, AUDIENCE, ttl_s=ttl)[0].token)
    assert claims["exp"] - claims["iat"] == lives


@pytest.mark.parametrize("ttl", [0, -1, 3601, 10**9])
def test_a_life_beyond_the_cap_is_refused(authority: Authority, home: House, ttl: int) -> None:
    with pytest.raises(InputError) as caught:
        issue_token(home, authority.task, AUDIENCE, ttl_s=ttl)
    assert caught.value.code == "invalid_ttl"


def test_a_token_never_outlives_its_task(home: House) -> None:
    clock = home.clock
    assert isinstance(clock, Clock)
    clock.now_us += 400_000
    task = add_task(home, deadline_s=10)
    for later, wanted in ((0, 10), (4, 6), (5, 1)):
        clock.advance(later)
        _, claims = decoded(add_token(home, task).token)
        assert claims["exp"] * 1_000_000 <= clock.now_us + wanted * 1_000_000
        assert claims["exp"] - claims["iat"] == wanted
    clock.advance(0.9)
    with pytest.raises(ConflictError, match="closed"):
        add_token(home, task)  # less than a second is left
    clock.advance(0.2)
    with pytest.raises(ConflictError, match="closed"):
        add_token(home, task)


REFUSALS: list[tuple[str, Any, dict[str, Any], type[NhictlError], str]] = [
    ("unknown task", None, {"task": "t-0000000000000000"}, NotFoundError, "task_unknown"),
    ("another instance", None, {"instance": "two"}, ConflictError, "instance_mismatch"),
    ("closed task", lambda h, t: end_task(h, t, "closed", None), {}, ConflictError, "task_closed"),
    ("killed task", lambda h, t: end_task(h, t, "killed", None), {}, ConflictError, "task_killed"),
    ("past the deadline", lambda h, _: h.clock.advance(3600), {}, ConflictError, "task_closed"),
    ("suspended agent", lambda h, _: change(h, "report-bot", "suspend", None), {}, ConflictError, "agent_suspended"),
    ("retired agent", lambda h, _: change(h, "report-bot", "retire", None), {}, ConflictError, "agent_retired"),
    ("a clock gone back", lambda h, _: h.clock.advance(-31), {}, UnsafeError, "clock_regressed"),
    ("no uses", None, {"uses": 0}, InputError, "usage"),
    ("negative uses", None, {"uses": -1}, InputError, "usage"),
    ("too many uses", None, {"uses": 1_000_001}, InputError, "usage"),
    *(
        (f"audience {value[:9]!r}", None, {"audience": value}, InputError, "invalid_audience")
        for value in ("", " ", "a b", "a\n", "a\0", "é", "x" * 513)
    ),
]


@pytest.mark.parametrize(("before", "asked", "error", "code"), [r[1:] for r in REFUSALS], ids=[r[0] for r in REFUSALS])
def test_none_is_issued(
    authority: Authority, home: House, before: Any, asked: dict[str, Any], error: type[NhictlError], code: str
) -> None:
    given: dict[str, Any] = {"task": authority.task, "audience": AUDIENCE, "instance": "one"}
    assert verify(home, question(issue_token(home, **given)[0].token)).valid, "positive control"
    if before:
        before(home, authority.task)
    state = "SELECT (SELECT count(*) FROM log), (SELECT count(*) FROM token), (SELECT sum(tokens) FROM task)"
    stood = home.db.execute(state).fetchone()
    with pytest.raises(error) as caught:
        issue_token(home, **(given | asked))
    assert caught.value.code == code
    assert home.db.execute(state).fetchone() == stood, "nothing was written, nothing counted"


def test_an_expired_agent_gets_none(home: House) -> None:
    add_agent(home, "short-bot", expires_s=60)
    task = add_task(home, "short-bot")
    add_token(home, task)
    later = home.clock() + 60_000_000
    home.clock = lambda: later
    with pytest.raises(ConflictError) as caught:
        add_token(home, task)
    assert caught.value.code == "agent_expired"


def test_the_budget_of_a_task(home: House) -> None:
    task = add_task(home, max_tokens=3)
    for _ in range(3):
        add_token(home, task)
    with pytest.raises(ConflictError) as caught:
        add_token(home, task)
    assert caught.value.code == "task_tokens_exhausted"
    add_token(home, add_task(home))


def test_a_token_names_the_policy_of_its_moment(house: House) -> None:
    add_agent(house, "report-bot")
    activate(house, policy_file())
    first = decoded(add_token(house, add_task(house)).token)[1]["nhictl"]["policy"]
    text = policy_file()[0][1].replace(b"NEVER", b"NO")
    made, _ = activate(house, [("policy.yaml", text)])
    second = decoded(add_token(house, add_task(house)).token)[1]["nhictl"]["policy"]
    assert first != second == made["digest"]


def test_scope_never_names_more_than_the_details(home: House) -> None:
    """Tools stand once, in the order of the boxes, however they overlap."""
    overlapping = [box_from_mapping({"tools": tools}) for tools in (["b.x", "a.*"], ["a.*", "c.y"], ["b.x"])]
    task, _ = open_task(home, Order("report-bot", "reports", "overlap", tuple(overlapping)))
    _, claims = decoded(add_token(home, task["id"]).token)
    named = [action for entry in claims["authorization_details"] for action in entry["actions"]]
    assert claims["scope"].split(" ") == list(dict.fromkeys(named))
