"""In-process agents: a call is made only as it was judged, and how it ended is recorded, whatever way it ends."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import json
import multiprocessing
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from nhictl.core.policy.box import box_from_mapping
from nhictl.core.replay import own
from nhictl.errors import InputError, NhictlError
from nhictl.ops.activate_policy import activate
from nhictl.ops.audit_log import verify_home
from nhictl.ops.end_task import end_task
from nhictl.ops.house import House
from nhictl.ops.issue_token import issue_token
from nhictl.ops.open_task import Order, open_task
from nhictl.ops.register_agent import Registration, register
from nhictl.sdk import DeniedError, Guard
from tests.ops.token_home import records

POLICY = {
    "nhictl_policy": 1,
    "tools": {
        "add": {"args": {"a": "integer", "b": {"type": "integer", "optional": True}}},
        "drop": {"args": {}},
        "tell": {"args": {}},
    },
    "rules": [
        {"id": "ADD", "effect": "permit", "match": {"tools": ["add"]}, "when": {"args.a": {"lte": 9}}},
        {
            "id": "TELL",
            "effect": "permit",
            "match": {"tools": ["tell"]},
            "obligations": [{"type": "notification", "to": "ops"}],
        },
    ],
}


class Stage:
    def __init__(self, home: Path) -> None:
        self.house = House(home, home / "nhictl.db")
        self.task = ""
        self.guard = Guard(home=str(home))

    def calls(self) -> list[tuple[str | None, str | None, Any]]:
        """Tool, outcome and arguments of every call that the log knows, in order."""
        from nhictl.ops.replay import Filter, from_home

        story = from_home(self.house, Filter())
        assert story.exit == 0
        return [(e.tool, e.outcome, e.args) for e in story.events if e.type == "tool.called"]


@pytest.fixture
def stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stage]:
    from nhictl.ops.init import initialise

    made = Stage(tmp_path / "home")
    initialise(made.house, "example.org", None)
    activate(made.house, [("policy.yaml", json.dumps(POLICY).encode())])
    register(made.house, Registration("bot", "dev@example.org", "adds"), None, None)
    boxes = tuple(box_from_mapping({"tools": [tool]}) for tool in ("add", "drop", "tell"))
    made.task = str(open_task(made.house, Order("bot", "add", "sums", boxes, instance="one"))[0]["id"])
    for name in ("NHICTL_TOKEN", "NHICTL_TOKEN_FD", "NHICTL_TOKEN_FILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NHICTL_TASK", made.task)
    yield made
    made.house.close()


def test_a_function_is_judged_by_its_parameters_defaults_included(stage: Stage) -> None:
    made: list[tuple[int, int]] = []

    @stage.guard("add")
    def add(a: int, b: int = 1, *, note: None = None) -> int:
        """Sums."""
        made.append((a, b))
        return a + b

    assert add.__doc__ == "Sums."
    assert add(3) == 4
    assert add(a=4, b=5) == 9
    with pytest.raises(DeniedError) as denied:
        add(10, 1)
    assert (denied.value.reason, denied.value.exit) == ("not_permitted", 1)
    assert made == [(3, 1), (4, 5)]
    assert stage.calls() == [
        ("add", "ok", {"a": 3, "b": 1}), ("add", "ok", {"a": 4, "b": 5}), ("add", "denied", {"a": 10, "b": 1}),
    ]  # fmt: skip


def test_a_block_is_not_entered_if_it_is_denied(stage: Stage) -> None:
    with pytest.raises(DeniedError), stage.guard("drop"):
        pytest.fail("it was let in")
    with stage.guard("add", {"a": 1}) as call:
        call.result = {"sum": call.args["a"]}
    assert [outcome for _, outcome, _ in stage.calls()] == ["denied", "ok"]
    with pytest.raises(InputError), call:  # the same one twice
        pytest.fail("it was let in")


def test_an_obligation_that_the_program_does_not_say_it_performs_denies(stage: Stage) -> None:
    home = str(stage.house.home)
    for performs in ((), ("other",)):
        with pytest.raises(DeniedError, match="notification") as denied, Guard(home=home, performs=performs)("tell"):
            pytest.fail("it was let in")
        assert denied.value.reason == "not_permitted"
    with Guard(home=home, performs=["notification"])("tell") as call:
        assert call.obligations == [{"type": "notification", "to": "ops"}]  # the program has to know what to see to


def test_what_was_judged_is_not_what_changes_afterwards(stage: Stage) -> None:
    given = {"a": 1}
    call = stage.guard("add", given)
    given["a"] = 99
    with call as entered:
        assert entered.args == {"a": 1}


def test_an_exception_is_how_it_ended_and_its_text_is_not_kept(stage: Stage) -> None:
    with pytest.raises(ValueError, match="hunter2"), stage.guard("add", {"a": 1}):
        raise ValueError("the password is hunter2")
    assert [outcome for _, outcome, _ in stage.calls()] == ["error"]
    returned = records(stage.house)[-1]
    assert returned["ext"]["error"] == "ValueError"


def test_async_functions_and_blocks(stage: Stage) -> None:
    @stage.guard("add")
    async def add(a: int) -> int:
        await asyncio.sleep(0)
        return a

    async def main() -> list[Any]:
        many = await asyncio.gather(*(add(n) for n in (1, 2, 10, 3)), return_exceptions=True)
        async with stage.guard("add", {"a": 5}) as call:
            call.result = 5
        return many

    done = asyncio.run(main())
    assert done[:2] + done[3:] == [1, 2, 3]
    assert isinstance(done[2], DeniedError)
    assert sorted(outcome or "" for _, outcome, _ in stage.calls()) == ["denied", "ok", "ok", "ok", "ok"]


@pytest.mark.parametrize("when", ["before it is judged", "while it is made"])
def test_a_cancelled_call_is_settled(stage: Stage, when: str) -> None:
    async def main() -> None:
        started = asyncio.Event()

        async def work() -> None:
            async with stage.guard("add", {"a": 1}):
                started.set()
                await asyncio.sleep(30)

        stage.guard._house.lock.acquire()  # nothing is judged until it is let go
        task = asyncio.create_task(work())
        await asyncio.sleep(0.05)
        if when == "before it is judged":
            task.cancel()
            await asyncio.wait([task])
            stage.guard._house.lock.release()
        else:
            stage.guard._house.lock.release()
            await started.wait()
            task.cancel()
            await asyncio.wait([task])
        assert task.cancelled()

    asyncio.run(main())  # waits for the threads it used
    outcome = "not_executed" if when == "before it is judged" else "error"
    assert [found for _, found, _ in stage.calls()] == [outcome]
    assert records(stage.house)[-1]["type"] == "tool.returned"


def test_a_revocation_ends_the_very_next_call(stage: Stage, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    token, _ = issue_token(stage.house, stage.task, "urn:agent")
    (tmp_path / "token").write_text(token.token)
    monkeypatch.setenv("NHICTL_TOKEN_FILE", str(tmp_path / "token"))
    guard = Guard(home=str(stage.house.home), audience="urn:agent")
    with guard("add", {"a": 1}):
        pass
    assert records(stage.house)[-1]["jti"] == token.jti
    end_task(stage.house, stage.task, "killed", None)
    for way in (guard, stage.guard):
        with pytest.raises(DeniedError, match="task_killed"), way("add", {"a": 1}):
            pytest.fail("it was let in")


def test_threads_share_one_and_processes_can_be_forked(stage: Stage) -> None:
    @stage.guard("add")
    def add(a: int) -> int:
        return a

    threads = [threading.Thread(target=add, args=(n,)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    children = [multiprocessing.get_context("fork").Process(target=add, args=(7,)) for _ in range(2)]
    for child in children:
        child.start()
    for child in children:
        child.join()
        assert child.exitcode == 0
    assert len(stage.calls()) == 8
    assert verify_home(stage.house, ()).exit == 0


def _open_files() -> list[str]:
    found = []
    for name in os.listdir("/proc/self/fd"):
        with contextlib.suppress(OSError):
            found.append(os.readlink(f"/proc/self/fd/{name}"))
    return found


def test_a_guard_that_nobody_holds_leaves_no_thread_and_no_connection(stage: Stage) -> None:
    home = str(stage.house.home)
    stage.house.close()
    before = threading.active_count()
    for _ in range(3):
        with Guard(home=home)("add", {"a": 1}):
            pass
    gc.collect()
    for _ in range(200):
        if threading.active_count() == before and not any(one.endswith("nhictl.db") for one in _open_files()):
            return
        time.sleep(0.02)
    raise AssertionError(threading.enumerate())


@pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning")
def test_a_process_forks_in_the_middle_of_calls(stage: Stage) -> None:
    """Neither waits for the other for ever, no connection is shared, and no call is lost."""

    @stage.guard("add")
    def add(a: int) -> int:
        return a

    over, made = threading.Event(), [0]

    def going_on() -> None:
        while not over.is_set():
            add(1)
            made[0] += 1

    beside = threading.Thread(target=going_on)
    beside.start()
    add(1)
    stage.house.close()  # the test's own

    def connections() -> list[str]:
        return [one for one in _open_files() if one.endswith("nhictl.db")]

    def child() -> None:
        assert connections() == []
        add(2)

    assert connections() != []

    for _ in range(4):
        forked = multiprocessing.get_context("fork").Process(target=child)
        forked.start()
        forked.join()
        assert forked.exitcode == 0
    over.set()
    beside.join(30)
    assert [outcome for _, outcome, _ in stage.calls()] == ["ok"] * (made[0] + 5)
    assert verify_home(stage.house, ()).exit == 0


def test_what_cannot_be_guarded_is_refused(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    def generates() -> Iterator[int]:
        yield 1

    def loose(*things: int) -> None:
        pass

    for function in (generates, loose):
        with pytest.raises(InputError):
            stage.guard("add")(function)
    with pytest.raises(InputError):
        stage.guard("add", {"a": 1})(lambda a: a)
    with pytest.raises(InputError), stage.guard("add", {"a": {1, 2}}):
        pytest.fail("it was let in")
    monkeypatch.delenv("NHICTL_TASK")
    with pytest.raises(NhictlError, match="neither"), stage.guard("add", {"a": 1}):
        pytest.fail("it was let in")
    assert stage.calls() == []


def test_without_a_log_there_is_no_call(stage: Stage) -> None:
    stage.house.home.chmod(0o755)
    with pytest.raises(NhictlError), stage.guard("add", {"a": 1}):
        pytest.fail("it was let in")
    stage.house.home.chmod(0o700)


def test_the_default_is_of_the_environment(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    from nhictl import sdk

    monkeypatch.setenv("NHICTL_HOME", str(stage.house.home))
    monkeypatch.setattr(sdk.guard, "_made", None)
    with sdk.guard("add", {"a": 2}) as call:
        call.result = 2
    events = own.fold(enumerate(records(stage.house)), lambda *_: None).events
    assert [e.outcome for e in events if e.type == "tool.called"] == ["ok"]
