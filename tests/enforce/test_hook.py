"""A coding agent's hook: what is not shown to be allowed is blocked, in the host's own terms."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nhictl.core.policy.box import box_from_mapping
from nhictl.core.replay import own
from nhictl.enforce.hook import event as events
from nhictl.enforce.hook.handle import handle
from nhictl.enforce.hook.hosts import HOSTS
from nhictl.errors import InputError, NhictlError, NotFoundError
from nhictl.ops.activate_policy import activate
from nhictl.ops.end_task import end_task
from nhictl.ops.guard_session import FILE, instance_of
from nhictl.ops.house import House
from nhictl.ops.issue_token import issue_token
from nhictl.ops.open_task import Order, open_task
from nhictl.ops.register_agent import Registration, register
from tests.harness import Program
from tests.ops.token_home import records

POLICY = {
    "nhictl_policy": 1,
    "tools": {"Bash": {"args": {"command": "string"}}, "Read": {"args": {"file_path": "path"}, "resource": "args.file_path"}},
    "rules": [
        {"id": "LS", "effect": "permit", "match": {"tools": ["Bash"]}, "when": {"args.command": {"in": ["ls"]}}},
        {"id": "READ", "effect": "permit", "match": {"tools": ["Read"]}},
    ],
}  # fmt: skip
CLAUDE, CODEX = HOSTS["claude-code"], HOSTS["codex"]


def register_projects(
    home: Path, *folders: Path, host: str = "claude-code", allow: tuple[str, ...] = ("Bash", "Read")
) -> None:
    projects = [
        {"path": str(folder), "host": host, "agent": "coder", "intent": "code", "purpose": "work here",
         "allow": list(allow), "command": "true", "deadline_s": 3600}
        for folder in folders
    ]  # fmt: skip
    path = home / FILE
    path.write_text(json.dumps({"nhictl_guards": 1, "projects": projects}))
    path.chmod(0o600)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    made = tmp_path / "project"
    made.mkdir()
    return made


@pytest.fixture
def guarded(house: House, project: Path, monkeypatch: pytest.MonkeyPatch) -> House:
    for name in ("NHICTL_TASK", "NHICTL_TOKEN", "NHICTL_TOKEN_FILE", "NHICTL_TOKEN_FD"):
        monkeypatch.delenv(name, raising=False)
    activate(house, [("policy.yaml", json.dumps(POLICY).encode())])
    register(house, Registration("coder", "dev@example.org", "writes code"), None, None)
    register_projects(house.home, project)
    return house


def text(project: Path, name: str = "PreToolUse", **more: Any) -> bytes:
    """An event as the hosts send it."""
    made = {
        "session_id": "0f3e", "transcript_path": None, "cwd": str(project), "permission_mode": "default",
        "hook_event_name": name, "tool_name": "Bash", "tool_input": {"command": "ls"}, "tool_use_id": "toolu_1",
    }  # fmt: skip
    return json.dumps(made | more).encode()


def says(house: House, project: Path, host: Any = CLAUDE, **more: Any) -> str | None:
    """The host's word on one event: `allow`, `deny`, or None for nothing said."""
    said = handle(house, host, events.parse(text(project, **more)), None).stdout
    return None if said is None else str(said["hookSpecificOutput"]["permissionDecision"])


def test_a_session_from_beginning_to_end(guarded: House, project: Path) -> None:
    assert says(guarded, project, name="SessionStart") is None
    assert says(guarded, project) == "allow"
    assert says(guarded, project, name="PostToolUse", tool_response={"stdout": "a\n"}) is None
    assert says(guarded, project, tool_input={"command": "rm"}, tool_use_id="toolu_2") == "deny"
    assert says(guarded, project, tool_use_id="toolu_3") == "allow"
    assert says(guarded, project, name="PostToolUseFailure", tool_use_id="toolu_3", error="no such file") is None
    assert says(guarded, project, name="SessionEnd") is None
    assert says(guarded, project, tool_use_id="toolu_4") == "deny"
    found = records(guarded)
    assert [r["type"] for r in found[-8:]] == [
        "task.opened", "tool.called", "tool.returned", "tool.called", "tool.called", "tool.returned", "task.closed",
        "tool.called",
    ]  # fmt: skip
    events_ = [e for e in own.fold(enumerate(found), lambda *_: None).events if e.n is not None]
    assert [(e.n, e.call, e.outcome, e.error) for e in events_] == [
        (0, "toolu_1", "ok", None), (1, "toolu_2", "denied", None), (2, "toolu_3", "error", "no such file"),
        (3, "toolu_4", "denied", None),
    ]  # fmt: skip
    assert {e.inst for e in events_} == {"claude-code.0f3e"}


def test_two_sessions_are_two_copies_and_one_that_was_killed_begins_no_more(guarded: House, project: Path) -> None:
    assert says(guarded, project, session_id="a") == says(guarded, project, session_id="b") == "allow"
    task = guarded.db.execute(
        "SELECT name FROM task WHERE instance = ?", (instance_of("claude-code", "a"),)
    ).fetchone()[0]
    end_task(guarded, task, "killed", None)
    assert says(guarded, project, session_id="a") == "deny"
    assert says(guarded, project, session_id="a", name="SessionStart") is None
    assert says(guarded, project, session_id="a") == "deny"
    assert says(guarded, project, session_id="b") == "allow"


def test_a_folder_of_no_project_is_denied_and_the_innermost_project_counts(
    guarded: House, project: Path, tmp_path: Path
) -> None:
    assert says(guarded, tmp_path, session_id="x") == "deny"
    sibling = tmp_path / "project-evil"
    sibling.mkdir()
    assert says(guarded, sibling, session_id="y") == "deny"
    (tmp_path / "link").symlink_to(project)
    assert says(guarded, tmp_path / "link", session_id="z") == "allow"


def test_a_session_goes_on_in_another_folder(guarded: House, project: Path, tmp_path: Path) -> None:
    assert says(guarded, project) == "allow"
    assert says(guarded, tmp_path, tool_use_id="toolu_9") == "allow"


def test_codex_is_told_to_go_on_by_silence(guarded: House, project: Path) -> None:
    register_projects(guarded.home, project, host="codex")
    assert says(guarded, project, CODEX) is None
    assert records(guarded)[-1]["outcome"] == "ok"
    assert says(guarded, project, CODEX, tool_input={"command": "rm"}) == "deny"


def test_a_result_that_nobody_was_asked_about_is_an_error(guarded: House, project: Path) -> None:
    says(guarded, project)
    after = {"name": "PostToolUse", "tool_response": 1}
    assert says(guarded, project, **after) is None
    for again in (after, {**after, "tool_use_id": "toolu_5"}, {**after, "tool_use_id": None}):
        with pytest.raises(NotFoundError):
            says(guarded, project, **again)


def test_a_token_of_a_run_is_held_before_any_project(
    guarded: House, project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    task, _ = open_task(guarded, Order("coder", "code", "x", (box_from_mapping({"tools": ["Read"]}),), instance="one"))
    token, _ = issue_token(guarded, str(task["id"]), "urn:hook")
    (tmp_path / "token").write_text(token.token)
    monkeypatch.setenv("NHICTL_TOKEN_FILE", str(tmp_path / "token"))
    read = events.parse(text(project, tool_name="Read", tool_input={"file_path": "/x"}))
    said = handle(guarded, CLAUDE, read, "urn:hook").stdout
    assert said is not None
    assert said["hookSpecificOutput"]["permissionDecision"] == "allow"
    assert records(guarded)[-1]["jti"] == token.jti
    assert says(guarded, project, name="PostToolUse", tool_name="Read", tool_response="x") is None
    with pytest.raises(InputError):  # a token, but nobody to be its audience
        says(guarded, project)
    monkeypatch.setenv("NHICTL_TASK", str(task["id"]))
    assert says(guarded, project) == "deny"  # outside that task's scope, whatever the project may


MALFORMED: list[bytes] = [
    b"", b"{", b"[]", b"null", b"\xff", b'{"hook_event_name":"PreToolUse"}', b"\xef\xbb\xbf{}",
    *(json.dumps(json.loads(text(Path("/x"))) | {name: wrong}).encode() for name, wrong in [
        ("hook_event_name", 5), ("session_id", ""), ("session_id", None), ("cwd", 1), ("tool_name", ""), ("tool_name", None),
        ("tool_input", "ls"), ("tool_input", None), ("tool_use_id", 5), ("tool_use_id", ""), ("tool_name", "x" * 257),
    ]),
    text(Path("/x"))[:-1] + b',"tool_name":"Read"}',
    text(Path("/x"))[:-1] + b',"x":NaN}',
    b'{"x":' + b"[" * 100 + b"]" * 100 + b"}",
    b" " * (events.MAX_EVENT + 1),
]  # fmt: skip


@pytest.mark.parametrize("data", MALFORMED, ids=range(len(MALFORMED)))
def test_what_is_no_event_is_refused(data: bytes) -> None:
    with pytest.raises(InputError):
        events.parse(data)


_KEYS = st.sampled_from(["hook_event_name", "session_id", "cwd", "tool_name", "tool_input", "tool_use_id", "x"])
_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.sampled_from(["PreToolUse", "Bash", "ls", ""]) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3), max_leaves=8,
)  # fmt: skip


@given(st.binary(max_size=60) | st.dictionaries(_KEYS, _VALUES).map(lambda value: json.dumps(value).encode()))
@settings(max_examples=200, deadline=None)
def test_any_bytes_are_an_event_or_refused(data: bytes) -> None:
    with contextlib.suppress(InputError):
        assert events.parse(data).session


def test_a_guards_file_that_is_none_blocks(guarded: House, project: Path) -> None:
    path = guarded.home / FILE
    good = path.read_text()
    for wrong in ("", "{}", good.replace("1,", "2,", 1), good.replace('"Bash"', "5"), good.replace("3600", "true"),
                  good.replace('"deadline_s"', '"deadline"')):  # fmt: skip
        path.write_text(wrong)
        with pytest.raises(InputError):
            says(guarded, project, session_id=f"s{len(wrong)}")
    path.write_text(good)
    path.chmod(0o644)
    with pytest.raises(NhictlError, match="mode"):
        says(guarded, project, session_id="loose")


@pytest.mark.parametrize(
    "broken", ["no home", "loose home", "no event", "unknown host", "bad format", "damaged database"]
)
def test_every_failure_of_ours_blocks(
    nhictl: Program, house: House, guarded: House, project: Path, broken: str
) -> None:
    event, host, env, home = text(project).decode(), "claude-code", {}, house.home
    house.close()
    if broken == "no home":
        home = project / "nowhere"
    elif broken == "loose home":
        home.chmod(0o755)
    elif broken == "no event":
        event = "{"
    elif broken == "unknown host":
        host = "emacs"
    elif broken == "bad format":
        env = {"NHICTL_OUTPUT": "nonsense"}
    else:
        house.database.write_bytes(b"x" * 4096)
    ran = nhictl("guard", "hook", host, stdin=event, home=home, env=env)
    assert (ran.rc, ran.out) == (2, "")
    assert ran.err.strip()


def test_as_a_process(nhictl: Program, guarded: House, project: Path) -> None:
    guarded.close()
    ran = nhictl("guard", "hook", "claude-code", stdin=text(project).decode(), home=guarded.home)
    assert (ran.rc, ran.err) == (0, "")
    assert json.loads(ran.out)["hookSpecificOutput"]["permissionDecision"] == "allow"
    ran = nhictl("guard", "hook", "claude-code", stdin=text(project, tool_name="Edit").decode(), home=guarded.home)
    assert json.loads(ran.out)["hookSpecificOutput"]["permissionDecision"] == "deny"
