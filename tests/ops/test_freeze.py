"""Freezes: who is stopped, what a frozen agent is refused, that nobody slips out or in, and that `unfreeze` restores."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from nhictl.core.identity import attributes
from nhictl.errors import ConflictError, InputError, NotFoundError, UnsafeError
from nhictl.ops import agents, apply_agents, standing, tokens
from nhictl.ops.change_agent import change
from nhictl.ops.check_policy import Call, bench
from nhictl.ops.end_task import end_task
from nhictl.ops.freeze import freeze, unfreeze
from nhictl.ops.house import House
from nhictl.ops.issue_token import Issued, issue_token
from nhictl.ops.register_agent import Registration, register
from nhictl.ops.revoke_token import Selector, revoke
from nhictl.ops.update_agent import Edit, update
from nhictl.ops.verify_token import consume, verify
from nhictl.store import agents as table
from nhictl.store.cuts import Cut
from tests.harness import Clock
from tests.ops.token_home import AUDIENCE, Authority, add_agent, add_task, add_token, question, records

AGENTS: dict[str, dict[str, Any]] = {
    "pay-prod": {"env": "prod", "groups": ("pay", "x")},
    "pay-lab": {"env": "lab", "groups": ("pay",)},
    "free": {"env": "lab"},
    "bare": {},
}
Ask = Callable[[House], object]


class Lot:
    """Agents with a task and a token each."""

    def __init__(self, folder: Path) -> None:
        self.authority = Authority(folder / "home")
        self.tasks: dict[str, str] = {}
        self.tokens: dict[str, Issued] = {}
        for name, more in AGENTS.items():
            add_agent(self.authority.house, name, **more)
            self.tasks[name] = add_task(self.authority.house, name)
            self.tokens[name] = add_token(self.authority.house, self.tasks[name])


@pytest.fixture(scope="module")
def lot(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lot]:
    made = Lot(tmp_path_factory.mktemp("lot"))
    yield made
    made.authority.house.close()


@pytest.fixture
def home(lot: Lot) -> Iterator[House]:
    with lot.authority.copy() as house:
        yield house


def frozen(house: House, lot: Lot) -> list[str]:
    """The agents whose tokens are refused, all of them at step 19; the others' are good."""
    said = {name: verify(house, question(token.token)) for name, token in lot.tokens.items()}
    assert {(v.reason, v.step) for v in said.values()} <= {("valid", 20), ("frozen", 19)}
    return [name for name, verdict in said.items() if not verdict.valid]


KINDS = [
    ("all", "", ["pay-prod", "pay-lab", "free", "bare"]),
    ("agent", "free", ["free"]),
    ("agent", "spiffe://example.org/agent/free", ["free"]),
    ("group", "pay", ["pay-prod", "pay-lab"]),
    ("group", "x", ["pay-prod"]),
    ("env", "lab", ["pay-lab", "free"]),
]


@pytest.mark.parametrize(("kind", "value", "held"), KINDS)
def test_who_is_stopped_and_comes_back(lot: Lot, home: House, kind: str, value: str, held: list[str]) -> None:
    clock = home.clock
    assert isinstance(clock, Clock)
    clock.advance(1)
    assert frozen(home, lot) == []
    made, head = freeze(home, kind, value, "incident 42")
    during = clock.now_us
    assert frozen(home, lot) == held
    # report-bot and other-bot, with two tokens, are in no group and no environment
    extra = 2 if kind == "all" else 0
    assert (made.agents, made.live_tokens, head.size) == (len(held) + extra, len(held) + extra, len(records(home)))
    record = records(home)[-1]
    name = "free" if kind == "agent" else value
    assert (record["type"], record.get("agent")) == ("authority.frozen", "free" if kind == "agent" else None)
    assert record["ext"] == {"selector": kind, "agents": made.agents, "live_tokens": made.live_tokens} | (
        {kind: value} if kind in ("group", "env") else {}
    )
    assert "incident" not in str(record), "the reason is sealed"
    for agent, token in lot.tokens.items():
        assert consume(home, question(token.token))[0].reason == ("frozen" if agent in held else "valid")
        assert tokens.show(home, token.jti)["state"] == ("frozen" if agent in held else "live")
        assert agents.show(home, agent).get("frozen") == ([f"{kind} {name}".strip()] if agent in held else None)
    clock.advance(5)
    with pytest.raises(ConflictError) as again:
        freeze(home, kind, value, "again")
    assert again.value.code == "frozen"
    back, _ = unfreeze(home, kind, value, None)
    assert (frozen(home, lot), back[:4]) == ([], made[:4])
    assert records(home)[-1]["type"] == "authority.unfrozen"
    with pytest.raises(NotFoundError) as caught:
        unfreeze(home, kind, value, None)
    assert caught.value.code == "nothing_matched"
    past = {name: verify(home, question(token.token, at_us=during)).reason for name, token in lot.tokens.items()}
    assert [name for name, reason in past.items() if reason == "frozen"] == held, "as of then"
    assert verify(home, question(lot.tokens[held[0]].token, at_us=during - 1)).reason == "valid"


GIVING: list[tuple[str, Callable[[House, Lot], object]]] = [
    ("a token", lambda house, lot: issue_token(house, lot.tasks["pay-lab"], AUDIENCE)),
    ("a task", lambda house, _: add_task(house, "pay-lab")),
    ("a newcomer", lambda house, _: register(house, Registration("new", "o", "p", groups=("y", "pay")))),
    ("a newcomer by file", lambda house, _: apply(house, "new", groups=["pay"])),
    ("leaving the group", lambda house, _: update(house, "pay-lab", Edit(remove_groups=("pay",)))),
    ("one group more", lambda house, _: update(house, "pay-lab", Edit(add_groups=("y",)))),
    ("another environment", lambda house, _: update(house, "pay-lab", Edit(env="prod"))),
    ("no environment", lambda house, _: update(house, "pay-lab", Edit(no_env=True))),
    ("leaving by file", lambda house, _: apply(house, "pay-lab", env="lab")),
    ("joining", lambda house, _: update(house, "free", Edit(add_groups=("pay",)))),
    ("joining by file", lambda house, _: apply(house, "free", env="lab", groups=["pay"])),
]


def apply(house: House, name: str, **more: Any) -> object:
    """Apply a file with one agent."""
    attrs = attributes.normal({"owner": "owner@example.org", "purpose": "reading reports"} | more)
    return apply_agents.apply(house, [apply_agents.Wanted(name, attrs)])


@pytest.mark.parametrize("give", [row[1] for row in GIVING], ids=[row[0] for row in GIVING])
def test_nothing_is_given_and_nobody_slips_out(lot: Lot, home: House, give: Callable[[House, Lot], object]) -> None:
    freeze(home, "group", "pay", "r")
    before = records(home)
    with pytest.raises(ConflictError) as caught:
        give(home, lot)
    assert (caught.value.exit, caught.value.code) == (5, "frozen")
    assert caught.value.hint == "nhictl unfreeze --group pay"
    assert records(home) == before
    unfreeze(home, "group", "pay", None)
    give(home, lot)


ALLOWED: list[tuple[str, Ask]] = [
    ("another's token", lambda house: add_token(house, add_task(house, "free"))),
    ("a newcomer elsewhere", lambda house: register(house, Registration("new", "o", "p", groups=("payments",)))),
    ("its purpose", lambda house: update(house, "pay-lab", Edit(purpose="other"))),
    ("its trust", lambda house: update(house, "pay-lab", Edit(trust=1))),
    ("suspending it", lambda house: change(house, "pay-lab", "suspend", None)),
    ("retiring it", lambda house: change(house, "pay-lab", "retire", None)),
    ("revoking", lambda house: revoke(house, Selector(agent="pay-lab"), None)),
]


@pytest.mark.parametrize("act", [row[1] for row in ALLOWED], ids=[row[0] for row in ALLOWED])
def test_what_goes_on(lot: Lot, home: House, act: Ask) -> None:
    freeze(home, "group", "pay", "r")
    act(home)
    assert "pay-prod" in [n for n, t in lot.tokens.items() if verify(home, question(t.token)).reason == "frozen"]


def test_everything_frozen_lets_nobody_in(lot: Lot, home: House) -> None:
    freeze(home, "all", "", "r")
    gifts: list[Callable[[], object]] = [
        lambda: register(home, Registration("new", "o", "p")), lambda: add_task(home, "bare")
    ]  # fmt: skip
    for give in gifts:
        with pytest.raises(ConflictError) as caught:
            give()
        assert caught.value.code == "frozen"


def test_an_agents_own_freeze_holds_it_too(lot: Lot, home: House) -> None:
    """Not by its group, yet it keeps it: after an unfreeze it is where it was."""
    freeze(home, "agent", "pay-lab", "r")
    with pytest.raises(ConflictError):
        update(home, "pay-lab", Edit(remove_groups=("pay",)))


def test_freezes_overlap(lot: Lot, home: House) -> None:
    for kind, value in (("group", "pay"), ("env", "lab"), ("agent", "pay-lab"), ("all", "")):
        freeze(home, kind, value, "r")
    assert unfreeze(home, "all", "", None)[0].live_tokens == 3, "of the agents that nothing else holds"
    assert frozen(home, lot) == ["pay-prod", "pay-lab", "free"]
    assert [str(one) for one in unfreeze(home, "env", "lab", None)[0].others] == ["group `pay`", "agent `pay-lab`"]
    assert frozen(home, lot) == ["pay-prod", "pay-lab"]
    assert unfreeze(home, "group", "pay", None)[0].live_tokens == 1
    assert frozen(home, lot) == ["pay-lab"]
    unfreeze(home, "agent", "pay-lab", None)
    assert frozen(home, lot) == []


def test_what_was_ended_meanwhile_does_not_come_back(lot: Lot, home: House) -> None:
    freeze(home, "all", "", "r")
    found = revoke(home, Selector(agent="free"), None)[0]
    assert (found.total, found.live) == (1, 0), "none was live, and it is ended all the same"
    end_task(home, lot.tasks["bare"], "killed", None)
    unfreeze(home, "all", "", None)
    said = {name: verify(home, question(token.token)).reason for name, token in lot.tokens.items()}
    assert said == {"pay-prod": "valid", "pay-lab": "valid", "free": "token_revoked", "bare": "task_killed"}


def test_other_reasons_come_first(lot: Lot, home: House) -> None:
    freeze(home, "all", "", "r")
    change(home, "free", "suspend", None)
    assert verify(home, question(lot.tokens["free"].token)).reason == "agent_suspended"
    end_task(home, lot.tasks["bare"], "closed", None)
    assert verify(home, question(lot.tokens["bare"].token)).reason == "task_closed"


def test_policy_check_denies_what_the_live_path_denies(lot: Lot, home: House) -> None:
    call: dict[str, Any] = {"tool": "reports.count", "agent": "pay-lab"}
    by_task: dict[str, Any] = {"tool": "reports.count", "task": lot.tasks["pay-lab"]}
    ask = bench(home, [], None).decide
    assert [ask(Call(**given)).reason for given in (call, by_task)] == ["permitted", "permitted"]
    then = home.clock()
    clock = home.clock
    assert isinstance(clock, Clock)
    clock.advance(1)
    freeze(home, "env", "lab", "r")
    denied = ask(Call(**call))
    assert (denied.reason, denied.field) == ("invalid_request", "agent")
    assert ask(Call(**by_task)).reason == "frozen"
    assert ask(Call("reports.count", "pay-prod")).reason == "permitted"
    assert [ask(Call(**given, at_us=then)).reason for given in (call, by_task)] == ["permitted", "permitted"]


NOTHING = [("agent", "ghost", 4), ("group", "pya", 4), ("env", "", 2), ("all", "x", 2), ("team", "x", 2)]


@pytest.mark.parametrize(("kind", "value", "code"), NOTHING)
def test_what_cannot_be_frozen(home: House, kind: str, value: str, code: int) -> None:
    """A group that is mistyped is told, and not frozen as an empty one."""
    before = records(home)
    acts: list[Callable[[], object]] = [
        lambda: freeze(home, kind, value, "r"), lambda: unfreeze(home, kind, value, None)
    ]  # fmt: skip
    for act in acts:
        with pytest.raises((NotFoundError, InputError)) as caught:
            act()
        assert caught.value.exit == code
    assert records(home) == before


def test_a_retired_agent_is_not_frozen(home: House) -> None:
    change(home, "bare", "retire", None)
    with pytest.raises(ConflictError):
        freeze(home, "agent", "bare", "r")


def test_a_clock_put_back_stops_no_freeze(lot: Lot, home: House) -> None:
    clock = home.clock
    assert isinstance(clock, Clock)
    clock.advance(-3600)
    freeze(home, "all", "", "r")
    with pytest.raises(UnsafeError) as caught:
        unfreeze(home, "all", "", None)
    assert caught.value.code == "clock_regressed"
    clock.advance(3600)
    assert len(frozen(home, lot)) == 4


def test_counts_of_live_know_of_freezes(lot: Lot, home: House) -> None:
    freeze(home, "env", "lab", "r")
    row = table.by_name(home.db, "free")
    assert row is not None
    assert standing.count(home, Cut("agent", row.id), home.clock()) == (1, 0)
