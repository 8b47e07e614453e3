"""Running copies: each task belongs to one, one can be stopped while the others go on."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from nhictl.core.identity.spiffe import instance_fault
from nhictl.errors import ConflictError, InputError, NotFoundError
from nhictl.ops import instances, tokens
from nhictl.ops.act import CLOCK_LEEWAY_US
from nhictl.ops.change_agent import change
from nhictl.ops.instances import Instance, this_instance
from nhictl.ops.issue_token import issue_token
from tests.ops.agent_house import AUDIENCE, MINUTE, Agents

GITHUB = {"GITHUB_RUN_ID": "1658821493", "GITHUB_RUN_ATTEMPT": "2", "GITHUB_JOB": "build"}


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Agents]:
    made = Agents(tmp_path)
    made.add()
    made.add("other")
    yield made
    made.house.close()


def stop(home: Agents, instance: str = "one", agent: str = "bot") -> int:
    """Suspend an instance; how many live tokens it had."""
    return instances.change(home.house, agent, instance, "suspend", "it loops")[1]


def go(home: Agents, instance: str = "one") -> int:
    """Let it act again."""
    return instances.change(home.house, "bot", instance, "resume", None)[1]


def test_one_is_stopped_the_others_go_on(home: Agents) -> None:
    first, second, foreign = home.task("one"), home.task("two"), home.task("one", "other")
    tokens_of = [home.token(task) for task in (first, second, foreign)]
    assert [home.verdict(t)[0] for t in tokens_of] == ["valid"] * 3
    assert stop(home) == 1
    assert [home.verdict(t) for t in tokens_of] == [("agent_suspended", 14), ("valid", 20), ("valid", 20)]
    assert [home.decision(task=t) for t in (first, second, foreign)] == ["agent_suspended", "permitted", "permitted"]
    assert home.decision("bot") == "permitted"
    assert [t["state"] for t in tokens.everything(home.house, task=None, agent=None, live=False)] == [
        "instance_suspended", "live", "live",
    ]  # fmt: skip
    for refused in (lambda: home.task("one"), lambda: issue_token(home.house, first, AUDIENCE)):
        with pytest.raises(ConflictError) as caught:
            refused()
        assert caught.value.code == "instance_suspended"
        assert "`one`" in caught.value.message
    home.token(second)
    home.task("three")
    assert home.show()["state"] == "active"
    assert home.show()["suspended_instances"] == ["one"]
    assert home.show("other")["suspended_instances"] == []


def test_the_verdict_names_the_instance(home: Agents) -> None:
    from nhictl.ops.token_facts import Question
    from nhictl.ops.verify_token import consume, verify

    token = home.token(home.task("one"))
    stop(home)
    asked = Question(token.encode(), AUDIENCE, "a.b")
    assert "`one`" in verify(home.house, asked).message
    live, _ = consume(home.house, asked)
    assert (live.reason, live.step) == ("agent_suspended", 14)
    assert (home.last()["type"], home.last()["inst"]) == ("token.denied", "one")


def test_resumed_it_goes_on(home: Agents) -> None:
    task = home.task("one")
    token = home.token(task)
    stop(home)
    assert go(home) == 1
    assert home.verdict(token) == ("valid", 20)
    home.token(task)
    assert home.show()["suspended_instances"] == []
    assert [(r["type"], r["agent"], r["inst"], r["ext"]) for r in home.records() if r["type"].startswith("instance.")] == [
        ("instance.suspended", "bot", "one", {"live_tokens": 1}), ("instance.resumed", "bot", "one", {"live_tokens": 1}),
    ]  # fmt: skip
    assert stop(home) == 2


def test_earlier_moments_keep_their_answer(home: Agents) -> None:
    task = home.task("one")
    token = home.token(task)
    began = home.now
    home.now += MINUTE
    stop(home)
    home.now += MINUTE
    go(home)
    home.now += MINUTE
    moments = [began + n * MINUTE for n in range(3)]
    assert [home.verdict(token, at)[0] for at in moments] == ["valid", "agent_suspended", "valid"]
    assert [home.decision(task=task, at=at) for at in moments] == ["permitted", "agent_suspended", "permitted"]
    assert [home.show(at=at)["suspended_instances"] for at in moments] == [[], ["one"], []]
    assert [tokens.everything(home.house, task=None, agent=None, live=True, at_us=at) != [] for at in moments] == [
        True, False, True,
    ]  # fmt: skip


def test_what_there_is_not_or_is_so_already(home: Agents) -> None:
    home.task("one")
    size = home.size()
    for agent, instance in (("ghost", "one"), ("bot", "two"), ("other", "one")):
        with pytest.raises(NotFoundError):
            stop(home, instance, agent)
    with pytest.raises(ConflictError, match="`one` is active"):
        go(home)
    assert home.size() == size
    stop(home)
    with pytest.raises(ConflictError, match="`one` is suspended"):
        stop(home)
    change(home.house, "bot", "retire", None)
    with pytest.raises(ConflictError) as caught:
        go(home)
    assert caught.value.code == "agent_retired"


def test_an_instance_of_a_suspended_agent_can_be_stopped_as_well(home: Agents) -> None:
    token = home.token(home.task("one"))
    change(home.house, "bot", "suspend", None)
    stop(home)
    change(home.house, "bot", "resume", None)
    assert home.verdict(token) == ("agent_suspended", 14)


def test_stopping_works_with_a_clock_gone_back_and_going_on_does_not(home: Agents) -> None:
    from nhictl.errors import UnsafeError

    home.task("one")
    home.now -= CLOCK_LEEWAY_US + 1
    stop(home)
    with pytest.raises(UnsafeError):
        go(home)


HOSTILE = [
    "",
    " ",
    "a b",
    "a\n",
    "é",
    "\x1b[2J",
    ".hidden",
    "-x",
    "a`b",
    "a;b",
    "a$b",
    'a"b',
    "a\\b",
    "x" * 129,
    "a\u202eb",
]
PLAIN = ["1", "A", "ops-1.run-7", "arn:aws:ecs:eu-1:1/task=x", "pod@node", "x" * 128]


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_ids(home: Agents, text: str) -> None:
    size = home.size()
    assert instance_fault(text) is not None
    for act in (lambda: home.task(text), lambda: stop(home, text)):
        with pytest.raises(InputError) as caught:
            act()
        assert caught.value.code == "invalid_instance"
    assert home.size() == size


@pytest.mark.parametrize("text", PLAIN)
def test_plain_ids(home: Agents, text: str) -> None:
    home.task(text)
    stop(home, text)
    assert home.show()["suspended_instances"] == [text]


def proc(folder: Path, stat: bytes = b"", boot: str = "3f2a1b4c-5d6e-7f80-9a0b-1c2d3e4f5a6b\n") -> Path:
    """A /proc with what is looked at; the session leader is this process's."""
    import os

    leader = folder / str(os.getsid(0) or 1)
    for place in (folder / "sys/kernel/random", folder / "self/ns", leader):
        place.mkdir(parents=True)
    (folder / "sys/kernel/random/boot_id").write_text(boot)
    (folder / "self/ns/pid").symlink_to("pid:[4026531836]")
    (leader / "stat").write_bytes(stat)
    return folder


STAT = b"7 (a) b (c\n) S " + b" ".join(b"%d" % n for n in range(4, 53))


def test_host_boot_namespace_session_and_its_start(tmp_path: Path) -> None:
    import os

    found = this_instance({}, proc(tmp_path / "proc", STAT))
    assert found.source == "host"
    assert found.id.endswith(f".3f2a1b4c5d6e.4026531836.{os.getsid(0)}.22")
    assert instance_fault(found.id) is None
    other_boot = this_instance({}, proc(tmp_path / "other", STAT, boot="00000000-1111"))
    assert other_boot.id != found.id
    reused_pid = this_instance({}, proc(tmp_path / "later", STAT.replace(b" 22 ", b" 23 ")))
    assert reused_pid.id != found.id


@pytest.mark.parametrize("stat", [b"", b"7 (x", b"7 (x) S 1 2", b"7 (x) S " + b"x " * 40])
def test_a_proc_that_tells_little_gives_an_id_all_the_same(tmp_path: Path, stat: bytes) -> None:
    assert this_instance({}, proc(tmp_path / "proc", stat)).id.endswith(".unknown")
    assert instance_fault(this_instance({}, tmp_path / "nothing").id) is None


def test_a_session_led_from_outside_the_pid_namespace_is_told_by_its_first_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.getsid", lambda _pid: 0)
    assert this_instance({}, proc(tmp_path / "proc", STAT)).id.endswith(".4026531836.0.22")
    later = this_instance({}, proc(tmp_path / "later", STAT.replace(b" 22 ", b" 23 ")))
    assert later.id.endswith(".4026531836.0.23")


INSIDE = """
from nhictl.ops.instances import this_instance
print(this_instance({}).id)
"""


def test_two_containers_are_two_copies_also_where_the_session_is_led_from_outside() -> None:
    unshare = ["unshare", "--user", "--map-root-user", "--pid", "--fork", "--mount-proc"]
    if not shutil.which("unshare") or subprocess.run([*unshare, "true"], capture_output=True).returncode:
        pytest.skip("no pid namespaces for us here")
    ids = {
        subprocess.run([*unshare, sys.executable, "-c", INSIDE], check=True, capture_output=True, text=True).stdout
        for _ in range(2)
    }
    assert len(ids) == 2
    assert not any("unknown" in id_ for id_ in ids)


def test_this_very_process_is_the_same_copy_twice() -> None:
    assert this_instance({}) == this_instance({})
    assert "unknown" not in this_instance({}).id


CI = [
    (GITHUB, "claimed.github.1658821493.2.build"),
    (GITHUB | {"CI_JOB_ID": "9"}, "claimed.github.1658821493.2.build"),
    (GITHUB | {"GITHUB_JOB": "a b\n`é`"}, "claimed.github.1658821493.2.a_b____"),
    ({"CI_JOB_ID": "4711"}, "claimed.gitlab.4711"),
]
NO_CI = [
    {}, GITHUB | {"GITHUB_RUN_ID": ""}, GITHUB | {"GITHUB_RUN_ID": "1.2"}, GITHUB | {"GITHUB_RUN_ATTEMPT": "٣"},
    {k: v for k, v in GITHUB.items() if k != "GITHUB_JOB"}, {"CI_JOB_ID": "x"}, {"CI_JOB_ID": "1" * 21}, {"CI": "true"},
]  # fmt: skip


@pytest.mark.parametrize(("env", "expected"), CI, ids=range(len(CI)))
def test_ci_says_which_run_it_is_and_that_is_a_claim(env: dict[str, str], expected: str) -> None:
    assert this_instance(env) == Instance(expected, "claimed")


@pytest.mark.parametrize("env", NO_CI, ids=range(len(NO_CI)))
def test_half_of_cis_variables_are_no_ci(env: dict[str, str]) -> None:
    assert this_instance(env).source == "host"


def test_long_jobs_differ_still() -> None:
    one, two = (this_instance(GITHUB | {"GITHUB_JOB": "j" * 200 + end}).id for end in "ab")
    assert one != two
    assert len(one) == len(two) == 128
    assert instance_fault(one) is None


def test_the_record_says_where_the_id_comes_from(home: Agents, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*GITHUB, "CI_JOB_ID"):
        monkeypatch.delenv(name, raising=False)
    home.task("one")
    assert "instance_from" not in home.last()["ext"]
    home.task(None)
    assert home.last()["ext"]["instance_from"] == "host"
    monkeypatch.setenv("CI_JOB_ID", "5")
    home.task(None)
    assert (home.last()["inst"], home.last()["ext"]["instance_from"]) == ("claimed.gitlab.5", "claimed")
