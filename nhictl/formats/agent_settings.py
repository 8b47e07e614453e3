"""Settings of coding agents, as far as hooks go: our handler is put in, found and taken out, everybody else's stays.

Claude Code (`settings.json`, `settings.local.json`) and Codex (`hooks.json`) have one shape:
`{"hooks": {EVENT: [{"matcher"?: …, "hooks": [{"type": "command", "command": …, "timeout": seconds}]}]}}`; a group without a
matcher is for every tool. Sources: the hosts' public hook references.
"""

from __future__ import annotations

import json
from typing import Any, Final

from nhictl.core import strict_json
from nhictl.errors import InputError

MARK: Final = "# nhictl guard"
"""How a handler of ours ends: a comment to the shell that runs it."""
TIMEOUT_S: Final = 60
"""What the host is told; the hook gives itself less, since a host lets the call run when its own limit is over."""
LIMIT_S: Final = 40
"""After how long the shell's `timeout`, where there is one, ends a hook that does not even start."""
MAX_FILE: Final = 4 << 20
_COMMON: Final = ("PreToolUse", "PostToolUse", "UserPromptSubmit", "SessionStart", "SessionEnd")
EVENTS: Final = {"claude-code": (*_COMMON, "PostToolUseFailure"), "codex": _COMMON}
PROJECT_FILE: Final = {"claude-code": ".claude/settings.local.json", "codex": ".codex/hooks.json"}
USER_FILE: Final = {
    "claude-code": ("CLAUDE_CONFIG_DIR", ".claude", "settings.json"),
    "codex": ("CODEX_HOME", ".codex", "hooks.json"),
}
SHARED_FILE: Final = {"claude-code": (".claude/settings.json",), "codex": ()}
"""Settings of the project beside the one that `guard install` writes; they can switch hooks off as well."""
UNCOVERED: Final = {
    "claude-code": (
        "arguments that another PreToolUse hook rewrites (updatedInput): the call runs with what that hook says",
        "files that a person names with @ in a prompt: they are read without a tool call",
        "a call whose hook the host itself gives up on after its time-out, or whose shell was killed: it runs",
        "settings that switch hooks off (disableAllHooks), until `guard status` is asked",
    ),
    "codex": (
        "everything until you have trusted the hook: Codex skips new and changed hooks until then (see /hooks)",
        "everything while Codex's hooks are switched off ([features] in config.toml), and with versions that have none",
        "tools that Codex has no hook event for, such as web search",
        "the end of a session, with versions that do not tell it: its task then ends by its deadline",
        "a call whose hook the host itself gives up on after its time-out, or whose shell was killed: it runs",
    ),
}
"""What the host cannot be made to block, for people to know."""


def load(data: bytes, file: str) -> dict[str, Any]:
    """The settings, empty bytes being none; InputError for what is no JSON object, of which nothing may then be changed."""
    if not data.strip():
        return {}
    try:
        value = strict_json.loads(data)
    except strict_json.StrictJSONError as e:
        raise InputError(f"not settings that can be changed: {e}", file=file, line=e.line, column=e.column) from e
    hooks = value.get("hooks", {}) if isinstance(value, dict) else None
    if not isinstance(hooks, dict) or not all(_well_formed(groups) for groups in hooks.values()):
        raise InputError("not settings that can be changed: `hooks` is not of the shape that is known", file=file)
    return dict(value)


def _well_formed(groups: Any) -> bool:
    return isinstance(groups, list) and all(
        isinstance(group, dict) and isinstance(group.get("hooks"), list)
        and all(isinstance(handler, dict) for handler in group["hooks"])
        for group in groups
    )  # fmt: skip


def dump(settings: dict[str, Any]) -> bytes:
    """The file's text, as the hosts write it."""
    return json.dumps(settings, indent=2, ensure_ascii=False).encode() + b"\n"


def is_ours(handler: dict[str, Any]) -> bool:
    """Whether `guard install` put this handler there, for whichever home."""
    command = handler.get("command")
    return isinstance(command, str) and command.rstrip().endswith(MARK)


def without(settings: dict[str, Any]) -> dict[str, Any]:
    """The settings without any handler of ours; groups and events that held nothing else go too."""
    hooks: dict[str, Any] = {}
    for event, groups in settings.get("hooks", {}).items():
        kept = []
        for group in groups:
            others = [handler for handler in group["hooks"] if not is_ours(handler)]
            if len(others) == len(group["hooks"]):
                kept.append(group)
            elif others:
                kept.append({**group, "hooks": others})
        if kept or not groups:
            hooks[event] = kept
    made = {name: value for name, value in settings.items() if name != "hooks"}
    return {**made, "hooks": hooks} if hooks else made


def with_handler(settings: dict[str, Any], host: str, command: str) -> dict[str, Any]:
    """The settings with exactly one handler of ours for each event, after everybody else's."""
    made = without(settings)
    hooks = dict(made.get("hooks", {}))
    for event in EVENTS[host]:
        handler = {"type": "command", "command": command, "timeout": TIMEOUT_S}
        hooks[event] = [*hooks.get(event, []), {"hooks": [handler]}]
    return {**made, "hooks": hooks}


def handlers(settings: dict[str, Any]) -> dict[str, list[str]]:
    """Our commands by event, those alone that are asked about every tool."""
    found: dict[str, list[str]] = {}
    for event, groups in settings.get("hooks", {}).items():
        for group in groups:
            if group.get("matcher") in (None, "", "*"):
                found.setdefault(event, []).extend(h["command"] for h in group["hooks"] if is_ours(h))
    return {event: commands for event, commands in found.items() if commands}


def switched_off(settings: dict[str, Any]) -> bool:
    """Whether the file says that no hook is run at all (Claude Code's `disableAllHooks`)."""
    return settings.get("disableAllHooks") is True
