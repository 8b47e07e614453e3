"""Every selector against a house of tokens: exactly what it names ends, all others stay good, and the record says how many."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

import pytest

from nhictl.core import strict_json
from nhictl.core.token import b64
from nhictl.errors import InputError, NotFoundError
from nhictl.ops import standing, tokens
from nhictl.ops.act import Act, transact
from nhictl.ops.change_agent import change
from nhictl.ops.contents import Contents
from nhictl.ops.end_task import end_task
from nhictl.ops.house import House
from nhictl.ops.issue_token import Issued, issue_token
from nhictl.ops.open_task import Order, open_task
from nhictl.ops.revoke_token import Selector, revoke
from nhictl.ops.verify_token import consume, verify
from nhictl.store import agents as agent_table
from nhictl.store import cuts, log, tally, work
from nhictl.store.cuts import Cut
from tests.harness import NOON_US, Clock
from tests.ops.revocation_fold import Fold
from tests.ops.token_home import AUDIENCE, Authority, add_agent, boxes, question, records

S: Final = 1_000_000
RUN: Final = "17"


class Made(NamedTuple):
    """A letter for a token, and of what it is: agent, instance, principal, CI run proved, seconds after noon of its issue."""

    letter: str
    agent: str
    instance: str
    principal: str | None
    run: str | None
    at: float


LOT: Final = [
    Made("a", "x-bot", "host.1", None, None, 100),
    Made("b", "x-bot", "host.2", "alice@x.org", None, 110),
    Made("c", "y-bot", "host.1", "alice@x.org", None, 110.999_999),
    Made("d", "y-bot", "host.10", "alice@x.org.evil", "170", 111),
    Made("e", "y-bot", "host.3", "Alice@x.org", RUN, 119.5),
    Made("f", "x-bot", f"claimed.github.{RUN}.1.job", None, None, 120),
    Made("g", "y-bot", f"claimed.github.{RUN}0.1.job", None, None, 121),
    Made("h", "y-bot", f"claimed.gitlab.{RUN}", None, None, 122),
]
ALL: Final = "".join(made.letter for made in LOT)


class Lot:
    """The tokens of `LOT`, by letter."""

    def __init__(self, folder: Path) -> None:
        self.authority = Authority(folder / "home")
        house, clock = self.authority.house, self.authority.clock
        for task in (self.authority.task, self.authority.other_task, self.authority.foreign_task):
            end_task(house, task, "closed", None)
        for name in ("x-bot", "y-bot"):
            add_agent(house, name)
        self.tokens: dict[str, Issued] = {}
        for made in LOT:
            clock.now_us = NOON_US + round(made.at * S)
            order = Order(made.agent, "i", "p", boxes(), made.principal, instance=made.instance)
            name = str(open_task(house, order)[0]["id"])
            if made.run is not None:
                prove(house, name, made.run)
            self.tokens[made.letter] = issue_token(house, name, AUDIENCE)[0]
        clock.now_us = NOON_US + 200 * S


def prove(house: House, task: str, run: str) -> None:
    """Let a task be one of a CI run, as an exchange opens it."""
    row = work.task(house.db, task)
    assert row is not None
    doc = json.loads(row.doc) | {"ci": {"trust": "t", "run_id": run}}

    def again(act: Act) -> None:
        act.record("key.prepared")
        act.db.execute("UPDATE task SET doc = ? WHERE id = ?", (strict_json.dumps(doc), row.id))
        act.db.execute("DELETE FROM open_task WHERE task = ?", (row.id,))
        tally.open_task(act.db, row.id)

    transact(house, again)


@pytest.fixture(scope="module")
def lot(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lot]:
    made = Lot(tmp_path_factory.mktemp("lot"))
    yield made
    made.authority.house.close()


@pytest.fixture
def home(lot: Lot) -> Iterator[House]:
    with lot.authority.copy() as house:
        yield house


def good(house: House, lot: Lot) -> str:
    """The letters of the tokens that are accepted; all others are revoked."""
    said = {letter: verify(house, question(token.token)).reason for letter, token in lot.tokens.items()}
    assert set(said.values()) <= {"valid", "token_revoked"}
    return "".join(letter for letter, reason in said.items() if reason == "valid")


def at(begin: float, end: float) -> tuple[int, int]:
    """A range of issue in seconds after noon."""
    return NOON_US + round(begin * S), NOON_US + round(end * S)


ENDS: list[tuple[str, dict[str, Any], str]] = [
    ("instance", {"instance": "host.1"}, "ac"),
    ("instance of one agent", {"instance": "host.1", "agent": "x-bot"}, "a"),
    ("principal", {"principal": "alice@x.org"}, "bc"),
    ("principal of one agent", {"principal": "alice@x.org", "agent": "y-bot"}, "c"),
    ("principal, capital", {"principal": "Alice@x.org"}, "e"),
    ("ci run", {"ci_run": RUN}, "efh"),
    ("ci run of one agent", {"ci_run": RUN, "agent": "x-bot"}, "f"),
    ("another ci run", {"ci_run": "170"}, "dg"),
    ("agent", {"agent": "x-bot"}, "abf"),
    ("agent, issued", {"agent": "x-bot", "issued": at(100, 120)}, "ab"),
    ("issued, end not in it", {"issued": at(110, 111)}, "bc"),
    ("issued, end in it", {"issued": at(110, 111.000_001)}, "bcd"),
    ("issued, begin in it", {"issued": at(119.9, 120)}, "e"),
    ("issued, begin after", {"issued": at(120, 121)}, "f"),
    ("issued, up to the future", {"issued": at(121, 9000)}, "gh"),
    ("issued, all", {"issued": at(-9000, 200)}, ALL),
    ("instance, issued", {"instance": "host.1", "issued": at(0, 105)}, "a"),
    ("principal, issued", {"principal": "alice@x.org", "issued": at(0, 110.5)}, "bc"),
    ("ci run, issued, of one agent", {"ci_run": RUN, "agent": "y-bot", "issued": at(0, 120)}, "e"),
]


@pytest.mark.parametrize(("given", "ended"), [row[1:] for row in ENDS], ids=[row[0] for row in ENDS])
def test_exactly_what_is_named_ends(lot: Lot, home: House, given: dict[str, Any], ended: str) -> None:
    selector = Selector(**given)
    assert good(home, lot) == ALL
    dry, nothing = revoke(home, selector, None, dry_run=True)
    assert (good(home, lot), nothing) == (ALL, None)
    before = len(records(home))
    found, head = revoke(home, selector, "incident")
    assert good(home, lot) == "".join(letter for letter in ALL if letter not in ended)
    assert (found.total, found.live, found) == (len(ended), len(ended), dry)
    assert found.tokens == [lot.tokens[letter].jti for letter in ended]
    assert head is not None
    assert head.size == before + 1 == len(records(home)), "one record, however many tokens"
    record = records(home)[-1]
    assert (record["type"], record["ext"]["count"], record["ext"]["live"]) == ("token.revoked", len(ended), len(ended))
    assert [consume(home, question(lot.tokens[letter].token))[0].reason for letter in ended] == ["token_revoked"] * len(
        ended
    )
    shown = tokens.revoked_by(home, before, task=None, agent=None)
    assert [row["jti"] for row in shown] == found.tokens
    assert {row["state"] for row in shown} == {"revoked"}
    fold = Fold((line for _, line in log.lines(home.db)), Contents(home).content)
    if given.get("ci_run") is None:  # proved runs were put there behind the back of the log
        assert fold.hit[before] == found.tokens
    with pytest.raises(NotFoundError) as caught:
        revoke(home, selector, None)
    assert (caught.value.exit, caught.value.code) == (4, "nothing_matched")
    assert f"by record {before}" in caught.value.message


def test_the_principal_is_in_no_line(lot: Lot, home: House) -> None:
    """Personal data: the line has a commitment, the text is sealed beside it, and replay opens it."""
    revoke(home, Selector(principal="alice@x.org"), None)
    seq, line = list(log.lines(home.db))[-1]
    assert b"alice" not in line
    assert list(json.loads(line)["c"]) == ["principal"]
    assert Contents(home).content(seq, "principal") == "alice@x.org"


def test_a_key_ends_what_it_signed(lot: Lot, home: House) -> None:
    """With a second key beside it, whose tokens stay good."""
    first = home.db.execute("SELECT id, kid FROM signing_key WHERE use = 'token'").fetchone()
    task = open_task(home, Order("x-bot", "i", "p", boxes(), instance="host.1"))[0]["id"]
    late = issue_token(home, str(task), AUDIENCE)[0]
    home.db.execute("UPDATE token SET key = 99 WHERE id = (SELECT max(id) FROM token)")
    with pytest.raises(NotFoundError) as caught:
        revoke(home, Selector(kid="A" * 43), None)
    assert caught.value.code == "key_unknown"
    log_kid = home.db.execute("SELECT kid FROM signing_key WHERE use = 'log'").fetchone()[0]
    with pytest.raises(NotFoundError):
        revoke(home, Selector(kid=log_kid), None)
    assert revoke(home, Selector(kid=first[1], agent="y-bot"), None)[0].total == 5
    assert revoke(home, Selector(kid=first[1]), None)[0].total == 3
    assert (good(home, lot), verify(home, question(late.token)).reason) == ("", "valid")


@pytest.mark.parametrize("given", [row[1] for row in ENDS], ids=[row[0] for row in ENDS])
def test_what_is_issued_afterwards_is_good(lot: Lot, home: House, given: dict[str, Any]) -> None:
    revoke(home, Selector(**given), None)
    fresh = []
    for made in LOT:
        name = str(
            open_task(home, Order(made.agent, "i", "p", boxes(), made.principal, instance=made.instance))[0]["id"]
        )
        fresh.append(issue_token(home, name, AUDIENCE)[0])
    assert {verify(home, question(token.token)).reason for token in fresh} == {"valid"}


WRONG: list[tuple[str, dict[str, Any]]] = [
    ("nothing", {}),
    ("two", {"instance": "host.1", "principal": "alice@x.org"}),
    ("a task and its agent", {"task": "t", "agent": "x-bot"}),
    ("a jti, issued", {"jti": "A" * 22, "issued": at(0, 1)}),
    ("a token of an agent", {"token": b"x", "agent": "x-bot"}),
    ("an empty range", {"issued": at(5, 5)}),
    ("a range backwards", {"issued": at(5, 4)}),
    ("no instance", {"instance": "a b"}),
    ("no principal", {"principal": ""}),
    ("a line end", {"ci_run": "17\n"}),
]


@pytest.mark.parametrize("given", [row[1] for row in WRONG], ids=[row[0] for row in WRONG])
def test_what_is_no_selector(lot: Lot, home: House, given: dict[str, Any]) -> None:
    before = records(home)
    for dry_run in (True, False):
        with pytest.raises(InputError) as caught:
            revoke(home, Selector(**given), None, dry_run=dry_run)
        assert caught.value.exit == 2
    assert (good(home, lot), records(home)) == (ALL, before)


@pytest.mark.parametrize("given", [{"instance": "host.4"}, {"principal": "nobody"}, {"ci_run": "1"}, {"ci_run": "%"},
                                   {"ci_run": "1_"}, {"issued": at(0, 99)}], ids=str)  # fmt: skip
def test_what_matches_nothing(lot: Lot, home: House, given: dict[str, Any]) -> None:
    before = records(home)
    with pytest.raises(NotFoundError) as caught:
        revoke(home, Selector(**given), None)
    assert (caught.value.exit, good(home, lot), records(home)) == (4, ALL, before)


def test_a_suspended_agents_tokens_are_ended_for_good(lot: Lot, home: House) -> None:
    """Not live, so a count of the live would be nothing to end, and `resume` would bring them back."""
    change(home, "x-bot", "suspend", None)
    found = revoke(home, Selector(agent="x-bot"), None)[0]
    assert (found.total, found.live) == (3, 0)
    change(home, "x-bot", "resume", None)
    assert good(home, lot) == "cdegh"


def test_live_is_what_would_be_accepted(lot: Lot, home: House) -> None:
    row = agent_table.by_name(home.db, "x-bot")
    assert row is not None
    now = home.clock()
    assert standing.count(home, Cut("agent", row.id), now) == (3, 3)
    assert change(home, "x-bot", "suspend", None)[1] == 3, "so many were stopped"
    assert standing.count(home, Cut("agent", row.id), now) == (3, 0)
    assert tokens.everything(home, task=None, agent="x-bot", live=True) == []
    assert change(home, "x-bot", "resume", None)[1] == 3, "so many came back"
    change(home, "x-bot", "suspend", None)
    assert change(home, "x-bot", "retire", None)[1] == 0, "none was live"


def test_used_up_is_not_live(lot: Lot, home: House) -> None:
    task = str(open_task(home, Order("x-bot", "i", "p", boxes(), instance="late"))[0]["id"])
    token = issue_token(home, task, AUDIENCE, uses=2)[0]
    for left in (1, 1, 0):
        found = revoke(home, Selector(task=task), None, dry_run=True)[0] if left else None
        assert found is None or found.total == 1
        consume(home, question(token.token))
    with pytest.raises(NotFoundError):
        revoke(home, Selector(task=task), None)
    assert tokens.show(home, token.jti)["state"] == "spent"
    assert revoke(home, Selector(jti=token.jti), None)[0][:2] == (1, 0), "named, it is revoked all the same"


def test_counts_do_not_depend_on_how_they_are_made(lot: Lot, home: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """A large task's tokens are tallied, a small one's looked at; and all are looked at while the tally is not trusted."""
    names = [
        str(open_task(home, Order("x-bot", "i", "p", boxes(), instance="n", max_tokens=most))[0]["id"])
        for most in (100, 5000)
    ]
    for name in names:
        for _ in range(3):
            issue_token(home, name, AUDIENCE)
    cut = [Cut("task", row.id) for name in names if (row := work.task(home.db, name))]
    quick = [standing.count(home, each, home.clock()) for each in cut]
    monkeypatch.setattr(tally, "trusted", lambda *_: False)
    assert quick == [standing.count(home, each, home.clock()) for each in cut] == [(3, 3), (3, 3)]


def test_the_tally_is_not_trusted_after_a_cut_across_the_lines(lot: Lot, home: House) -> None:
    clock = home.clock
    assert isinstance(clock, Clock)
    assert tally.trusted(home.db, clock.now_us)
    revoke(home, Selector(instance="host.1"), None)
    assert not tally.trusted(home.db, clock.now_us)
    clock.now_us += tally.LONGEST_US - 1
    assert not tally.trusted(home.db, clock.now_us)
    clock.now_us += 1
    assert tally.trusted(home.db, clock.now_us)
    clock.now_us -= 3 * tally.LONGEST_US
    assert not tally.trusted(home.db, clock.now_us), "a clock that was put back"


def test_many_are_found_wherever_they_lie(lot: Lot, home: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first thousand: of those that stand, in the order of issue, also beyond the window that is looked at first."""
    task = str(open_task(home, Order("x-bot", "i", "p", boxes(), instance="n", max_tokens=99))[0]["id"])
    made = [issue_token(home, task, AUDIENCE)[0].jti for _ in range(12)]
    row = work.task(home.db, task)
    assert row is not None
    cut = Cut("task", row.id)
    for near, most in ((20_000, 10), (3, 10), (0, 10), (20_000, 50), (0, 50)):
        monkeypatch.setattr(cuts, "_NEAR", near)
        found = cuts.some(home.db, cut, home.clock(), most, 12)
        assert [b64.encode(jti) for jti in found] == made[:most]
