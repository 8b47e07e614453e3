"""Any order of issuing, revoking, freezing, suspending and waiting: a model in plain Python says what every token is worth.

At the end every past moment is asked about again with `--at`, the counts of every record are held against a fold over
the log's lines, and the quick counts against looking at each token.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from nhictl.core.replay.authority.fold import Authority as Told
from nhictl.core.replay.views.state import state_at, up_to
from nhictl.errors import ConflictError, NotFoundError
from nhictl.ops import instances, standing, tokens
from nhictl.ops.change_agent import change
from nhictl.ops.contents import Contents
from nhictl.ops.end_task import end_task
from nhictl.ops.evidence import gather
from nhictl.ops.freeze import freeze, unfreeze
from nhictl.ops.issue_token import issue_token
from nhictl.ops.open_task import Order, open_task
from nhictl.ops.revoke_token import Revoked, Selector, revoke
from nhictl.ops.state_check import hold
from nhictl.ops.verify_token import consume, verify
from nhictl.store import agents as agent_table
from nhictl.store import log
from nhictl.store.cuts import Cut
from tests.harness import Clock
from tests.ops.revocation_fold import Fold, micros
from tests.ops.token_home import AUDIENCE, Authority, add_agent, boxes, question

AGENTS = {"a-bot": ("prod", ("pay", "x")), "b-bot": ("prod", ()), "c-bot": (None, ("pay",))}
INSTANCES = ("one", "claimed.github.77.1.job")
MICRO = 1_000_000
LEEWAY = 30


ORDERS = [
    ("a-bot", "one", "alice@x.org", False), ("a-bot", "claimed.github.77.1.job", None, True),
    ("b-bot", "one", "alice@x.org", True), ("c-bot", "one", "bob@x.org", False),
]  # fmt: skip
SHAPES: list[tuple[str, str | None, tuple[int, int] | None]] = [
    ("agent", "a-bot", None), ("agent", "c-bot", None), ("agent", "b-bot", (-8, 1)), ("instance", None, None),
    ("instance", "a-bot", None), ("principal", None, None), ("principal", "b-bot", None), ("kid", None, (-3, 1)),
    ("kid", "c-bot", None), ("issued", None, (-4, 1)), ("issued", None, (-100, -3)), ("issued", "a-bot", (-6, 1)),
    ("ci_run", None, None), ("ci_run", None, (-5, 1)),
]  # fmt: skip
"""What a cut-off goes by, the agent and the seconds before now it is narrowed to."""
NUMBERS = st.integers(0, 30)
T = TypeVar("T")


def picked(found: list[T], n: int) -> T:
    """One of them, the newest for 0."""
    return found[-1 - n % len(found)]


class Task:
    def __init__(self, name: str, agent: str, instance: str, principal: str | None, deadline: int) -> None:
        self.name, self.agent, self.instance, self.principal, self.deadline = name, agent, instance, principal, deadline
        self.ended: str | None = None


class Token:
    def __init__(self, text: str, jti: str, task: Task, issued: int, expires: int, uses: int | None) -> None:
        self.text, self.jti, self.task, self.issued, self.expires, self.uses = text, jti, task, issued, expires, uses
        self.revoked = False


class Model:
    """What holds now, without any table."""

    def __init__(self) -> None:
        self.tasks: list[Task] = []
        self.tokens: list[Token] = []
        self.suspended: set[str] = set()
        self.stopped: set[tuple[str, str]] = set()
        self.freezes: set[tuple[str, str]] = set()

    def frozen(self, agent: str) -> bool:
        env, groups = AGENTS[agent]
        held = {("all", ""), ("agent", agent), ("env", env), *(("group", group) for group in groups)}
        return bool(self.freezes & held)

    def stands(self, token: Token, now: int) -> bool:
        fresh = now < (token.expires + LEEWAY) * MICRO and now < token.task.deadline
        return fresh and not token.revoked and token.uses != 0 and token.task.ended is None

    def acts(self, task: Task) -> bool:
        idle = task.agent in self.suspended or (task.agent, task.instance) in self.stopped
        return not idle and not self.frozen(task.agent)

    def reason(self, token: Token, now: int) -> str:
        task = token.task
        if now >= (token.expires + LEEWAY) * MICRO:
            return "token_expired"
        if task.agent in self.suspended or (task.agent, task.instance) in self.stopped:
            return "agent_suspended"
        if token.revoked:
            return "token_revoked"
        if token.uses is not None:
            return "use_required" if token.uses else "uses_exhausted"
        if task.ended == "killed":
            return "task_killed"
        if task.ended or now >= task.deadline:
            return "task_closed"
        return "frozen" if self.frozen(task.agent) else "valid"


class Revocations(RuleBasedStateMachine):
    authority: Authority

    def __init__(self) -> None:
        super().__init__()
        self.clock = Clock(self.authority.clock.now_us)
        self._copy = self.authority.copy(self.clock)
        self.house = self._copy.__enter__()
        self.model = Model()
        self.past: list[tuple[int, dict[str, str]]] = []

    def now(self) -> int:
        return self.clock.now_us

    def step(self) -> None:
        """Every act has a moment of its own, so that every state can be asked about."""
        self.clock.now_us += 700_001

    @initialize()
    def begin(self) -> None:
        """Tasks of every agent with a token each: there is something to end from the beginning."""
        for agent, instance, principal, many in ORDERS:
            self._open(agent, instance, principal, 3600, many)
            self._issue(self.model.tasks[-1], 300, None)

    @rule(order=st.sampled_from(ORDERS), deadline=st.sampled_from([45, 3600]))
    def open(self, order: tuple[str, str, str | None, bool], deadline: int) -> None:
        agent, instance, principal, many = order
        self._open(agent, instance, principal, deadline, many)

    def _open(self, agent: str, instance: str, principal: str | None, deadline: int, many: bool) -> None:
        self.step()
        order = Order(agent, "i", "p", boxes(), principal, deadline, 5000 if many else 100, None, instance)
        task = Task("", agent, instance, principal, self.now() + deadline * MICRO)
        if not self.model.acts(task):
            with pytest.raises(ConflictError):
                open_task(self.house, order)
            return
        task.name = open_task(self.house, order)[0]["id"]
        self.model.tasks.append(task)

    @rule(n=NUMBERS, ttl=st.sampled_from([10, 60, 300]), uses=st.sampled_from([None, None, 1]), more=st.integers(1, 3))
    def issue(self, n: int, ttl: int, uses: int | None, more: int) -> None:
        for _ in range(more):
            self._issue(picked(self.model.tasks, n), ttl, uses)

    def _issue(self, task: Task, ttl: int, uses: int | None) -> None:
        self.step()
        issued = self.now() // MICRO
        expires = min(issued + ttl, task.deadline // MICRO)
        if not self.model.acts(task) or task.ended or self.now() >= task.deadline or expires <= issued:
            with pytest.raises(ConflictError):
                issue_token(self.house, task.name, AUDIENCE, ttl_s=ttl, uses=uses)
            return
        made = issue_token(self.house, task.name, AUDIENCE, ttl_s=ttl, uses=uses)[0]
        self.model.tokens.append(Token(made.token, made.jti, task, issued, expires, uses))

    @precondition(lambda self: any(token.uses for token in self.model.tokens))
    @rule(n=NUMBERS)
    def use(self, n: int) -> None:
        token = picked([token for token in self.model.tokens if token.uses], n)
        self.step()
        reason = consume(self.house, question(token.text, tool=None, args=None, resource=None))[0].reason
        free = self.model.stands(token, self.now()) and self.model.acts(token.task)
        assert (reason == "valid") == free
        token.uses = (token.uses or 0) - free

    def _revoke(self, selector: Selector, covered: Callable[[Token], bool]) -> None:
        self.step()
        hit = [token for token in self.model.tokens if self.model.stands(token, self.now()) and covered(token)]
        live = sum(self.model.acts(token.task) for token in hit)
        try:
            dry = revoke(self.house, selector, None, dry_run=True)[0]
            found = revoke(self.house, selector, None)[0]
        except NotFoundError:
            assert hit == []
            return
        assert isinstance(found, Revoked)
        assert (found.total, found.live, found.tokens) == (len(hit), live, [token.jti for token in hit])
        assert dry == found
        for token in self.model.tokens:
            token.revoked |= covered(token)

    @rule(n=NUMBERS)
    def revoke_one(self, n: int) -> None:
        token = picked(self.model.tokens, n)
        if not token.revoked:
            self.step()
            found = revoke(self.house, Selector(jti=token.jti), None)[0]
            valid = self.model.stands(token, self.now()) and self.model.acts(token.task)
            unexpired = self.now() < token.expires * MICRO  # a list shows no leeway
            assert (found.total, found.live) == (1, int(valid and unexpired))
            token.revoked = True

    @rule(n=NUMBERS, back=st.sampled_from([None, None, (-8, 1), (-100, -5)]))
    def revoke_task(self, n: int, back: tuple[int, int] | None) -> None:
        task = picked(self.model.tasks, n)
        issued, within = self._issued(back)
        self._revoke(Selector(task=task.name, issued=issued), lambda t: t.task is task and within(t))

    @rule(shape=st.sampled_from(SHAPES), instance=st.sampled_from(INSTANCES))
    def cut(self, shape: tuple[str, str | None, tuple[int, int] | None], instance: str) -> None:
        kind, agent, back = shape
        for task in self.model.tasks[-4:]:  # there is something to end, and something beside it
            self._issue(task, 300, None)
        issued, within = self._issued(back)
        kid = self.house.db.execute("SELECT kid FROM signing_key WHERE use = 'token'").fetchone()[0]
        value = {"agent": agent, "instance": instance, "principal": "alice@x.org", "kid": kid, "ci_run": "77"}.get(kind)
        covers: dict[str, Callable[[Token], bool]] = {
            "agent": lambda t: t.task.agent == agent,
            "instance": lambda t: t.task.instance == instance,
            "principal": lambda t: t.task.principal == "alice@x.org",
            "ci_run": lambda t: t.task.instance == INSTANCES[1],
        }
        given: dict[str, Any] = {"agent": agent} | {kind: value} | {"issued": issued}
        covers["any"] = lambda _: True
        mine, whose = covers.get(kind, covers["any"]), covers["any" if agent is None else "agent"]
        self._revoke(Selector(**given), lambda t: mine(t) and whose(t) and within(t))

    def _issued(self, back: tuple[int, int] | None) -> tuple[tuple[int, int] | None, Callable[[Token], bool]]:
        if back is None:
            return None, lambda _: True
        begin, end = ((self.now() + 700_001) // MICRO + by for by in back)
        return (begin * MICRO, end * MICRO), lambda t: begin <= t.issued < end

    @rule(n=NUMBERS, outcome=st.sampled_from(["closed", "killed"]))
    def end(self, n: int, outcome: str) -> None:
        task = picked(self.model.tasks, n)
        if task.ended is None:
            self.step()
            mine = [t for t in self.model.tokens if t.task is task and self.model.stands(t, self.now())]
            assert end_task(self.house, task.name, outcome, None)[1] == sum(self.model.acts(t.task) for t in mine)
            task.ended = outcome

    @rule(agent=st.sampled_from(sorted(AGENTS)))
    def suspend_or_resume(self, agent: str) -> None:
        self.step()
        verb = "resume" if agent in self.model.suspended else "suspend"
        before = self._live(agent)
        told = change(self.house, agent, verb, None)[1]
        self.model.suspended ^= {agent}
        assert told == (before if verb == "suspend" else self._live(agent))

    @rule(n=NUMBERS)
    def stop_or_start(self, n: int) -> None:
        task = picked(self.model.tasks, n)
        self.step()
        verb = "resume" if (task.agent, task.instance) in self.model.stopped else "suspend"
        before = self._live(task.agent, task.instance)
        told = instances.change(self.house, task.agent, task.instance, verb, None)[1]
        self.model.stopped ^= {(task.agent, task.instance)}
        assert told == (before if verb == "suspend" else self._live(task.agent, task.instance))

    @rule(what=st.sampled_from([("all", ""), ("agent", "a-bot"), ("group", "pay"), ("env", "prod")]))
    def freeze_or_unfreeze(self, what: tuple[str, str]) -> None:
        self.step()
        before = sum(self._live(agent) for agent in AGENTS)
        if what in self.model.freezes:
            told = unfreeze(self.house, *what, None)[0].live_tokens
            self.model.freezes.remove(what)
            assert told == sum(self._live(agent) for agent in AGENTS) - before
        else:
            told = freeze(self.house, *what, "r")[0].live_tokens
            self.model.freezes.add(what)
            assert told == before - sum(self._live(agent) for agent in AGENTS)

    @rule(seconds=st.sampled_from([1, 6, 25, 40]))
    def wait(self, seconds: int) -> None:
        self.clock.now_us += seconds * MICRO

    def _live(self, agent: str, instance: str | None = None) -> int:
        mine = [t for t in self.model.tokens if t.task.agent == agent and instance in (None, t.task.instance)]
        return sum(self.model.stands(t, self.now()) and self.model.acts(t.task) for t in mine)

    @invariant()
    def every_check_answers_as_the_model(self) -> None:
        said = {t.text: verify(self.house, question(t.text, tool=None, args=None, resource=None)).reason
                for t in self.model.tokens}  # fmt: skip
        assert said == {t.text: self.model.reason(t, self.now()) for t in self.model.tokens}
        self.past.append((self.now(), said))

    @invariant()
    def every_count_is_right(self) -> None:
        for agent in AGENTS:
            row = agent_table.by_name(self.house.db, agent)
            assert row is not None
            mine = [t for t in self.model.tokens if t.task.agent == agent and self.model.stands(t, self.now())]
            wanted = standing.Count(len(mine), self._live(agent))
            assert standing.count(self.house, Cut("agent", row.id), self.now()) == wanted

    def teardown(self) -> None:
        spent = {t.text for t in self.model.tokens if t.uses is not None}
        for at, said in dict(self.past).items():
            for text, reason in said.items():
                if text not in spent:
                    asked = question(text, tool=None, args=None, resource=None, at_us=at)
                    assert verify(self.house, asked).reason == reason, at
            for token in self.model.tokens:
                if token.text not in said:  # it was issued later: no question about then may find it
                    before = question(token.text, tool=None, args=None, resource=None, at_us=at)
                    assert not verify(self.house, before).valid, at
        opener = Contents(self.house)
        fold = Fold((line for _, line in log.lines(self.house.db)), opener.content)
        assert fold.counted == {seq: len(fold.hit[seq]) for seq in fold.counted}
        for seq, hit in fold.hit.items():
            assert [t["jti"] for t in tokens.revoked_by(self.house, seq, task=None, agent=None)] == hit
        self._told_by_the_log_alone()
        self._copy.__exit__(None, None, None)

    def _told_by_the_log_alone(self) -> None:
        """The fold of the records says of every moment which tokens were live, and the state tables agree with it."""
        assert hold(self.house).differences == []
        steps = list(gather(self.house, (), None).records(Contents(self.house).content))
        jtis = {token.text: token for token in self.model.tokens}
        for at, said in self.past[::5] + self.past[-1:]:
            world = Told()
            up_to(world, steps, at)
            live = {one["jti"] for one in state_at(world, at)["tokens"]}
            for text, reason in said.items():
                token = jtis[text]
                in_leeway = token.expires * MICRO <= at
                if token.uses is None and not in_leeway:
                    assert (token.jti in live) == (reason == "valid"), (at, token.jti)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Any:
    made = Authority(tmp_path_factory.mktemp("machine") / "home")
    for name, (env, groups) in AGENTS.items():
        add_agent(made.house, name, env=env, groups=groups)
    for task in (made.task, made.other_task, made.foreign_task):
        end_task(made.house, task, "closed", None)
    yield made
    made.house.close()


def test_any_order_of_acts(authority: Authority) -> None:
    Revocations.authority = authority
    config = settings(
        max_examples=25, stateful_step_count=24, deadline=None, suppress_health_check=list(HealthCheck),
        phases=[phase for phase in Phase if phase is not Phase.shrink],  # shrinking takes minutes, and says little more
    )  # fmt: skip
    run_state_machine_as_test(Revocations, settings=config)


def test_the_fold_reads_times() -> None:
    assert micros("2026-06-01T12:00:00.700001Z") == 1_780_315_200_700_001
    assert micros("2026-06-01T12:00:00.000000Z") == 1_780_315_200_000_000
