"""Published status lists: what ends or stops a token here is what a verifier elsewhere reads, before the act returns."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest

from nhictl.cli import session
from nhictl.core.policy.box import parse_box
from nhictl.core.token import b64, compact, status_list
from nhictl.core.token.status_list import INVALID, SUSPENDED, VALID
from nhictl.ops import instances, reading, status_entries
from nhictl.ops.change_agent import change
from nhictl.ops.change_key import revoke as revoke_key
from nhictl.ops.change_key import taint
from nhictl.ops.end_task import end_task
from nhictl.ops.freeze import freeze, unfreeze
from nhictl.ops.house import DATABASE, House
from nhictl.ops.init import initialise
from nhictl.ops.issue_token import Issued, issue_token
from nhictl.ops.open_task import Order, open_task
from nhictl.ops.publish_trust import publish, republish
from nhictl.ops.register_agent import Registration, register
from nhictl.ops.revoke_token import Selector, revoke
from nhictl.ops.token_facts import Question
from nhictl.ops.verify_offline import Known, ask, verify_offline
from nhictl.render import DOCUMENTS, FORMATS
from tests.harness import Clock

ISSUER: Final = "https://nhi.example.org"
AUDIENCE: Final = "https://api.example.org"


class Served:
    """An authority whose folder is served, with a task of `bot` and one of `other`."""

    def __init__(self, folder: Path) -> None:
        self.clock = Clock()
        self.house = House(folder / "home", folder / "home" / DATABASE, clock=self.clock)
        self.folder = folder / "public"
        initialise(self.house, "example.org", ISSUER)
        for name in ("bot", "other"):
            register(self.house, Registration(name, "o@example.org", "p", env=name), None, None)
        publish(self.house, str(self.folder))
        self.tasks = {name: self.task(name) for name in ("bot", "other")}

    def task(self, name: str) -> str:
        order = Order(name, "i", "p", (parse_box("a.b", None),), instance=f"i-{name}", max_tokens=1000)
        return str(open_task(self.house, order)[0]["id"])

    def token(self, name: str = "bot", **more: Any) -> Issued:
        return issue_token(self.house, self.tasks[name], AUDIENCE, **more)[0]

    def read(self, number: int = 1) -> status_list.Signed:
        return status_list.parse((self.folder / f"status/{number}.jwt").read_bytes(), self.house.issuer())

    def entry(self, issued: Issued) -> tuple[int, str]:
        claims = json.loads(b64.decode(issued.token.split(".")[1]))
        found = claims["status"]["status_list"]
        return found["idx"], found["uri"]

    def value(self, issued: Issued) -> int:
        idx, uri = self.entry(issued)
        read = self.read()
        assert read.uri == uri == f"{ISSUER}/status/1.jwt"
        return read.list.at(idx)

    def offline(self, issued: Issued) -> str:
        keys = json.loads((self.folder / "jwks.json").read_bytes())
        known = Known(ISSUER, keys, [(self.folder / "status/1.jwt").read_bytes()], trust_domain="example.org")
        return verify_offline(known, Question(issued.token.encode(), AUDIENCE), self.clock.now_us).reason


@pytest.fixture
def home(tmp_path: Path) -> Served:
    return Served(tmp_path)


def test_what_is_published_is_said_and_what_is_not_is_not(tmp_path: Path, home: Served) -> None:
    about = json.loads((home.folder / ".well-known/oauth-authorization-server").read_bytes())
    assert about["status_list_aggregation_endpoint"] == f"{ISSUER}/status/aggregation.json"
    served = json.loads((home.folder / "status/aggregation.json").read_bytes())
    assert served == {"status_lists": [f"{ISSUER}/status/1.jwt"]}
    nowhere = House(tmp_path / "h", tmp_path / "h" / DATABASE)
    initialise(nowhere, "example.org", None)  # no https address: nothing to serve a list at
    publish(nowhere, str(tmp_path / "p"))
    assert not (tmp_path / "p/status").exists()
    assert not (tmp_path / "p/.well-known").exists()


ENDS: list[tuple[str, Callable[[Served, Issued], object], int, str]] = [
    ("revoked", lambda h, t: revoke(h.house, Selector(jti=t.jti), None), INVALID, "token_revoked"),
    ("cut off with its task", lambda h, _: revoke(h.house, Selector(task=h.tasks["bot"]), None), INVALID, "token_revoked"),
    ("cut off with its agent", lambda h, _: revoke(h.house, Selector(agent="bot"), None), INVALID, "token_revoked"),
    ("task killed", lambda h, _: end_task(h.house, h.tasks["bot"], "killed", None), INVALID, "token_revoked"),
    ("task closed", lambda h, _: end_task(h.house, h.tasks["bot"], "closed", None), INVALID, "token_revoked"),
    ("agent retired", lambda h, _: change(h.house, "bot", "retire", None), INVALID, "token_revoked"),
    ("agent suspended", lambda h, _: change(h.house, "bot", "suspend", None), SUSPENDED, "token_suspended"),
    ("instance", lambda h, _: instances.change(h.house, "bot", "i-bot", "suspend", None), SUSPENDED, "token_suspended"),
    ("agent frozen", lambda h, _: freeze(h.house, "agent", "bot", "x"), SUSPENDED, "token_suspended"),
    ("environment frozen", lambda h, _: freeze(h.house, "env", "bot", "x"), SUSPENDED, "token_suspended"),
]  # fmt: skip


@pytest.mark.parametrize(("end", "value", "reason"), [row[1:] for row in ENDS], ids=[row[0] for row in ENDS])
def test_what_ends_a_token_is_in_the_list_when_the_act_returns(
    home: Served, end: Callable[[Served, Issued], object], value: int, reason: str
) -> None:
    mine, other = home.token(), home.token("other")
    assert (home.offline(mine), home.offline(other)) == ("valid", "valid")
    end(home, mine)
    assert (home.value(mine), home.offline(mine)) == (value, reason)
    assert (home.value(other), home.offline(other)) == (VALID, "valid"), "its neighbour"


def test_what_is_lifted_is_good_again(home: Served) -> None:
    mine = home.token()
    for stop, go in (
        (lambda: change(home.house, "bot", "suspend", None), lambda: change(home.house, "bot", "resume", None)),
        (lambda: freeze(home.house, "all", "", "x"), lambda: unfreeze(home.house, "all", "", None)),
    ):
        stop()
        assert home.offline(mine) == "token_suspended"
        go()
        assert home.offline(mine) == "valid"


def test_a_revoked_keys_tokens_and_the_list_that_nothing_signs(home: Served) -> None:
    mine = home.token()
    kid = home.house.issuer().keys[0][0]["kid"]
    taint(home.house, kid, now=True)
    revoke_key(home.house, kid)
    assert home.offline(mine) == "kid_unknown"


def test_freshness_is_renewed_by_a_refresh_and_by_nothing_else(home: Served) -> None:
    mine = home.token()
    home.clock.advance(61)
    assert home.offline(mine) == "status_list_stale"
    republish(home.house)
    assert home.offline(mine) == "valid"
    before = (home.folder / "status/1.jwt").read_bytes()
    home.clock.advance(10)
    size = home.house.db.execute("SELECT count(*) FROM log").fetchone()
    republish(home.house)
    assert (home.folder / "status/1.jwt").read_bytes() == before, "it says the same and is young"
    home.clock.advance(30)
    republish(home.house)
    assert (home.folder / "status/1.jwt").read_bytes() != before
    assert home.house.db.execute("SELECT count(*) FROM log").fetchone() == size, "no record: the log says it already"


def test_whether_a_token_was_valid_then_takes_a_list_of_that_moment(home: Served) -> None:
    mine, start = home.token(), home.clock.now_us
    republish(home.house)
    before = (home.folder / "status/1.jwt").read_bytes()
    home.clock.advance(100)
    revoke(home.house, Selector(jti=mine.jti), None)
    after = (home.folder / "status/1.jwt").read_bytes()
    home.clock.advance(30)
    keys = json.loads((home.folder / "jwks.json").read_bytes())

    def at(second: float, *lists: bytes) -> tuple[str, int]:
        known = Known(ISSUER, keys, lists, trust_domain="example.org")
        asked = Question(mine.token.encode(), AUDIENCE, at_us=start + round(second * 1_000_000))
        body, code = ask(known, asked, home.clock.now_us)
        assert (body["hypothetical"], body["offline"], body["recorded"]) == (True, True, False)
        return body["reason"], code

    both = (before, after)
    assert [at(second, *both) for second in (10, 60, 100, 129)] == [("valid", 0), ("valid", 0)] + [
        ("token_revoked", 1)
    ] * 2
    assert at(10, *reversed(both)) == ("valid", 0), "the newest is not the one that counts"
    assert at(61, *both) == ("status_list_stale", 3), "nobody can tell what was so between two lists"
    assert at(99.999999, *both) == ("status_list_stale", 3)
    assert at(10, after) == ("status_list_unavailable", 3), "what is so afterwards does not say what was so before"
    assert at(10) == ("status_list_unavailable", 3)
    assert at(129, after) == ("token_revoked", 1)
    assert at(400, *both) == ("token_expired", 1)


def test_entries_are_random_never_given_twice_and_not_for_svids(home: Served) -> None:
    issued = [home.token(name) for name in ("bot", "other") for _ in range(40)]
    found = [home.entry(each)[0] for each in issued]
    assert len(set(found)) == len(found)
    assert found != sorted(found)
    assert max(found) > status_entries.SIZE // 2
    svid = home.token(kind="jwt-svid")
    assert "status" not in json.loads(b64.decode(svid.token.split(".")[1]))


def test_the_next_list_is_served_before_it_is_needed(home: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(status_entries, "EARLY", 2)
    monkeypatch.setattr(status_entries, "FULL", 4)
    first = [home.token() for _ in range(3)]
    republish(home.house)
    assert (home.folder / "status/2.jwt").exists()
    late = home.token()
    assert home.entry(late)[1].endswith("/status/2.jwt")
    revoke(home.house, Selector(jti=first[0].jti), None)
    revoke(home.house, Selector(jti=late.jti), None)
    assert home.value(first[0]) == INVALID
    assert home.read(2).list.at(home.entry(late)[0]) == INVALID
    served = json.loads((home.folder / "status/aggregation.json").read_bytes())["status_lists"]
    assert served == [f"{ISSUER}/status/{n}.jwt" for n in (1, 2)]


def test_a_folder_that_cannot_be_written_undoes_nothing_and_is_named(home: Served) -> None:
    mine = home.token()
    away = home.folder.with_name("away")
    home.folder.rename(away)
    home.folder.write_text("in the way")
    found, _ = revoke(home.house, Selector(jti=mine.jti), None)
    assert found.published is not None
    assert found.published[0]["error"]
    assert [notice.exit for notice in home.house.notices] == [7]
    assert home.house.db.execute("SELECT count(*) FROM token WHERE revoked IS NOT NULL").fetchone() == (1,)
    os.unlink(home.folder)
    away.rename(home.folder)
    assert home.offline(mine) == "valid", "it was told that this may be so"
    republish(home.house)
    assert home.offline(mine) == "token_revoked"


def test_what_is_read_of_a_token_and_of_a_list_is_what_one_may_have() -> None:
    """The limits stand in the core, and once more where input is read, which every start would else pay for."""
    assert reading.LIST_LIMIT == status_list.MAX_LIST
    assert reading.TOKEN_LIMIT == compact.MAX_TOKEN + 2
    assert session.FORMATS == FORMATS
    assert session.DOCUMENTS == DOCUMENTS
