"""Any order of verbs, waits, folders that break and clocks that go back: a model says what each does and what verifies."""

from __future__ import annotations

import shutil
import sqlite3
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from nhictl.errors import NhictlError
from nhictl.ops import audit_log, change_key
from nhictl.ops.house import DATABASE
from nhictl.ops.publish_trust import publish
from tests.harness import Clock
from tests.ops.key_house import SETTLED, Keys, signer
from tests.ops.token_home import InMemory

SECOND = 1_000_000
LIFE = 300
NUMBERS = st.integers(0, 9)


class Template:
    """A fresh home, made once; each run works on a copy of its database."""

    def __init__(self) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.keys = Keys(Path(self.folder.name), served=False)

    def copy(self, served: Path) -> Keys:
        """The home again, with a folder of its own."""
        made = object.__new__(Keys)
        made.clock = Clock(self.keys.clock.now_us)
        made.task, made.first, made.served = self.keys.task, self.keys.first, served
        home = self.keys.house.home
        db = sqlite3.connect(":memory:", isolation_level=None)
        self.keys.house.db.backup(db)
        made.house = InMemory(home, home / DATABASE, clock=made.clock)
        made.house.keeps_mark = False
        made.house.adopt(db, self.keys.house.sealer)
        return made


_made: list[Template] = []


def template() -> Template:
    """Made at the first use, so that collecting the tests makes nothing."""
    if not _made:
        _made.append(Template())
    return _made[0]


class Rotation(RuleBasedStateMachine):
    """The model: states by kid, tokens with their key and second of issue, and since when the folder shows each key."""

    def __init__(self) -> None:
        super().__init__()
        self.served = Path(tempfile.mkdtemp()) / "served"
        self.home = template().copy(self.served)
        self.clock = self.home.clock
        self.states = {self.home.first: "active"}
        self.tokens: list[tuple[str, str, int]] = []
        self.newest_us = self.clock.now_us
        self.shows: dict[str, int] | None = None
        self.sequence = 0
        self.content: list[str] | None = None
        self.sound = True
        self.past: list[tuple[int, dict[str, str], list[str]]] = []

    def teardown(self) -> None:
        for at_us, states, reasons in self.past[-12:]:
            assert self.home.states(at_us) == states
            assert [self.home.reason(token, at_us) for token, *_ in self.tokens[: len(reasons)]] == reasons
        assert audit_log.verify_home(self.home.house, []).exit == 0
        self.home.house.close()
        shutil.rmtree(self.served.parent)

    # what the model knows
    @property
    def late(self) -> bool:
        """Whether the clock is too far behind to grant anything."""
        return self.clock.now_us + 30 * SECOND < self.newest_us

    def kid(self, number: int, *fit: str) -> str:
        """A key that fits, if there is one, else any; any as well for the last numbers."""
        fitting = [kid for kid, state in self.states.items() if state in fit]
        if fitting and number < 6:
            return fitting[number % len(fitting)]
        return list(self.states)[-1 - number % len(self.states)]

    def published(self) -> None:
        """A publisher has come by: the folder shows what is not revoked, and the newest record may be of now."""
        if self.shows is None or not self.sound:
            return
        wanted = [kid for kid, state in self.states.items() if state != "revoked"]
        if wanted != self.content:
            self.content, self.sequence = wanted, self.sequence + 1
            self.recorded()
        self.shows = {kid: self.shows.get(kid, self.newest_us) for kid in wanted}

    def recorded(self) -> None:
        """There is a record of now, if the clock did not go back; what was asked about a later moment has another answer."""
        self.newest_us = max(self.newest_us, self.clock.now_us)
        self.past = [moment for moment in self.past if moment[0] < self.newest_us]

    def act(self, call: Any, wanted: str | None) -> Any:
        """Do it; it has to be refused with the code that the model says, or to be done."""
        if wanted is not None:
            with pytest.raises(NhictlError) as caught:
                call()
            assert caught.value.code == wanted
            return None
        done = call()
        self.recorded()
        return done

    # what can happen
    @rule(seconds=st.sampled_from([1, 20, 100, 300, SETTLED - 1, SETTLED, 1000]))
    def time_passes(self, seconds: int) -> None:
        self.clock.advance(seconds)

    @precondition(lambda self: not self.late)
    @rule(seconds=st.sampled_from([1, 29, 60]))
    def the_clock_goes_back(self, seconds: int) -> None:
        self.clock.advance(-seconds)

    @rule()
    def publish(self) -> None:
        if not self.sound:
            return
        publish(self.home.house, str(self.served))
        if self.shows is None:
            self.recorded()
            self.shows = {}
        self.published()

    @precondition(lambda self: self.shows is not None)
    @rule()
    def the_folder_breaks_or_is_mended(self) -> None:
        self.sound = not self.sound
        self.served.chmod(0o755 if self.sound else 0o777)

    @rule()
    def issue(self) -> None:
        signing = [kid for kid, state in self.states.items() if state == "active"]
        wanted = None if signing else "no_token_key"
        if signing and self.late:
            wanted = "clock_regressed"
        token = self.act(self.home.token, wanted)
        if token is not None:
            assert signer(token) == signing[0]
            self.tokens.append((token, signing[0], self.clock.now_us // SECOND))

    @rule()
    def prepare(self) -> None:
        wanted = "key_prepared" if "prepared" in self.states.values() else "clock_regressed" if self.late else None
        done = self.act(lambda: change_key.prepare(self.home.house), wanted)
        if done is not None:
            self.states[done.key["kid"]] = "prepared"
            self.published()

    @rule(number=NUMBERS, now=st.booleans())
    def activate(self, number: int, now: bool) -> None:
        kid = self.kid(number, "prepared")
        state = self.states[kid]
        if state != "prepared":
            self.act(lambda: change_key.activate(self.home.house, kid, now=now), f"key_{state}")
            return
        self.published()  # it goes before, also if it is refused then
        ready = True
        if self.shows is not None:
            ready = kid in self.shows and max(self.shows[kid], 0) + SETTLED * SECOND <= self.clock.now_us
        wanted = "clock_regressed" if self.late else None if ready or now else "key_unsettled"
        done = self.act(lambda: change_key.activate(self.home.house, kid, now=now), wanted)
        if done is not None:
            assert (done.early_until_us is None) == ready
            before = [old for old, state in self.states.items() if state == "active"]
            assert done.replaced == (before[0] if before else None)
            self.states.update(dict.fromkeys(before, "old"))
            self.states[kid] = "active"

    @rule(number=NUMBERS, now=st.booleans())
    def taint(self, number: int, now: bool) -> None:
        kid = self.kid(number, "old", "active")
        state = self.states[kid]
        refused = state in ("tainted", "revoked") or (state == "active" and not now)
        done = self.act(lambda: change_key.taint(self.home.house, kid, now=now), f"key_{state}" if refused else None)
        if done is not None:
            assert done.dependent == len(self.living(kid))
            self.states[kid] = "tainted"
            self.published()

    @rule(number=NUMBERS)
    def revoke(self, number: int) -> None:
        kid = self.kid(number, "tainted")
        state = self.states[kid]
        done = self.act(lambda: change_key.revoke(self.home.house, kid), None if state == "tainted" else f"key_{state}")
        if done is not None:
            assert done.dependent == len(self.living(kid))
            self.states[kid] = "revoked"
            self.published()

    def living(self, kid: str) -> list[str]:
        """The tokens of a key that some verifier may still take, by the leeway."""
        second = self.clock.now_us // SECOND - 30
        return [token for token, key, issued in self.tokens if key == kid and issued + LIFE > second]

    # what holds at every moment
    @invariant()
    def tokens_are_worth_what_their_keys_are(self) -> None:
        reasons = []
        for token, kid, issued in self.tokens:
            if self.late:
                wanted = "clock_regressed"
            elif self.states[kid] == "revoked":
                wanted = "key_revoked"
            elif self.clock.now_us >= (issued + LIFE + 30) * SECOND:
                wanted = "token_expired"
            else:
                wanted = "iat_in_future" if issued * SECOND > self.clock.now_us + 30 * SECOND else "valid"
            assert self.home.reason(token) == wanted
            reasons.append(wanted)
        if self.clock.now_us > self.newest_us:  # a moment of its own, to be asked about in the end
            self.past.append((self.clock.now_us, dict(self.states), reasons))

    @invariant()
    def states_are_the_model_s(self) -> None:
        assert self.home.states() == self.states
        rows = self.home.house.db.execute(
            "SELECT count(*) FROM signing_key k WHERE state <> (SELECT state FROM signing_key_version WHERE key = k.id"
            " ORDER BY seq DESC LIMIT 1)"
        )
        assert rows.fetchone() == (0,), "the copy of the newest state is right"
        assert list(self.states.values()).count("active") <= 1

    @invariant()
    def the_folder_is_the_model_s(self) -> None:
        if self.shows is not None:
            assert self.home.shown() == (self.content, self.content, self.sequence)


Rotation.TestCase.settings = settings(
    max_examples=15, stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck),
    phases=[Phase.reuse, Phase.generate],  # a story of a database takes minutes to be shortened
)  # fmt: skip
TestRotation = Rotation.TestCase
