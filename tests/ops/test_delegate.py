"""`token delegate`: attacks first; then what a child is, what ends it, and what the log says of it."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from nhictl.core.token.claims import LEEWAY_S
from nhictl.core.token.confirmation import JKT, Confirmation
from nhictl.errors import ConflictError, InputError, NotFoundError
from nhictl.ops import audit_log, replay, tokens
from nhictl.ops.activate_policy import activate
from nhictl.ops.change_agent import change
from nhictl.ops.delegate_token import Delegated
from nhictl.ops.delegation_checks import Refused
from nhictl.ops.end_task import end_task
from nhictl.ops.instances import change as change_instance
from nhictl.ops.revoke_token import Selector, revoke
from tests.ops.delegation_home import AUDIENCE, ISSUER, NAMES, POLICY, Chain
from tests.ops.token_home import decoded

READ = "a.read?args.n<=50&args.n>=0"


def suspended(chain: Chain, name: str) -> str:
    """A token of boss, issued before an agent was suspended."""
    token = chain.root().token
    change(chain.house, name, "suspend", None)
    return token


WIDER = [
    "a.read", "a.read?args.n<=101&args.n>=0", "a.read?args.n<=100", "a.*", "*", "a.drop", "a.read?args.n!=200", "b",
    "a.read?args.n>=0&args.n<=100.5", "a.read?args.n?=5|200",
]  # fmt: skip


@pytest.mark.parametrize("box", WIDER)
def test_wider_is_refused_with_the_call_that_shows_it(chain: Chain, box: str) -> None:
    root = chain.root()
    try:
        found = chain.ask(root.token, "one", READ, box)
    except InputError:
        assert "100.5" in box
        return
    assert isinstance(found, Refused)
    assert (found.reason, found.step) == ("scope_widened", 19)
    call = found.witness or {}
    assert not chain.verify(root.token, call["tool"], call["args"]).valid
    last = chain.last()
    assert (last["type"], last["outcome"], last["op"], last["dec"]["reason"]) == (
        "token.denied", "deny", "delegate", "scope_widened",
    )  # fmt: skip
    assert (last["agent"], last["jti"], last["ext"]["to"]) == ("boss", root.jti, "one")
    assert set(last["c"]) == {"asked", "witness"}


@pytest.mark.parametrize(
    ("reason", "attempt"),
    [
        ("delegation_not_allowed", lambda h: h.refused(h.root(h.task(to=())).token, "one")),
        ("delegate_not_allowed", lambda h: h.refused(h.root(h.task(to=("two",))).token, "one")),
        ("delegate_not_allowed", lambda h: h.refused(h.root().token, "boss")),
        ("audience_widened", lambda h: h.refused(h.root().token, "one", audience=AUDIENCE + "/")),
        ("delegation_cycle", lambda h: h.refused((c := h.chain("one", "two"))[2].token, "one", by="two") or c),
        ("delegation_not_allowed", lambda h: h.refused(h.chain("one", task=h.task(depth=1))[1].token, "two", by="one")),
        ("pop_required", lambda h: h.refused(h.chain("one")[1].token, "two")),
        ("dpop_key_mismatch", lambda h: h.refused(h.chain("one")[1].token, "two", by="two")),
        ("dpop_htm", lambda h: h.refused((c := h.chain("one")[1].token), "two", proven=h.proof(c, "one", htu=ISSUER))),
        (
            "dpop_htu",
            lambda h: h.refused((c := h.chain("one")[1].token), "two", proven=h.proof(c, "one", htm="DELEGATE")),
        ),
        (
            "token_revoked",
            lambda h: (revoke(h.house, Selector((r := h.root()).jti), None), h.refused(r.token, "one"))[1],
        ),
        ("token_bad_segments", lambda h: h.refused("garbage", "one")),
        ("actor_not_active", lambda h: (change(h.house, "one", "suspend", None), h.refused(h.root().token, "one"))[1]),
        (
            "agent_suspended",
            lambda h: ((r := h.root()), change(h.house, "boss", "suspend", None), h.refused(r.token, "one"))[2],
        ),
        ("uses_exhausted", lambda h: ((r := h.root(uses=1)), h.consume(r.token), h.refused(r.token, "one"))[2]),
    ],
)
def test_refused(chain: Chain, reason: str, attempt: Callable[[Chain], str]) -> None:
    before = chain.house.db.execute("SELECT count(*) FROM delegation").fetchone()
    assert isinstance(chain.ask(chain.root().token, "one", READ), Delegated), "positive control"
    assert attempt(chain) == reason
    made = chain.house.db.execute("SELECT count(*) FROM delegation").fetchone()[0] - before[0]
    assert chain.last()["type"] == "token.denied" or reason == "token_bad_segments"
    assert made <= 3


def test_five_actors_and_no_more(chain: Chain) -> None:
    found = chain.chain("one", "two", "three", "four", "five")
    assert chain.verify(found[-1].token).valid
    assert decoded(found[-1].token)[1]["act"]["act"]["act"]["act"]["act"]["sub"].endswith("/one")
    assert (
        chain.refused(found[-1].token, "six", by="five", bind=Confirmation(JKT, chain.keys["six"].jkt))
        == "delegation_not_allowed"
    )


def test_what_could_be_nobodys_token(chain: Chain) -> None:
    token = chain.root().token
    with pytest.raises(NotFoundError):
        chain.ask(token, "nobody", READ)
    with pytest.raises(InputError, match="boxes"):
        chain.ask(token, "one")
    with pytest.raises(InputError, match="lives"):
        chain.ask(token, "one", READ, ttl_s=14401)
    with pytest.raises(InputError, match="key"):
        chain.ask(token, "one", READ, bind="short")
    with pytest.raises(ConflictError, match="no key"):
        chain.ask(token, "six", READ)
    few = chain.root(chain.task(max_tokens=2)).token
    chain.made(few, "one")
    with pytest.raises(ConflictError, match="2 tokens"):
        chain.ask(few, "two", READ)


def test_what_a_child_is(chain: Chain) -> None:
    root = chain.root(ttl_s=600)
    child = chain.made(root.token, "one", READ, ttl_s=120)
    grand = chain.made(child.token, "two", "a.read?args.n=1|2", by="one", ttl_s=3000)
    above, mine = decoded(child.token)[1], decoded(grand.token)[1]
    assert mine["sub"] == above["sub"] == "spiffe://example.org/agent/boss"
    assert mine["client_id"] == "two"
    assert mine["act"] == {
        "sub": "spiffe://example.org/agent/two", "iss": ISSUER, "sub_profile": "ai_agent", "act": above["act"],
    }  # fmt: skip
    assert mine["cnf"] == {"jkt": chain.keys["two"].jkt}
    assert (mine["txn"], mine["aud"], mine["iss"]) == (above["txn"], above["aud"], above["iss"])
    assert mine["nhictl"]["parent_jti"] == child.jti
    assert above["nhictl"]["parent_jti"] == root.jti
    assert mine["exp"] == above["exp"] == chain.now // 1_000_000 + 120, "no longer than its parent"
    assert mine["authorization_details"][0]["constraints"] == {"args.n": {"in": [1, 2]}}
    assert [
        entry["delegation"]["max_depth"] for entry in (above["authorization_details"] + mine["authorization_details"])
    ] == [4, 3]
    assert mine["nhictl"]["inst"] == "i-two"
    shown = tokens.show(chain.house, grand.jti)
    assert (shown["parent"], shown["act"], shown["state"]) == (child.jti, ["two", "one"], "live")
    assert [t["jti"] for t in tokens.everything(chain.house, task=None, agent="two", live=True)] == [grand.jti]


def test_a_child_allows_what_it_says_and_no_more(chain: Chain) -> None:
    _, child = chain.chain("one")
    assert chain.verify(child.token, "a.read", {"n": 50}).valid
    for tool, args in (("a.read", {"n": 51}), ("a.write", {"n": 1}), ("a.drop", {})):
        assert chain.verify(child.token, tool, args).reason == "authz_insufficient"


@pytest.mark.parametrize(
    ("end", "reason"),
    [
        (lambda h, c: revoke(h.house, Selector(jti=c[0].jti), None), "token_revoked"),
        (lambda h, c: revoke(h.house, Selector(jti=c[1].jti), None), "token_revoked"),
        (lambda h, c: revoke(h.house, Selector(token=c[2].token.encode()), None), "token_revoked"),
        (lambda h, c: revoke(h.house, Selector(task=c[0].task), None), "token_revoked"),
        (lambda h, c: revoke(h.house, Selector(agent="boss"), None), "token_revoked"),
        (lambda h, c: revoke(h.house, Selector(agent="one"), None), "token_revoked"),
        (lambda h, c: revoke(h.house, Selector(agent="three"), None), "token_revoked"),
        (lambda h, c: change(h.house, "boss", "suspend", None), "agent_suspended"),
        (lambda h, c: change(h.house, "one", "suspend", None), "actor_not_active"),
        (lambda h, c: change(h.house, "two", "retire", None), "actor_not_active"),
        (lambda h, c: change(h.house, "three", "retire", None), "actor_not_active"),
        (lambda h, c: change_instance(h.house, "two", "i-two", "suspend", None), "actor_not_active"),
        (lambda h, c: change_instance(h.house, "boss", "i0", "suspend", None), "agent_suspended"),
        (lambda h, c: end_task(h.house, c[0].task, "killed", None), "task_killed"),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_whatever_ends_an_ancestor_ends_the_last_of_the_chain(
    chain: Chain, end: Callable[[Chain, list[object]], object], reason: str
) -> None:
    found = chain.chain("one", "two", "three")
    before = chain.now
    assert chain.verify(found[3].token).valid, "positive control"
    chain.now += 1_000_000
    end(chain, list(found))
    assert chain.verify(found[3].token).reason == reason
    assert chain.consume(found[3].token).reason == reason
    assert tokens.show(chain.house, found[3].jti)["state"] != "live"
    then = chain.verify(
        found[3].token, at_us=before, proven=chain.proof(found[3].token, "three", iat=before // 1_000_000)
    )
    assert then.valid, "it was good then"


def test_what_ends_a_child_leaves_its_parent(chain: Chain) -> None:
    root, child, grand = chain.chain("one", "two")
    revoke(chain.house, Selector(jti=child.jti), None)
    assert [chain.verify(t.token).reason for t in (root, child, grand)] == ["valid", "token_revoked", "token_revoked"]
    assert chain.refused(child.token, "three", by="one") == "token_revoked"


def test_revoking_counts_what_it_ends(chain: Chain) -> None:
    root, *rest = chain.chain("one", "two", "three")
    other = chain.made(root.token, "five")
    for selector, ended in (
        (Selector(jti=root.jti), {root, *rest, other}), (Selector(jti=rest[1].jti), {rest[1], rest[2]}),
        (Selector(agent="two"), {rest[1], rest[2]}), (Selector(agent="five"), {other}),
        (Selector(agent="boss"), {root, *rest, other}),
    ):  # fmt: skip
        found, _ = revoke(chain.house, selector, None, dry_run=True)
        assert set(found.tokens) == {t.jti for t in ended}
        assert found.total == len(ended)
    with pytest.raises(NotFoundError):
        revoke(chain.house, Selector(agent="six"), None)
    revoke(chain.house, Selector(jti=root.jti), None)
    said = [record["ext"] for record in chain.records() if record["type"] == "token.revoked"]
    alone = {"selector": "jti", "count": 1, "live": 1}
    assert said == [alone] + [alone | {"cascade": root.jti}] * 4, "each has a record of its own"
    for each in (root, *rest, other):
        shown = tokens.show(chain.house, each.jti)
        (listed,) = tokens.revoked_by(chain.house, shown["revoked_by"], task=None, agent=None)
        assert (listed["jti"], shown["state"]) == (each.jti, "revoked")


def test_cutting_an_agent_off_ends_what_others_handed_to_it(chain: Chain) -> None:
    _, one, two = chain.chain("one", "two")
    found, _ = revoke(chain.house, Selector(agent="one"), None)
    assert (found.total, set(found.tokens)) == (2, {one.jti, two.jti})
    cut, *rest = [record["ext"] for record in chain.records() if record["type"] == "token.revoked"]
    assert (cut["selector"], cut["count"]) == ("agent", 0)
    assert [ext["cascade"] for ext in rest] == [f"record {len(chain.records()) - 3}"] * 2
    with pytest.raises(NotFoundError):
        revoke(chain.house, Selector(agent="one"), None)


def test_a_child_dies_with_its_parents_time(chain: Chain) -> None:
    child = chain.made(chain.root(ttl_s=100).token, "one", ttl_s=3600)
    chain.now += (100 + LEEWAY_S) * 1_000_000 - 1
    assert chain.verify(child.token).valid
    chain.now += 1
    assert chain.verify(child.token).reason == "token_expired"


def test_uses_are_taken_from_all_above(chain: Chain) -> None:
    root = chain.root(uses=3)
    one, two = (chain.made(root.token, name, uses=2) for name in ("one", "two"))
    assert chain.verify(one.token).reason == "use_required"
    assert [chain.consume(one.token).reason for _ in range(3)] == ["valid", "valid", "uses_exhausted"]
    assert [chain.consume(two.token).reason for _ in range(2)] == ["valid", "uses_exhausted"], "the parent had three"
    assert chain.consume(root.token).reason == "uses_exhausted"


def test_policy_is_asked_about_everybody_in_the_chain(chain: Chain) -> None:
    """What one of them may not do, none does through another; and how deep the chain is counts."""
    found = chain.chain("one", "two", "three", task=chain.task("a.read", "a.write", "a.drop"))
    wide = [chain.made(found[0].token, "one", "a.write", "a.drop")]
    for before, name in (("one", "three"), ("three", "four")):
        wide.append(chain.made(wide[-1].token, name, "a.write", "a.drop", by=before))
    assert [chain.verify(t.token, "a.write").reason for t in wide] == ["valid", "valid", "forbidden"]
    denied = chain.verify(wide[0].token, "a.drop", {})
    assert (denied.reason, denied.decision and denied.decision["rules"]) == ("forbidden", ["HIGH"])
    assert "agent `boss`" in denied.message
    mail = chain.root(chain.task("a.mail")).token
    one, two = (chain.made(mail, name, "a.mail").token for name in ("one", "two"))
    assert chain.verify(one, "a.mail", {"to": "x"}).valid
    assert (chain.verify(two, "a.mail", {"to": "x"}).decision or {})["rules"] == ["LOW"], "the delegate may not itself"
    said = chain.verify(found[3].token).decision or {}
    assert said["rules"] == ["P"]


def test_a_changed_catalogue_makes_no_child_the_wider_one(chain: Chain) -> None:
    """A condition that no longer fits its argument covers nothing: the parent shrinks, and so must the child."""
    root = chain.root(chain.task("a.mail?args.to^a"))
    child = chain.made(root.token, "one", "a.mail?args.to=a@x.example")
    call = {"to": "a@x.example"}
    assert chain.verify(child.token, "a.mail", call).valid
    changed = {**POLICY, "tools": {**POLICY["tools"], "a.mail": {"args": {"to": "email"}}}}
    activate(chain.house, [("p", json.dumps(changed).encode())])
    assert chain.verify(root.token, "a.mail", call).reason == "authz_insufficient"
    assert chain.verify(child.token, "a.mail", call).reason == "authz_insufficient"


def test_a_policy_that_changes_meanwhile_is_noticed(chain: Chain, monkeypatch: pytest.MonkeyPatch) -> None:
    root = chain.root()
    seen = iter([5, 6])
    monkeypatch.setattr("nhictl.ops.policies.version", lambda *_: next(seen))
    with pytest.raises(ConflictError, match="meanwhile"):
        chain.ask(root.token, "one", READ)


def test_records_and_replay(chain: Chain) -> None:
    root, child, grand = chain.chain("one", "two")
    assert chain.consume(grand.token).valid
    kinds = [(r["type"], r.get("agent"), r.get("ext", {}).get("act")) for r in chain.records()][-4:]
    assert kinds == [
        ("token.issued", "boss", None), ("token.delegated", "one", ["one"]), ("token.delegated", "two", ["two", "one"]),
        ("token.used", "two", ["two", "one"]),
    ]  # fmt: skip
    made = chain.records()[-2]
    assert (made["jti"], made["del"], made["pdel"], made["inst"]) == (grand.jti, grand.jti, child.jti, "i-two")
    assert made["ext"]["sub"] == "boss"
    assert made["ext"]["jkt"] == chain.keys["two"].jkt
    assert all(t.token not in str(chain.records()) for t in (root, child, grand)), "no token is in the log"
    assert audit_log.verify_home(chain.house, []).exit == 0
    lines = [(depth, text) for depth, text, _ in replay.tree(replay.from_home(chain.house, replay.Filter()))]
    depths = {jti: next(d for d, text in lines if f"token {jti}" in text) for jti in (root.jti, child.jti, grand.jti)}
    assert depths[grand.jti] == depths[child.jti] + 1 == depths[root.jti] + 2
    assert not any(text.startswith("?") for _, text in lines)


def test_only_registered_agents_can_be_named_as_delegates(chain: Chain) -> None:
    with pytest.raises(NotFoundError):
        chain.task(to=("nobody",))
    with pytest.raises(InputError, match="own delegate"):
        chain.task(to=("boss",))
    for depth in (0, 6):
        with pytest.raises(InputError, match="max-depth"):
            chain.task(depth=depth)
    assert len(NAMES) == 7
