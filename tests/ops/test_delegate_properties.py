"""Whatever is delegated, narrowed, revoked and suspended in whatever order: no child is allowed what an ancestor is not,
and nothing outlives what it was made from.
"""

from __future__ import annotations

from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nhictl.core.token.verdict import Verdict
from nhictl.errors import ConflictError, NhictlError
from nhictl.ops import tokens
from nhictl.ops.change_agent import change
from nhictl.ops.delegate_token import Delegated
from nhictl.ops.issue_token import Issued
from nhictl.ops.revoke_token import Selector, revoke
from tests.ops.delegation_home import Chain

AGENTS = ("one", "two", "three")
GRID: list[tuple[str, dict[str, Any]]] = [
    *(("a.read", {"n": n}) for n in (-1, 0, 5, 10, 50, 100, 101)), *(("a.write", {"n": n}) for n in (0, 50)), ("a.drop", {}),
]  # fmt: skip
BOXES = [
    "a.read", "a.*", "a.write", "a.write?args.n<=10", "a.read?args.n<=100&args.n>=0", "a.read?args.n<=10&args.n>=0", "a.drop",
    "a.read?args.n=5|50", "a.read?args.n=5", "a.read?args.n!=5&args.n<=100&args.n>=0", "a.read?args.n>=101",
]  # fmt: skip
steps = st.one_of(
    st.tuples(st.just("issue")),
    *[st.tuples(st.just("delegate"), st.integers(0, 30), st.sampled_from(AGENTS),
                st.lists(st.sampled_from(BOXES), min_size=1, max_size=2, unique=True)) for _ in range(5)],
    st.tuples(st.just("revoke"), st.integers(0, 30)),
    st.tuples(st.sampled_from(["suspend", "resume", "cut"]), st.sampled_from(("boss", *AGENTS))),
)  # fmt: skip


class World:
    """What was done, kept beside the store: who was made from whom, and what was ended."""

    def __init__(self, home: Chain) -> None:
        self.home = home
        self.task = home.task()
        self.tokens: list[Issued] = []
        self.parent: dict[str, Issued | None] = {}
        self.holder: dict[str, str] = {}
        self.ended: set[str] = set()
        self.suspended: set[str] = set()
        self.widened = 0

    def above(self, token: Issued) -> list[Issued]:
        """The token and everything it was made from."""
        found: list[Issued] = []
        at: Issued | None = token
        while at is not None:
            found.append(at)
            at = self.parent[at.jti]
        return found

    def step(self, kind: str, *rest: Any) -> None:
        """Do one thing, as far as it can be done."""
        if kind == "issue":
            if "boss" not in self.suspended:
                self.add(self.home.root(self.task), None, "boss")
        elif kind == "delegate" and self.tokens:
            self.delegate(self.tokens[rest[0] % len(self.tokens)], *rest[1:])
        elif kind == "revoke" and self.tokens:
            jti = self.tokens[rest[0] % len(self.tokens)].jti
            try:
                revoke(self.home.house, Selector(jti=jti), None)
            except NhictlError:
                assert jti in self.ended
            self.ended.add(jti)
        elif kind == "cut":
            held = {jti for jti, holder in self.holder.items() if holder == rest[0]}
            try:
                revoke(self.home.house, Selector(agent=rest[0]), None)
                self.ended |= held
            except NhictlError:
                assert all(
                    any(above.jti in self.ended for above in self.above(t)) for t in self.tokens if t.jti in held
                )
        elif kind in ("suspend", "resume"):
            try:
                change(self.home.house, rest[0], kind, None)
                self.suspended ^= {rest[0]}
            except ConflictError:
                pass

    def delegate(self, parent: Issued, to: str, boxes: list[str]) -> None:
        holder = self.holder[parent.jti]
        found = self.home.ask(parent.token, to, *boxes, by=None if holder == "boss" else holder)
        if isinstance(found, Delegated):
            self.add(found.issued, parent, to)
            return
        self.widened += found.reason == "scope_widened"
        if found.reason == "scope_widened" and found.witness is not None:
            call = found.witness
            assert not self.verify(parent, call["tool"], call["args"]).valid

    def add(self, token: Issued, parent: Issued | None, holder: str) -> None:
        self.tokens.append(token)
        self.parent[token.jti] = parent
        self.holder[token.jti] = holder

    def verify(self, token: Issued, tool: str | None, args: dict[str, Any] | None = None) -> Verdict:
        return self.home.verify(token.token, tool, args)

    def dead(self, token: Issued) -> bool:
        """Whether anything above it ended, or anybody above it is suspended."""
        line = self.above(token)
        return any(t.jti in self.ended or self.holder[t.jti] in self.suspended for t in line)


@settings(max_examples=30, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(steps, min_size=4, max_size=14))
def test_no_order_of_things_lets_a_child_do_what_its_ancestors_may_not(built: Chain, plan: list[Any]) -> None:
    home = built.copy()
    try:
        world = World(home)
        world.step("issue")
        for each in plan:
            world.step(*each)
            home.now += 100_000
        allowed: dict[str, set[int]] = {}
        for token in world.tokens:
            live = world.verify(token, None).valid
            assert live is not world.dead(token)
            assert (tokens.show(home.house, token.jti)["state"] == "live") is live
            allowed[token.jti] = {at for at, call in enumerate(GRID) if live and world.verify(token, *call).valid}
            for above in world.above(token)[1:]:
                # An ancestor whose holder alone is suspended is dead, and so are all below it.
                assert allowed[token.jti] <= allowed[above.jti]
    finally:
        home.house.close()
