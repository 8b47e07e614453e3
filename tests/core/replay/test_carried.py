"""UNTRUSTED_ARG by pieces of texts says what looking through every text says, in time that does not grow with the run."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nhictl.core.replay.authority.step import Step, of_event
from nhictl.core.replay.detect import carried
from nhictl.core.replay.detect.carried import Runs, Texts
from nhictl.core.replay.detect.registry import BY_ID
from nhictl.core.replay.detect.run import Watch
from nhictl.core.replay.event import Event

RULE = BY_ID["UNTRUSTED_ARG"]
SCOPE = [{"tools": ["read.*"]}]
WORDS = st.text("abAB 12é", min_size=1, max_size=9)


def told(run: str, kind: str, **members: Any) -> Step:
    event = Event(kind, evidence="imported", run=run, **{k: v for k, v in members.items() if k != "content"})
    if "content" in members:
        event.set_content(members["content"])
    return of_event(event)


def by_looking_through(steps: list[Step]) -> list[tuple[str | None, int]]:
    """Run and number of the steps that alert: the definition, word for word, without any index."""
    found = []
    seen: dict[str | None, list[str]] = {}
    prompt: dict[str | None, list[str]] = {}
    waiting: dict[str | None, tuple[Any, list[str]]] = {}
    for number, step in enumerate(steps):
        run = step.run
        if step.type == "message.user":
            prompt.setdefault(run, []).append(step.content("prompt"))
        elif step.type == "tool.called":
            of, late = waiting.get(run, (None, []))
            if late and step.pspan != of:
                seen.setdefault(run, []).extend(late)
                waiting[run] = (None, [])
            texts = [text.strip() for text in carried.texts(step.args)]
            if step.tool == "send" and any(
                len(text) >= 6 and any(text in one for one in seen.get(run, ())) and run in prompt
                and not any(text in one for one in prompt[run])
                for text in texts
            ):  # fmt: skip
                found.append((run, number))
            result = step.content("result")
            if result is not None and step.pspan is None:
                seen.setdefault(run, []).extend(carried.texts(result))
            elif result is not None:
                waiting[run] = (step.pspan, [*waiting.get(run, (None, []))[1], *carried.texts(result)])
    return found


STEPS = st.lists(
    st.one_of(
        st.builds(lambda run, text: told(run, "message.user", content=text), st.sampled_from("xy"), st.text("abAB 12é")),
        st.builds(
            lambda run, tool, args, result, parent: told(
                run, "tool.called", tool=tool, args={"a": args}, result=result, parent=parent, outcome="ok"
            ),
            st.sampled_from("xy"), st.sampled_from(["send", "read.it"]), st.lists(WORDS, max_size=3),
            st.one_of(st.none(), st.text("abAB 12é", max_size=60), st.lists(WORDS, max_size=3)),
            st.sampled_from([None, "m1", "m2"]),
        ),
    ),
    max_size=25,
)  # fmt: skip


@given(STEPS, st.sampled_from([-1, 0, 128]))
def test_the_same_verdicts_as_looking_through_everything(steps: list[Step], patience: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(carried, "_PATIENCE", patience)
        watch = Watch(lambda _: None, (RULE,), declared=SCOPE)
        found = []
        for number, step in enumerate(steps):
            before = sum(one["count"] for one in watch.items())
            watch.take(step)
            if sum(one["count"] for one in watch.items()) > before:
                found.append((step.run, number))
    assert found == by_looking_through(steps)


@given(st.lists(st.text("abcd", max_size=40), max_size=8), st.text("abcd", min_size=4, max_size=8))
def test_pieces_never_hide_what_is_there(texts: list[str], wanted: str) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(carried, "_PATIENCE", -1)
        held = Texts()
        held.add(texts[:4])
        assert held.hold(wanted) == any(wanted in text for text in texts[:4])
        held.add(texts[4:])
        assert held.hold(wanted) == any(wanted in text for text in texts)


def test_what_is_not_there_is_not_looked_for_in_a_long_run(monkeypatch: pytest.MonkeyPatch) -> None:
    looked = 0

    class Counted(str):
        __slots__ = ()

        def __contains__(self, wanted: object) -> bool:
            nonlocal looked
            looked += 1
            return super().__contains__(wanted)  # type: ignore[operator]

    held = Texts()
    for number in range(2_000):
        held.add([Counted(f"row {number:06d} of the table")])
        assert not held.hold(f"other-{number:06d}")
    assert looked < 300_000  # 2,000,000 without pieces
    held.add([Counted("other-000007")])
    assert held.hold("other-000007")
    monkeypatch.setattr(carried, "_GRAMS", 10)
    many = Texts()
    many.add([f"{number:09d}" for number in range(100)])
    assert [many.hold("x" * 6) for _ in range(1000)] == [False] * 1000
    assert many.hold("000099")


def test_no_more_runs_are_kept_than_there_is_room_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(carried, "ALL_RUNS", 1000)
    runs = Runs()
    for number in range(50):
        run = runs.take(f"r{number}")
        assert not run.full
        run.seen.add(run.room(["x" * 100]))
        runs.put(f"r{number}", run)
        runs.put("r0", runs.take("r0"))  # still in use
    assert not runs.take("r0").full
    assert runs.take("r49").seen.hold("x" * 6)
    assert runs.take("r7").full
    runs.end("r8")
    assert not runs.take("r8").full


def test_what_did_not_fit_is_unknown_and_not_clean(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(carried, "MOST", 50)

    def state(result: str) -> str:
        watch = Watch(lambda _: None, (RULE,), declared=SCOPE)
        watch.take(told("x", "message.user", content="do it"))
        watch.take(told("x", "tool.called", tool="read.it", args={}, result=result, outcome="ok"))
        watch.take(told("x", "tool.called", tool="send", args={"to": "villain@x"}, outcome="ok"))
        return str(watch.end().rules()[0]["state"])

    assert state("nothing here") == "none"
    assert state("mail villain@x") == "found"
    assert state("mail villain@x" + "." * 50) == "unknown"
