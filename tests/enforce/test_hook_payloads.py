"""Events as each host documents them, written after its public reference: what is decided and what is kept of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from nhictl.core.replay.event import Event
from nhictl.enforce.hook import event as events
from nhictl.enforce.hook.handle import handle
from nhictl.enforce.hook.hosts import HOSTS
from nhictl.ops.activate_policy import activate
from nhictl.ops.house import House
from nhictl.ops.register_agent import Registration, register
from nhictl.ops.replay import Filter, from_home
from tests.enforce.test_hook import register_projects

CLAUDE: dict[str, Any] = {
    "session_id": "00893aaf-19fa-41d2-8238-13269b9b3ca0",
    "transcript_path": "/home/dev/.claude/projects/shop/00893aaf.jsonl",
    "permission_mode": "default",
    "prompt_id": "5d0c3c5e-7a5f-4a0e-9d1b-0d6f0e2c9a11",
    "scratchpad_dir": "/tmp/claude-1000/shop/scratchpad",
    "effort": {"level": "high"},
}
CODEX: dict[str, Any] = {
    "session_id": "0199a213-81c0-7800-8aa1-bbab2a035a53",
    "turn_id": "3",
    "transcript_path": None,
    "model": "gpt-5-codex",
    "permission_mode": "default",
}
POLICY = {
    "nhictl_policy": 1,
    "tools": {
        "Bash": {"args": {"command": "string", "description": {"type": "string", "optional": True},
                          "timeout": {"type": "integer", "optional": True}}},
        "Write": {"args": {"file_path": "path", "content": "string"}, "resource": "args.file_path"},
        "Read": {"args": {"file_path": "path", "offset": {"type": "integer", "optional": True}}, "resource": "args.file_path"},
        "apply_patch": {"args": {"command": "string"}},
        "mcp__memory__create_entities": {"args": "open"},
        "Notify": {"args": {}},
    },
    "rules": [
        {"id": "SAFE", "effect": "permit", "match": {"tools": ["Bash"]}, "when": {"args.command": {"in": ["npm test", "ls"]}}},
        {"id": "FILES", "effect": "permit", "match": {"tools": ["Read", "Write", "apply_patch", "mcp__memory__*"]},
         "obligations": [{"type": "log_prompt", "redact": ["args.content"]}]},
        {"id": "NOTIFY", "effect": "permit", "match": {"tools": ["Notify"]},
         "obligations": [{"type": "notification", "to": "ops"}]},
    ],
}  # fmt: skip


@pytest.fixture
def project(tmp_path: Path) -> Path:
    made = tmp_path / "shop"
    made.mkdir()
    return made


@pytest.fixture
def guarded(house: House, project: Path, monkeypatch: pytest.MonkeyPatch) -> House:
    for name in ("NHICTL_TASK", "NHICTL_TOKEN", "NHICTL_TOKEN_FILE", "NHICTL_TOKEN_FD"):
        monkeypatch.delenv(name, raising=False)
    activate(house, [("policy.yaml", json.dumps(POLICY).encode())])
    register(house, Registration("coder", "dev@example.org", "writes code"), None, None)
    return house


def tell(house: House, project: Path, host: str, name: str, performs: tuple[str, ...] = (), **more: Any) -> str | None:
    """The decision on one event, None if nothing is said."""
    register_projects(house.home, project, host=host, allow=("*",))
    common = CLAUDE if host == "claude-code" else CODEX
    text = json.dumps({**common, "cwd": str(project), "hook_event_name": name, **more}).encode()
    said = handle(house, HOSTS[host], events.parse(text), None, frozenset(("log_prompt", *performs))).stdout
    return None if said is None else str(said["hookSpecificOutput"]["permissionDecision"])


def story(house: House) -> list[Event]:
    found = from_home(house, Filter())
    assert found.exit == 0
    return [event for event in found.events if event.type in ("tool.called", "message.added")]


BASH = {
    "tool_name": "Bash",
    "tool_use_id": "toolu_01A",
    "tool_input": {"command": "npm test", "description": "Run tests"},
}
CALLS: list[tuple[str, dict[str, Any], str | None]] = [
    ("claude-code", BASH, "allow"),
    ("claude-code", {**BASH, "tool_input": {"command": "npm test && curl evil", "timeout": 120000}}, "deny"),
    ("claude-code", {**BASH, "tool_input": {"command": "npm test", "run_in_background": True}}, "deny"),  # not declared
    ("claude-code", {"tool_name": "Write", "tool_use_id": "toolu_01B",
                     "tool_input": {"file_path": "/p/a", "content": "x"}}, "allow"),
    ("claude-code", {"tool_name": "mcp__memory__create_entities", "tool_use_id": "toolu_01C",
                     "tool_input": {"entities": [{"name": "x"}]}}, "allow"),
    ("claude-code", {"tool_name": "WebFetch", "tool_use_id": "toolu_01D",
                     "tool_input": {"url": "https://x", "prompt": "y"}}, "deny"),
    ("claude-code", {**BASH, "agent_id": "agent-abc123", "agent_type": "Explore"}, "allow"),
    ("codex", {"tool_name": "Bash", "tool_use_id": "call_1", "tool_input": {"command": "ls"}}, None),
    ("codex", {"tool_name": "apply_patch", "tool_use_id": "call_2",
               "tool_input": {"command": "*** Begin Patch\n*** End Patch"}}, None),
    ("codex", {"tool_name": "Bash", "tool_use_id": "call_3", "tool_input": {"command": "rm -rf /"}}, "deny"),
    ("codex", {"tool_name": "Bash", "tool_use_id": "call_4", "tool_input": {"command": "ls"}, "agent_id": "thr_9"}, None),
]  # fmt: skip


@pytest.mark.parametrize(("host", "call", "decision"), CALLS, ids=range(len(CALLS)))
def test_a_call_as_the_host_tells_it(
    guarded: House, project: Path, host: str, call: dict[str, Any], decision: str | None
) -> None:
    assert tell(guarded, project, host, "SessionStart", source="startup") is None
    assert tell(guarded, project, host, "PreToolUse", **call) == decision
    (kept,) = story(guarded)
    assert (kept.tool, kept.call, kept.span, kept.parent) == (
        call["tool_name"], call["tool_use_id"], call["tool_use_id"], call.get("agent_id"),
    )  # fmt: skip
    assert kept.outcome == ("denied" if decision == "deny" else "unknown")
    if decision != "deny":
        assert (
            tell(guarded, project, host, "PostToolUse", tool_response={"stdout": "ok", "interrupted": False}, **call)
            is None
        )
        assert story(guarded)[0].outcome == "ok"


def test_what_a_person_asks_is_recorded_with_its_secrets_masked(guarded: House, project: Path) -> None:
    secret = "ghp_" + "a1B2" * 9
    for host in HOSTS:
        assert tell(guarded, project, host, "UserPromptSubmit", prompt=f"fix the tests, {secret}") is None
    kept = story(guarded)
    assert [event.type for event in kept] == ["message.added"] * 2
    for event in kept:
        assert "fix the tests" in json.dumps(event.to_json())
        assert secret not in json.dumps(event.to_json())
    assert tell(guarded, project.parent, "codex", "UserPromptSubmit", session_id="elsewhere", prompt="x") is None
    assert tell(guarded, project, "codex", "UserPromptSubmit", prompt="x" * (2 << 20)) is None  # by its digest
    assert "sha256" in json.dumps(story(guarded)[-1].to_json())


def test_arguments_and_results_are_kept_without_secrets_and_without_what_the_policy_hides(
    guarded: House, project: Path
) -> None:
    secret = "ghp_" + "a1B2" * 9
    write: dict[str, Any] = {
        "tool_name": "Write",
        "tool_use_id": "t1",
        "tool_input": {"file_path": "/p/a", "content": "my own words"},
    }
    assert tell(guarded, project, "claude-code", "PreToolUse", **write) == "allow"
    assert tell(guarded, project, "claude-code", "PostToolUse", tool_response={"out": secret}, **write) is None
    text = json.dumps([event.to_json() for event in story(guarded)])
    assert "/p/a" in text
    assert "my own words" not in text
    assert secret not in text


def test_an_obligation_that_nobody_performs_denies(guarded: House, project: Path) -> None:
    call: dict[str, Any] = {"tool_name": "Notify", "tool_input": {}}
    assert tell(guarded, project, "claude-code", "PreToolUse", tool_use_id="a", **call) == "deny"
    assert tell(guarded, project, "claude-code", "PreToolUse", ("notification",), tool_use_id="b", **call) == "allow"
